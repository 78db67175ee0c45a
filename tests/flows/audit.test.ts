import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Actor, general } from "../access-table.ts";
import { openCall, publishPack, type System, startSystem, type TestUser } from "../harness.ts";

let system: System;
let admin: TestUser;
let operator: TestUser;
let author: TestUser;
const trace = "0af7651916cd43dd8448eb211c80319c";
const traceparent = `00-${trace}-b7ad6b7169203331-01`;

beforeAll(async () => {
  system = await startSystem({ pods: 1 });
  admin = await system.signUp("admin", ["admin"]);
  operator = await system.signUp("operator", ["ops"]);
  author = await system.signUp("author");
});
afterAll(() => system?.stop());

const query = async (name: string, text: string, values: unknown[] = []) =>
  (await system.db.query({ name: `test_${name}`, text, values })).rows as any[];
const count = async () => (await query("count", "select count(*) as n from audit.act"))[0].n;
const idOf = async (login: string) =>
  (await query("id", `select id from account."user" where login = $1`, [login]))[0].id;

async function makeFailedJob(): Promise<string> {
  const id = Bun.randomUUIDv7();
  await query(
    "fail",
    `insert into job.job (id, actor, subject, payload, state, done) values ($1::uuid, 'build-archive', $1::uuid::text, '{}', 'failed', 1)`,
    [id],
  );
  return id;
}

async function makeReport(): Promise<string> {
  const slug = `reported-${Bun.randomUUIDv7().slice(-12)}`;
  await author.call("POST", "/v1/packs", { body: { slug, name: slug, visibility: "public" } });
  const other = await system.signUp();
  const { json } = await other.call("POST", "/v1/reports", { body: { kind: "pack", id: slug, reason: "spam" } });
  return json.id;
}

const makeInvite = async () => (await admin.call("POST", "/v1/invites", { body: {} })).json.id;

type Case = { path: string; body?: unknown; action: string; subject?: string; by?: TestUser };
/** One request for each route that changes something by virtue of an office; it succeeds. */
const cases: Record<string, () => Promise<Case>> = {
  "PATCH /v1/users/:id": async () => {
    const id = await idOf("author");
    return { path: `/v1/users/${id}`, body: { roles: ["author"] }, action: "user.changed", subject: id };
  },
  "POST /v1/invites": async () => ({ path: "/v1/invites", body: {}, action: "invite.created" }),
  "DELETE /v1/invites/:id": async () => {
    const id = await makeInvite();
    return { path: `/v1/invites/${id}`, action: "invite.deleted", subject: id };
  },
  "PATCH /v1/ops/reports/:id": async () => {
    const id = await makeReport();
    const body = { state: "dismissed", answer: "no" };
    return { path: `/v1/ops/reports/${id}`, body, action: "report.answered", subject: id };
  },
  "POST /v1/ops/storage/sweep": async () => ({ path: "/v1/ops/storage/sweep", action: "storage.swept", by: operator }),
  "POST /v1/ops/storage/verification": async () => ({
    path: "/v1/ops/storage/verification",
    action: "storage.verified",
    by: operator,
  }),
  "POST /v1/ops/images/render": async () => ({
    path: "/v1/ops/images/render",
    body: { which: "missing" },
    action: "images.rendered",
    subject: "missing",
    by: operator,
  }),
  "POST /v1/ops/jobs/:id/retry": async () => {
    const id = await makeFailedJob();
    return { path: `/v1/ops/jobs/${id}/retry`, action: "job.retried", subject: id, by: operator };
  },
  "POST /v1/ops/jobs/retry": async () => {
    await makeFailedJob();
    return { path: "/v1/ops/jobs/retry", body: {}, action: "jobs.retried", by: operator };
  },
  "POST /v1/ops/actors/:name/pause": async () => ({
    path: "/v1/ops/actors/sync-feed/pause",
    action: "actor.paused",
    subject: "sync-feed",
    by: operator,
  }),
  "POST /v1/ops/actors/:name/resume": async () => ({
    path: "/v1/ops/actors/sync-feed/resume",
    action: "actor.resumed",
    subject: "sync-feed",
    by: operator,
  }),
};

/** Asks for a role, and is nobody's office: the role makes him an author like others. */
const ownBusiness = ["POST /v1/events"];
const changes = (name: string) => !/^(GET|HEAD|OPTIONS) /.test(name);

