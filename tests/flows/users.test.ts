import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openCall, publishPack, type System, startSystem, type TestUser, waitFor } from "../harness.ts";

let system: System;
let admin: TestUser;

beforeAll(async () => {
  system = await startSystem({ environment: { PACK_CREATORS: "authors" } });
  admin = await system.signUp("admin", ["admin"]);
});
afterAll(() => system?.stop());

const idOf = async (user: TestUser): Promise<string> => (await user.call("GET", "/v1/me")).json.id;
const change = async (who: TestUser, body: object, by = admin) =>
  by.call("PATCH", `/v1/users/${await idOf(who)}`, { body });
/** The status of a request at each API process. */
const askAll = (token: string, path: string) =>
  Promise.all(system.apiUrls.map(async (url) => (await openCall(url, token)("GET", path)).status));
const signIn = (login: string) =>
  system.call("POST", "/v1/auth/login", { body: { login, password: "a long test password" } });

describe("admins", () => {
  test("find accounts by login, name and address, page by page; nobody else does", async () => {
    const made: string[] = [];
    for (let index = 0; index < 5; index++) made.push((await system.signUp(`listed-${index}`)).login);
    const found: string[] = [];
    let path = "/v1/users?query=LISTED&limit=2";
    for (let page = 0; page < 5; page++) {
      const { json, headers } = await admin.call("GET", path);
      found.push(...json.items.map((item: { login: string }) => item.login));
      expect(json.items.length).toBeLessThanOrEqual(2);
      if (json.nextCursor === null) break;
      expect(headers.get("link")).toContain('rel="next"');
      path = `/v1/users?query=LISTED&limit=2&cursor=${json.nextCursor}`;
    }
    expect(found).toEqual(made);
    expect((await admin.call("GET", "/v1/users?query=100%25")).json.items).toEqual([]);
    const plain = await system.signUp();
    const ops = await system.signUp("watcher", ["ops"]);
    for (const { call } of [plain, ops]) {
      expect((await call("GET", "/v1/users")).status).toBe(403);
      const own = (await call("GET", "/v1/me")).json.id;
      expect((await call("PATCH", `/v1/users/${own}`, { body: { roles: ["admin"] } })).status).toBe(403);
      expect((await call("GET", "/v1/me")).json.roles).not.toContain("admin");
    }
    expect((await system.call("GET", "/v1/users")).status).toBe(401);
  });

  test("give roles, which count as soon as the client has a new token, and the old one is refused everywhere", async () => {
    const author = await system.signUp();
    const pack = { slug: "by-an-author", name: "x" };
    expect((await author.call("POST", "/v1/packs", { body: pack })).status).toBe(403);
    const changed = await change(author, { roles: ["author"] });
    expect([changed.status, changed.json.roles]).toEqual([200, ["author"]]);
    await waitFor(
      async () => (await askAll(author.token, "/v1/me")).every((status) => status === 401),
      "every process to refuse the old token",
      1_000,
    );
    const { refreshToken } = author;
    const refreshed = await system.call("POST", "/v1/auth/refresh", { body: { refreshToken } });
    expect(refreshed.json.user.roles).toEqual(["author"]);
    const call = openCall(system.url, refreshed.json.accessToken);
    expect((await call("POST", "/v1/packs", { body: pack })).status).toBe(201);
    const { json } = await call("GET", "/v1/me/activity");
    expect(json.items.map((item: { kind: string }) => item.kind)).toContain("roles-changed");
  });

  test("say only what there is", async () => {
    const user = await system.signUp();
    for (const body of [{}, { roles: ["emperor"] }, { roles: ["ops", "ops"] }, { deleted: true }, { login: "x" }])
      expect((await change(user, body)).status).toBe(422);
    expect((await admin.call("PATCH", `/v1/users/${Bun.randomUUIDv7()}`, { body: { roles: [] } })).status).toBe(404);
    expect((await user.call("GET", "/v1/me")).status).toBe(200);
    const same = await change(user, { roles: [], disabled: false });
    expect(same.status).toBe(200);
    expect((await user.call("GET", "/v1/me")).status).toBe(200); // nothing changed: nothing ended
  });
});

