import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { codeAt, stepAt } from "../../api/accounts/totp.ts";
import { userReferences } from "../../db/erase.ts";
import {
  hurry,
  openCall,
  publishPack,
  type System,
  sha256,
  startSystem,
  type TestUser,
  upload,
  waitFor,
} from "../harness.ts";

const password = "a long test password";
let system: System;
let admin: TestUser;
let friend: TestUser;

beforeAll(async () => {
  system = await startSystem({
    pods: 2,
    environment: { ...hurry, SWEEP_GRACE_SECONDS: "0", SWEEP_DOOMED_SECONDS: "0", LIMIT_SIGN_INS_PER_ACCOUNT: "10" },
  });
  admin = await system.signUp("admin", ["admin"]);
  friend = await system.signUp("friend");
});
afterAll(() => system?.stop());

let made = 0;

/** Somebody who has something in every module, and what of his others see. */
async function arrange() {
  const name = `leaver-${++made}`;
  const user = await system.signUp(name);
  const { id } = (await user.call("GET", "/v1/me")).json;
  const [open, hidden, shared] = [`open-${made}`, `hidden-${made}`, `shared-${made}`];
  await publishPack(user, { slug: open, version: "1.0.0", files: { "a.jar": `open bytes ${name}` } });
  await publishPack(user, { slug: hidden, version: "1.0.0", files: { "a.jar": `x ${name}` }, visibility: "private" });
  await user.call("PUT", `/v1/packs/${hidden}/members`, { body: { login: "friend", role: "maintainer" } });
  // He also works on a pack of somebody else, and has published in it.
  await friend.call("POST", "/v1/packs", { body: { slug: shared, name: shared, visibility: "public" } });
  await friend.call("PUT", `/v1/packs/${shared}/members`, { body: { login: name, role: "publisher" } });
  await friend.call("PUT", `/v1/packs/${shared}/access`, { body: { users: [name], roles: [] } });
  await publishPack(user, { slug: shared, version: "1.0.0", files: { "a.jar": `shared bytes ${name}` } });
  const alone = await upload(user, `alone ${name}`);
  const file = await user.call("POST", "/v1/files", {
    body: { sha256: alone, name: "map.zip", visibility: "public", access: { users: ["friend"], roles: [] } },
  });
  await user.call("POST", "/v1/uploads", { body: { sha256: sha256(`waiting ${name}`), size: 9, name: "waiting" } });
  const pat = await user.call("POST", "/v1/me/tokens", {
    body: { name: "ci", scopes: ["packs:read"], expiresInDays: 1 },
  });
  const other = await system.call("POST", "/v1/auth/login", { body: { login: name, password } });
  const tokens: string[] = [user.token, other.json.accessToken, pat.json.token];
  /** What others may see of him, and nobody once he is hidden. */
  const his = [
    `/v1/users/${name}`,
    `/v1/users/${id}`,
    `/v1/packs/${open}`,
    `/v1/packs/${open}/latest`,
    `/v1/packs/${open}/versions/1.0.0/manifest`,
    `/v1/packs/${open}/versions/1.0.0`,
    `/v1/blobs/${sha256(`open bytes ${name}`)}`,
    `/v1/files/${file.json.id}`,
    `/v1/files/${file.json.id}/content`,
  ];
  return {
    user,
    name,
    id,
    open,
    hidden,
    shared,
    his,
    tokens,
    refreshTokens: [user.refreshToken, other.json.refreshToken],
  };
}
type Arranged = Awaited<ReturnType<typeof arrange>>;

/** Statuses of requests at each API process. */
async function askAll(call: TestUser["call"], paths: string[]): Promise<number[]> {
  const urls = system.apiUrls.flatMap((url) => paths.map((path) => url + path));
  return Promise.all(urls.map(async (url) => (await call("GET", url)).status));
}

const all = (statuses: number[], status: number) => statuses.every((found) => found === status);