test("every route that changes something by virtue of an office has a case here", async () => {
  const { json } = await system.call("GET", "/openapi/json");
  const described = Object.entries<Record<string, unknown>>(json.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ":$1")}`),
  );
  const byRole = Object.entries(general)
    .filter(([, { expected }]) => {
      const others: Actor[] = ["stranger", "reader", "owner"];
      return others.every((actor) => expected[actor] === 403) && expected.admin !== 403;
    })
    .map(([name]) => name);
  const wanted = [...described.filter((name) => name.includes(" /v1/ops/")), ...byRole].filter(changes);
  expect(byRole.filter(changes).length).toBeGreaterThan(5);
  expect([...new Set(wanted)].filter((name) => !(name in cases) && !ownBusiness.includes(name))).toEqual([]);
});

for (const [name, arrange] of Object.entries(cases))
  test(`${name} leaves exactly one line, and none when it is refused`, async () => {
    const [method = ""] = name.split(" ");
    const { path, body, action, subject = "", by = admin } = await arrange();
    const before = await count();
    const headers = { traceparent };
    const options = { headers, ...(body !== undefined && { body }) };
    expect((await author.call(method, path, options)).status).toBeOneOf([401, 403]);
    expect((await system.call(method, path, options)).status).toBe(401);
    const missing = path.replace(/[0-9a-f]{8}-[0-9a-f-]{27}|sync-feed/, (found) =>
      found === "sync-feed" ? "no-such-actor" : Bun.randomUUIDv7(),
    );
    if (missing !== path) expect((await by.call(method, missing, options)).status).toBe(404);
    expect(await count()).toBe(before);
    expect((await by.call(method, path, options)).status).toBeLessThan(300);
    expect(await count()).toBe(before + 1);
    const { json } = await admin.call("GET", "/v1/ops/audit?limit=1");
    const [line] = json.items;
    expect(line).toMatchObject({ action, via: "api", traceId: trace, actor: { login: by.login } });
    if (subject) expect(line.subject).toBe(subject);
    author = { ...author, ...(await signInAgain("author")) }; // his roles may have changed
  });

async function signInAgain(login: string): Promise<Pick<TestUser, "call" | "token">> {
  const body = { login, password: "a long test password" };
  const token = (await system.call("POST", "/v1/auth/login", { body })).json.accessToken;
  return { token, call: openCall(system.url, token) };
}

test("blocking digests leaves a line, withdrawing one's own version does not", async () => {
  await publishPack(author, { slug: "blocked", version: "1.0.0", files: { "a.jar": "bytes to block" } });
  const before = await count();
  const path = "/v1/packs/blocked/versions/1.0.0/withdraw";
  expect((await author.call("POST", path, { body: { reason: "mine" } })).status).toBe(204);
  expect(await count()).toBe(before);
  expect((await admin.call("POST", path, { body: { reason: "malware", block: true } })).status).toBe(204);
  const { json } = await admin.call("GET", "/v1/ops/audit?action=digests.blocked");
  expect(json.items).toMatchObject([{ subject: "blocked", detail: { version: "1.0.0", digests: 1 } }]);
});

test("what is done on the board is noted, what is looked at is not", async () => {
  const signedIn = await fetch(`${system.url}/ops/sign-in`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: system.url },
    body: new URLSearchParams({ login: "operator", password: "a long test password" }),
  });
  const headers = { cookie: signedIn.headers.get("set-cookie")?.split(";")[0] ?? "", origin: system.url };
  const before = await count();
  expect((await system.call("GET", "/ops/queues/api/queues", { headers })).status).toBe(200);
  expect(await count()).toBe(before);
  for (const verb of ["pause", "resume"])
    expect((await system.call("PUT", `/ops/queues/api/queues/sync-feed/${verb}`, { headers })).status).toBe(200);
  const { json } = await admin.call("GET", "/v1/ops/audit?action=board.used");
  expect(json.items.map(({ subject, via }: any) => [via, subject])).toEqual([
    ["board", "PUT /queues/sync-feed/resume"],
    ["board", "PUT /queues/sync-feed/pause"],
  ]);
});

test("lines are only added to: by nobody, not even who owns the table, are they changed or taken away", async () => {
  await makeInvite();
  for (const [name, text] of [
    ["update", "update audit.act set action = 'x'"],
    ["delete", "delete from audit.act"],
    ["truncate", "truncate audit.act"],
  ] as const)
    await expect(query(name, text)).rejects.toThrow("only added to");
  expect(await count()).toBeGreaterThan(0);
});

test("lines are found by person, action, subject and time, page by page", async () => {
  const id = await idOf("operator");
  const page = async (search: string) => (await admin.call("GET", `/v1/ops/audit?${search}`)).json;
  const all = (await page(`actor=${id}&limit=100`)).items;
  expect(all.length).toBeGreaterThan(3);
  expect(new Set(all.map(({ actor }: any) => actor.login))).toEqual(new Set(["operator"]));
  const first = await page(`actor=${id}&limit=2`);
  const second = await page(`actor=${id}&limit=2&cursor=${first.nextCursor}`);
  expect([...first.items, ...second.items]).toEqual(all.slice(0, 4));
  const { at, subject, action } = all[1];
  expect((await page(`subject=${subject}&action=${action}`)).items.length).toBeGreaterThan(0);
  expect((await page(`to=${at}`)).items.every((line: any) => line.at < at)).toBe(true);
  expect((await page("from=2999-01-01T00:00:00Z")).items).toEqual([]);
  expect((await operator.call("GET", "/v1/ops/audit")).status).toBe(403);
});

test("neither addresses nor secrets stand in it", async () => {
  const text = JSON.stringify(await query("all", "select * from audit.act"));
  for (const hidden of ["127.0.0.1", "a long test password", admin.token, operator.token, "@"])
    expect(text).not.toContain(hidden);
});