describe("S3: a disabled account", () => {
  test("has no session, token or stream left on any process, is shown to nobody, and can be enabled again", async () => {
    const user = await system.signUp("troublemaker", ["author"]);
    await publishPack(user, { slug: "trouble", version: "1.0.0", files: { "a.jar": "a" }, visibility: "private" });
    const second = (await signIn(user.login)).json;
    const made = await user.call("POST", "/v1/me/tokens", {
      body: { name: "ci", scopes: ["packs:read"], expiresInDays: 1 },
    });
    const id = await idOf(user);
    const tokens = [user.token, second.accessToken];
    for (const token of tokens) expect(new Set(await askAll(token, "/v1/me"))).toEqual(new Set([200]));
    expect(new Set(await askAll(made.json.token, "/v1/packs/trouble"))).toEqual(new Set([200]));
    const streams = await openStreams(user);

    expect((await change(user, { disabled: true })).json.disabledAt).toBeTruthy();
    const began = performance.now();
    await waitFor(
      async () =>
        (await Promise.all(tokens.map((token) => askAll(token, "/v1/me")))).flat().every((status) => status === 401) &&
        (await askAll(made.json.token, "/v1/packs/trouble")).every((status) => status === 401),
      "every process to refuse",
      1_000,
    );
    expect(await Promise.race([Promise.all(streams.map(({ ended }) => ended)), Bun.sleep(5_000)])).toBeDefined();
    expect(performance.now() - began).toBeLessThan(3_000);
    for (const refreshToken of [user.refreshToken, second.refreshToken])
      expect((await system.call("POST", "/v1/auth/refresh", { body: { refreshToken } })).status).toBe(401);
    expect((await signIn(user.login)).status).toBe(401);
    for (const url of system.apiUrls)
      for (const name of [user.login, id])
        expect((await system.call("GET", `${url}/v1/users/${name}`)).status).toBe(404);

    const enabled = await admin.call("PATCH", `/v1/users/${id}`, { body: { disabled: false } });
    expect([enabled.status, enabled.json.disabledAt]).toEqual([200, null]);
    expect((await signIn(user.login)).status).toBe(200);
    expect((await system.call("GET", `/v1/users/${id}`)).status).toBe(200);
    // What was ended stays ended.
    for (const token of tokens) expect(new Set(await askAll(token, "/v1/me"))).toEqual(new Set([401]));
    expect(new Set(await askAll(made.json.token, "/v1/packs/trouble"))).toEqual(new Set([401]));
  });

  /** A stream of events that does not end by itself, on each process. */
  async function openStreams(user: TestUser): Promise<{ ended: Promise<unknown> }[]> {
    const { rows } = await system.db.query({
      name: "test_endless_job",
      text: `insert into job.job (id, actor, subject, payload, owner_id, state, updated_at)
        select $1::uuid, 'none', $1::uuid::text, '{}', u.id, 'running', now() + interval '1 hour' from account."user" u where u.login = $2 returning id`,
      values: [Bun.randomUUIDv7(), user.login],
    });
    const [{ id }] = rows as [{ id: string }];
    return Promise.all(
      system.apiUrls.map(async (url) => {
        const response = await fetch(`${url}/v1/jobs/${id}/events`, {
          headers: { authorization: `Bearer ${user.token}` },
        });
        expect(response.status).toBe(200);
        const reader = response.body?.getReader();
        const first = await reader?.read();
        expect(new TextDecoder().decode(first?.value)).toContain("event: job");
        const drain = async () => {
          while (!(await reader?.read())?.done);
          return true;
        };
        return { ended: drain() };
      }),
    );
  }
});