async function expectHidden({ name, open, hidden, shared, his, tokens, refreshTokens }: Arranged): Promise<void> {
  await waitFor(
    async () =>
      all((await Promise.all(tokens.map((token) => askAll(openCall(system.url, token), ["/v1/me"])))).flat(), 401) &&
      all(await askAll(system.call, his), 404),
    "every process to show nothing of him",
    1_500,
  );
  for (const { call } of [friend, admin])
    expect(all(await askAll(call, [...his, `/v1/packs/${hidden}`]), 404)).toBe(true);
  for (const refreshToken of refreshTokens)
    expect((await system.call("POST", "/v1/auth/refresh", { body: { refreshToken } })).status).toBe(401);
  expect((await system.call("POST", "/v1/auth/login", { body: { login: name, password } })).status).toBe(401);
  for (const { call } of [friend, admin]) {
    const listed = (await call("GET", "/v1/packs?limit=100")).json.items.map((item: { slug: string }) => item.slug);
    expect(listed).not.toContain(open);
    expect(listed).not.toContain(hidden);
    expect(listed).toContain(shared);
  }
  expect((await friend.call("GET", `/v1/packs/${shared}/members`)).text).not.toContain(name);
  expect((await friend.call("GET", `/v1/packs/${shared}/access`)).text).not.toContain(name);
  const invited = await friend.call("PUT", `/v1/packs/${shared}/members`, { body: { login: name, role: "publisher" } });
  expect(invited.status).toBe(422);
  // What he did for others is theirs.
  expect((await system.call("GET", `/v1/packs/${shared}/versions/1.0.0/manifest`)).status).toBe(200);
}

async function expectShown({ his, hidden, shared, name }: Arranged): Promise<void> {
  await waitFor(
    async () => (await askAll(system.call, his)).every((status) => status === 200 || status === 307),
    "every process to show him",
    2_000,
  );
  expect((await friend.call("GET", `/v1/packs/${hidden}`)).json.role).toBe("maintainer");
  expect((await friend.call("GET", `/v1/packs/${shared}/members`)).text).toContain(name);
}

/** How many rows name him, by column, without those that name the tombstone on purpose. */
async function countRows(id: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [column, fate] of Object.entries(userReferences)) {
    if (fate === "stays") continue;
    const [schema, table, name] = column.split(".");
    const { rows } = await system.db.query({
      name: `test_count_${schema}_${table}_${name}`,
      text: `select count(*) as count from ${schema}.${table} where ${name} = $1`,
      values: [id],
    });
    const [{ count }] = rows as [{ count: number }];
    if (count > 0) counts[column] = count;
  }
  return counts;
}

const passTime = (id: string) =>
  system.db.query({
    name: "test_pass_time",
    text: `update account."user" set erase_after = now() - interval '1 second' where id = $1 and erase_after is not null`,
    values: [id],
  });

const findUser = async (id: string) => {
  const { rows } = await system.db.query({
    name: "test_find_user",
    text: `select * from account."user" where id = $1`,
    values: [id],
  });
  return rows[0] as Record<string, unknown>;
};