describe("the last admin", () => {
  test("is neither demoted, disabled nor deleted; a service or a disabled admin is no other one", async () => {
    const other = await system.signUp("other-admin", ["admin"]);
    expect((await change(other, { disabled: true })).status).toBe(200);
    await system.db.query({
      name: "test_service",
      text: `insert into account."user" (id, login, roles) values ($1, 'service:x', '{admin}')`,
      values: [Bun.randomUUIDv7()],
    });
    for (const body of [{ roles: [] }, { roles: ["ops"] }, { disabled: true }]) {
      const { status, json } = await change(admin, body);
      expect([status, json.detail]).toEqual([409, expect.stringContaining("last admin")]);
    }
    const deleted = await admin.call("DELETE", "/v1/me", { body: { password: "a long test password" } });
    expect(deleted.status).toBe(409);
    expect((await admin.call("GET", "/v1/users")).status).toBe(200);
    await system.db.query({
      name: "test_no_service",
      text: `delete from account."user" where login = 'service:x'`,
      values: [],
    });
  });

  test("stays when all admins remove one another, or themselves, at the same moment", async () => {
    for (let round = 0; round < 5; round++) {
      const rivals = await Promise.all([0, 1, 2].map((index) => system.signUp(`rival-${round}-${index}`, ["admin"])));
      const all = [admin, ...rivals];
      const ids = await Promise.all(all.map(idOf));
      const answers = await Promise.all(
        all.map(({ call }, index) =>
          round % 2 === 0
            ? call("PATCH", `/v1/users/${ids[(index + 1) % ids.length]}`, { body: { roles: [] } })
            : index === 0
              ? call("PATCH", `/v1/users/${ids[0]}`, { body: { disabled: true } })
              : call("DELETE", "/v1/me", { body: { password: "a long test password" } }),
        ),
      );
      for (const { status } of answers) expect([200, 401, 403, 409]).toContain(status);
      const { rows } = await system.db.query({
        name: "test_admins",
        text: `select login from account."user" where 'admin' = any (roles) and disabled_at is null and deleted_at is null`,
        values: [],
      });
      expect(rows.length).toBeGreaterThan(0);
      // The next round begins with one admin again.
      await system.db.query({
        name: "test_one_admin",
        text: `update account."user" set roles = case when login = 'admin' then '{admin}'::text[] else '{}' end, ver = ver + 1,
          disabled_at = case when login <> 'admin' then disabled_at end where 'admin' = any (roles) or login = 'admin'`,
        values: [],
      });
      const { json } = await signIn("admin");
      admin = { ...admin, token: json.accessToken, call: openCall(system.url, json.accessToken) };
    }
  });
});

test("a privileged write is refused when the caller's rights changed after his token was believed", async () => {
  const owner = await system.signUp("owner", ["author"]);
  await owner.call("POST", "/v1/packs", { body: { slug: "contested", name: "x", visibility: "private" } });
  // The counter changes behind everybody's back: no process knows that the token is too old.
  await system.db.query({
    name: "test_raise_ver",
    text: `update account."user" set ver = ver + 1 where login = $1`,
    values: [owner.login],
  });
  expect((await owner.call("GET", "/v1/packs/contested")).status).toBe(200);
  const writes: [string, string, unknown][] = [
    ["DELETE", "/v1/packs/contested", { slug: "contested" }],
    ["PATCH", "/v1/packs/contested", { owner: "admin" }],
    ["PUT", "/v1/packs/contested/access", { users: ["admin"], roles: [] }],
    ["PUT", "/v1/packs/contested/members", { login: "admin", role: "maintainer" }],
    ["POST", "/v1/packs", { slug: "another", name: "x" }],
    ["DELETE", "/v1/me", { password: "a long test password" }],
    ["POST", "/v1/me/tokens", { name: "x", scopes: ["packs:read"], expiresInDays: 1 }],
  ];
  for (const [method, path, body] of writes) {
    const { status } = await owner.call(method, path, { body, headers: { "if-match": '"1"' } });
    expect([method, path, status]).toEqual([method, path, 401]);
  }
  expect((await owner.call("GET", "/v1/packs/contested")).json.owner).toBe("owner");
});