describe("an account", () => {
  test("is deleted with its password only", async () => {
    const { user } = await arrange();
    expect((await user.call("DELETE", "/v1/me", { body: {} })).status).toBe(422);
    const wrong = await user.call("DELETE", "/v1/me", { body: { password: "another one" } });
    expect([wrong.status, wrong.json.reason]).toEqual([403, "wrong-password"]);
    expect((await user.call("GET", "/v1/me")).status).toBe(200);
    expect((await system.call("DELETE", "/v1/me", { body: { password } })).status).toBe(401);
  });

  test("is not deleted by whoever has its token and guesses at the password", async () => {
    const user = await system.signUp();
    const guesses = await Promise.all(
      Array.from({ length: 40 }, (_, index) => user.call("DELETE", "/v1/me", { body: { password: `guess ${index}` } })),
    );
    const counts = Map.groupBy(guesses, ({ status }) => status);
    expect([...counts.keys()].sort()).toEqual([403, 429]);
    expect(counts.get(403)?.length).toBeLessThanOrEqual(12);
    expect(counts.get(429)?.[0]?.headers.get("retry-after")).toMatch(/^\d+$/);
  });

  test("that is deleted is hidden at once, everywhere, with all that is its user's, and can be had back", async () => {
    const arranged = await arrange();
    const { user, name, tokens } = arranged;
    await expectShown(arranged);
    const answers = await Promise.all([0, 1, 2].map(() => user.call("DELETE", "/v1/me", { body: { password } })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
    const { eraseAfter } = answers.find(({ status }) => status === 200)?.json ?? {};
    expect(Math.round((Date.parse(eraseAfter) - Date.now()) / 86_400_000)).toBe(14);
    await expectHidden(arranged);

    const undelete = (body: object) => system.call("POST", "/v1/auth/undelete", { body });
    const unknown = await undelete({ login: "nobody-here", password });
    const wrong = await undelete({ login: name, password: "another one" });
    expect([wrong.status, wrong.json.detail]).toEqual([unknown.status, unknown.json.detail]);
    expect(wrong.status).toBe(401);
    const friends = await undelete({ login: "friend", password }); // nobody deleted that
    expect(friends.status).toBe(401);
    const back = await Promise.all([0, 1, 2].map(() => undelete({ login: name, password })));
    expect(back.map(({ status }) => status).sort()).toEqual([200, 401, 401]);
    const session = back.find(({ status }) => status === 200)?.json;
    await expectShown(arranged);
    const call = openCall(system.url, session.accessToken);
    const kinds = (await call("GET", "/v1/me/activity")).json.items.map((item: { kind: string }) => item.kind);
    expect(kinds.slice(0, 3)).toEqual(["signed-in", "restored", "deleted"]);
    for (const kind of ["registered", "published", "token-created"]) expect(kinds).toContain(kind);
    // What was ended stays ended.
    for (const token of tokens) expect(all(await askAll(openCall(system.url, token), ["/v1/me"]), 401)).toBe(true);
    expect((await call("GET", "/v1/me/tokens")).json.items).toEqual([]);
  });

  test("that is hidden is brought back by an admin", async () => {
    const arranged = await arrange();
    await arranged.user.call("DELETE", "/v1/me", { body: { password } });
    await expectHidden(arranged);
    const path = `/v1/users/${arranged.id}`;
    const listed = await admin.call("GET", `/v1/users?query=${arranged.name}`);
    expect(listed.json.items[0]).toMatchObject({ id: arranged.id, deletedAt: expect.any(String) });
    const restored = await admin.call("PATCH", path, { body: { deleted: false } });
    expect([restored.status, restored.json.deletedAt, restored.json.eraseAfter]).toEqual([200, null, null]);
    await expectShown(arranged);
    expect((await system.call("POST", "/v1/auth/login", { body: { login: arranged.name, password } })).status).toBe(
      200,
    );
  });

  test("with a second factor takes a code to be had back, each once", async () => {
    const user = await system.signUp();
    const { secret } = (await user.call("POST", "/v1/me/totp")).json;
    const codeFor = (away: number) => codeAt(secret, stepAt(Date.now()) + away);
    const confirmed = await user.call("POST", "/v1/me/totp/confirm", { body: { code: codeFor(-1) } });
    expect(confirmed.status).toBe(200);
    expect((await user.call("DELETE", "/v1/me", { body: { password } })).status).toBe(200);
    const undelete = (code?: string) =>
      system.call("POST", "/v1/auth/undelete", {
        body: { login: user.login, password, ...(code !== undefined && { code }) },
      });
    for (const code of [undefined, codeFor(5), codeFor(-1)]) {
      const { status, json } = await undelete(code);
      expect([status, json.reason]).toEqual([401, "second-factor"]);
    }
    expect((await undelete(codeFor(0))).status).toBe(200);
  });

  test("without a password is deleted by whoever signed in a short time ago", async () => {
    const user = await system.signUp();
    const query = (text: string) =>
      system.db.query({ name: `test_${sha256(text).slice(0, 8)}`, text, values: [user.login] });
    await query(`update account."user" set password_hash = null where login = $1`);
    await query(`update account.session s set fresh_at = now() - interval '11 minutes' from account."user" u
      where u.id = s.user_id and u.login = $1`);
    const stale = await user.call("DELETE", "/v1/me", { body: {} });
    expect([stale.status, stale.json.reason]).toEqual([403, "stale-session"]);
    await query(
      `update account.session s set fresh_at = now() from account."user" u where u.id = s.user_id and u.login = $1`,
    );
    expect((await user.call("DELETE", "/v1/me", { body: {} })).status).toBe(200);
    expect((await user.call("GET", "/v1/me")).status).toBe(401);
  });

  test("B4: is erased although the pods that do it are killed again and again", async () => {
    const gone = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const user = await system.signUp();
        await upload(user, `bytes of ${user.login}`);
        const { id } = (await user.call("GET", "/v1/me")).json;
        await user.call("DELETE", "/v1/me", { body: { password } });
        return id as string;
      }),
    );
    for (const id of gone) await passTime(id);
    // Once each step has begun for somebody: the fact stated, delivered, the job begun, an account erased.
    const stages = [
      `select from outbox.fact where kind = 'user.deleted' and payload ->> 'userId' = any ($1)`,
      `select from outbox.delivery d join outbox.fact f on f.id = d.fact_id where f.kind = 'user.deleted' and payload ->> 'userId' = any ($1)`,
      `select from job.job where actor = 'erase-user' and subject = any ($1) and attempts > 0`,
      `select from account."user" where id::text = any ($1) and login = 'deleted-' || id`,
    ];
    for (const [index, text] of stages.entries()) {
      const reached = async () =>
        (await system.db.query({ name: `test_stage_${index}`, text, values: [gone] })).rows.length;
      await waitFor(async () => (await reached()) > 0, `stage ${index} to begin`);
      for (const pod of system.pods.filter(({ exitCode }) => exitCode === null)) pod.kill("SIGKILL");
      system.startPod();
    }
    system.startPod();
    for (const id of gone)
      await waitFor(async () => (await findUser(id)).login === `deleted-${id}`, "the account to be erased", 40_000);
    for (const id of gone) expect(await countRows(id)).toEqual({});
    const { rows } = await system.db.query({
      name: "test_facts_of",
      text: `select payload ->> 'userId' as id, count(*) as facts, count(d.receiver) as deliveries, bool_and(relayed_at is not null) as relayed
        from outbox.fact f left join outbox.delivery d on d.fact_id = f.id
        where f.kind = 'user.deleted' and payload ->> 'userId' = any ($1) group by 1`,
      values: [gone],
    });
    expect(rows.length).toBe(gone.length);
    for (const row of rows) expect(row).toMatchObject({ facts: 1, deliveries: 1 });
  });

  test("whose time is over is erased with every row and object; its login is free, what others have stays", async () => {
    const arranged = await arrange();
    const { user, name, id, open, hidden, shared } = arranged;
    const bystander = await arrange();
    const others = await countRows(bystander.id);
    await user.call("PATCH", "/v1/me", {
      body: { displayName: "Уходящий", bio: "secret words" },
      headers: { "if-match": "*" },
    });
    const signed = await system.call("GET", `/v1/blobs/${sha256(`open bytes ${name}`)}`);
    const address = signed.headers.get("location") ?? "";
    expect((await fetch(address)).status).toBe(200);
    const before = await countRows(id);
    for (const column of [
      "account.session.user_id",
      "account.access_token.user_id",
      "account.activity.user_id",
      "blob.upload.owner_id",
      "blob.quota.user_id",
      "file.file.owner_id",
      "pack.member.user_id",
      "pack.reader_user.user_id",
      "job.job.owner_id",
    ])
      expect([column, (before[column] ?? 0) > 0]).toEqual([column, true]);

    await user.call("DELETE", "/v1/me", { body: { password } });
    expect((await countRows(id))["file.file.owner_id"]).toBe(before["file.file.owner_id"] ?? 0); // not yet
    await passTime(id);
    // Over is over, whether it was erased yet or not.
    expect((await system.call("POST", "/v1/auth/undelete", { body: { login: name, password } })).status).toBe(401);
    await waitFor(async () => (await findUser(id)).login === `deleted-${id}`, "the account to be erased");
    expect(await countRows(id)).toEqual({});
    expect(await findUser(id)).toMatchObject({
      email: null,
      password_hash: null,
      roles: [],
      display_name: "",
      bio: "",
      links: {},
      preferences: {},
    });
    const { rows: packs } = await system.db.query({
      name: "test_packs_left",
      text: `select slug, name, summary, deleted_at is not null as deleted from pack.pack where owner_id = $1 order by slug`,
      values: [id],
    });
    expect(packs).toEqual([hidden, open].map((slug) => ({ slug, name: "", summary: "", deleted: true })));
    expect(await countRows(bystander.id)).toEqual(others);

    // Nothing brings it back, and nobody finds it.
    expect((await system.call("POST", "/v1/auth/undelete", { body: { login: name, password } })).status).toBe(401);
    expect((await admin.call("PATCH", `/v1/users/${id}`, { body: { deleted: false } })).status).toBe(404);
    for (const path of [id, name, `deleted-${id}`])
      expect((await system.call("GET", `/v1/users/${path}`)).status).toBe(404);

    // The sweep takes the bytes that were only his.
    const sweep = await admin.call("POST", "/v1/ops/storage/sweep", { body: { force: true } });
    expect(sweep.status).toBe(202);
    await waitFor(async () => (await fetch(address)).status !== 200, "the bytes to be gone");
    const { rows: blobs } = await system.db.query({
      name: "test_blobs_left",
      text: `select sha256 from blob.blob where sha256 = any ($1)`,
      values: [[`open bytes ${name}`, `x ${name}`, `alone ${name}`].map(sha256)],
    });
    expect(blobs).toEqual([]);
    expect((await system.call("GET", `/v1/packs/${shared}/versions/1.0.0/manifest`)).status).toBe(200);
    expect((await system.call("GET", `/v1/blobs/${sha256(`shared bytes ${name}`)}`)).status).toBe(307);
    await expectShown(bystander);

    const again = await system.signUp(name);
    expect((await again.call("GET", "/v1/me")).json).toMatchObject({ login: name, displayName: "", bio: "" });
    expect((await again.call("POST", "/v1/packs", { body: { slug: open, name: "x" } })).status).toBe(409); // a slug is never used again
  });
});
