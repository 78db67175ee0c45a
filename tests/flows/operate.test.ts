import { afterAll, beforeAll, expect, test } from "bun:test";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { userReferences } from "../../db/erase.ts";
import { publishPack, type System, startSystem, type TestUser, waitFor, waitForJob } from "../harness.ts";
import { type Person, seat } from "./sunduk.ts";

let system: System;
let operator: TestUser;
let person: Person;
/** What the command line is told of the server: its database, as on the server itself. */
let onServer: Record<string, string>;

beforeAll(async () => {
  system = await startSystem({ pods: 1 });
  operator = await system.signUp("operator", ["ops"]);
  person = await seat();
  const { DATABASE_URL = "", DATA = "" } = system.environment;
  onServer = { DATABASE_URL, DATA, BACKUP_BEFORE_MIGRATION: "off" };
});
afterAll(async () => {
  await person?.close();
  await system?.stop();
});

const query = async (name: string, text: string, values: unknown[] = []) =>
  (await system.db.query({ name: `test_${name}`, text, values })).rows as any[];
const jobs = (words: string[]) =>
  person.sunduk(["jobs", ...words, "--json"], { env: { SUNDUK_URL: system.url, SUNDUK_TOKEN: operator.token } });
const local = (words: string[], env: Record<string, string> = {}) =>
  person.sunduk([...words, "--json"], { env: { ...onServer, ...env } });

/** A job whose handler finds nothing to do, so that it is done at once when it is asked for again. */
async function makeFailedJob(): Promise<string> {
  const id = Bun.randomUUIDv7();
  await query(
    "fail",
    `insert into job.job (id, actor, subject, payload, state, done, problem)
     values ($1::uuid, 'erase-user', $1::uuid::text, jsonb_build_object('userId', $1::uuid::text), 'failed', 1, '{"detail":"it broke"}')`,
    [id],
  );
  return id;
}

test("jobs failed lists, jobs retry does one or all once more", async () => {
  const ids = await Promise.all([makeFailedJob(), makeFailedJob(), makeFailedJob()]);
  const listed = await jobs(["failed"]);
  expect(listed.code).toBe(0);
  expect(listed.json.items.map(({ id }: any) => id).sort()).toEqual([...ids].sort());
  expect(listed.json.items[0]).toMatchObject({ actor: "erase-user", problem: { detail: "it broke" } });
  const [first = "", ...others] = ids;
  expect((await jobs(["retry", first])).json).toMatchObject({ ok: true, retried: 1 });
  expect((await waitForJob(operator, first)).state).toBe("completed");
  expect((await jobs(["retry", first])).code).toBe(3);
  expect((await jobs(["retry"])).code).toBe(2);
  expect((await jobs(["retry", first, "--all"])).code).toBe(2);
  expect((await jobs(["retry", "--all"])).json).toMatchObject({ ok: true, retried: others.length });
  for (const id of others) expect((await waitForJob(operator, id)).state).toBe("completed");
  expect((await jobs(["failed"])).json.items).toEqual([]);
  const stranger = await system.signUp();
  const env = { SUNDUK_URL: system.url, SUNDUK_TOKEN: stranger.token };
  expect((await person.sunduk(["jobs", "failed", "--json"], { env })).code).toBe(4);
});

test("a paused actor begins nothing, though its job is sent again, until it is resumed", async () => {
  expect((await jobs(["pause", "erase-user"])).json).toMatchObject({ actor: "erase-user", paused: true });
  const id = await makeFailedJob();
  await jobs(["retry", id]);
  const { json } = await operator.call("GET", "/v1/ops/actors");
  const { items } = json;
  expect(items.find(({ name }: any) => name === "erase-user")).toMatchObject({ paused: true, waiting: 1 });
  // Something that was asked for later is done by the same pod meanwhile.
  const user = await system.signUp();
  await publishPack(user, { slug: "meanwhile", version: "1.0.0", files: { "a.jar": "meanwhile" } });
  expect((await operator.call("GET", `/v1/jobs/${id}`)).json.state).toBe("waiting");
  expect((await jobs(["resume", "erase-user"])).json).toMatchObject({ paused: false });
  expect((await waitForJob(operator, id)).state).toBe("completed");
  expect((await jobs(["pause", "no-such-actor"])).code).toBe(3);
});

test("user export holds every table that names somebody, and no secret", async () => {
  const user = await system.signUp("about-me");
  await user.call("PATCH", "/v1/me", { body: { displayName: "Exported Person" }, headers: { "if-match": "*" } });
  await publishPack(user, { slug: "mine", version: "1.0.0", files: { "a.jar": "bytes of mine" } });
  const made = await user.call("POST", "/v1/me/tokens", {
    body: { name: "ci", scopes: ["packs:write"], expiresInDays: 1 },
  });
  const file = join(person.folder, "export.json");
  const { code, json } = await local(["user", "export", "ABOUT-ME", "--to", file]);
  expect([code, json.login]).toEqual([0, "about-me"]);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const text = await Bun.file(file).text();
  const { kept, objects } = JSON.parse(text);
  expect(kept.account[0]).toMatchObject({ login: "about-me", display_name: "Exported Person" });
  expect(kept.packs[0].slug).toBe("mine");
  expect(made.status).toBe(201);
  expect(kept.access_tokens).toMatchObject([{ name: "ci" }]);
  expect(kept.activity.map(({ kind }: any) => kind)).toContain("published");
  expect(objects.map(({ as }: any) => as)).toContain("upload");
  for (const hidden of ["argon2", user.token, user.refreshToken, made.json.token]) expect(text).not.toContain(hidden);
  const names = Object.values<any[]>(kept).flatMap((rows) => rows.flatMap((row) => Object.keys(row)));
  expect(names.filter((name) => /hash$|secret|salt|sealed/.test(name))).toEqual([]);
  expect((await local(["user", "export", "about-me", "--to", file])).code).toBe(5); // it is not written over
  expect((await local(["user", "export", "nobody-here"])).code).toBe(3);
  const [act] = await query("exported", "select * from audit.act where action = 'user.exported'");
  expect(act).toMatchObject({ via: "cli", actor_id: null, subject: kept.account[0].id });
});

/** Columns that name somebody beside the person that the row is about. */
const ofOthers = [
  "community.follow.organizer_id",
  "community.report.handled_by",
  "event.registration_change.actor_id",
  "event.source.created_by",
  "organization.invitation.created_by",
];

test("a table that names people is exported, or there is a reason why not", async () => {
  const source = await Bun.file(join(import.meta.dir, "../../db/user-export.ts")).text();
  const wanted = Object.keys(userReferences).filter((reference) => !ofOthers.includes(reference));
  const missing = wanted.filter((reference) => {
    const [schema, table, column] = reference.split(".");
    return !new RegExp(`from ${schema}\\.${table} t where[^\`]*\\bt\\.${column} = \\$1`).test(source);
  });
  // Of the first there are only hashes; the second holds what a provider is to send back within minutes.
  expect(missing).toEqual(["account.provider_flow.user_id", "account.recovery_code.user_id"]);
});

test("user erase hides at once, signs out everywhere, and the workers erase", async () => {
  const user = await system.signUp("leaving");
  await publishPack(user, { slug: "leaving-pack", version: "1.0.0", files: { "a.jar": "bytes that leave" } });
  const [{ id }] = await query("id", `select id from account."user" where login = 'leaving'`);
  const asked = await local(["user", "erase", "leaving"]);
  expect([asked.code, asked.stderr.includes("--yes")]).toEqual([2, true]);
  expect((await user.call("GET", "/v1/me")).status).toBe(200);
  expect((await local(["user", "erase", "leaving", "--yes"])).json).toMatchObject({ ok: true, id });
  await waitFor(async () => (await user.call("GET", "/v1/me")).status === 401, "the sign-out", 3_000);
  await waitFor(
    async () => (await query("login", `select login from account."user" where id = $1`, [id]))[0].login !== "leaving",
    "the account to be erased",
  );
  expect((await system.call("GET", "/v1/packs/leaving-pack")).status).toBe(404);
  const body = { login: "leaving", password: "a long test password" };
  expect((await system.call("POST", "/v1/auth/undelete", { body })).status).toBe(401);
  expect((await local(["user", "erase", "leaving", "--yes"])).code).toBe(3);
  const [act] = await query("erased", "select * from audit.act where action = 'user.erased'");
  expect(act).toMatchObject({ via: "cli", subject: id });
});

test("every act on the command line leaves one line with the operator's account", async () => {
  await system.signUp("somebody");
  const acts: [string[], string][] = [
    [["admin", "create", "--login", "second-admin"], "admin.created"],
    [["admin", "create", "--login", "somebody"], "admin.created"],
    [["admin", "link", "--login", "somebody", "--server", "https://x.example"], "link.made"],
    [["admin", "invite"], "invite.created"],
    [["images", "render", "--missing"], "images.rendered"],
    [["keys", "rotate"], "keys.rotated"],
    [["user", "import", join(person.folder, "people.csv")], "users.imported"],
  ];
  await Bun.write(join(onServer.DATA ?? "", "secrets", "SIGNING_KEY"), system.environment.SIGNING_KEY ?? "");
  await Bun.write(join(person.folder, "people.csv"), "login,email,hash\n");
  for (const [words, action] of acts) {
    const before = await query("acts", "select id from audit.act");
    const { code, stderr } = await local(words);
    expect([words.join(" "), code, code === 0 ? "" : stderr]).toEqual([words.join(" "), 0, ""]);
    const after = await query("acts_after", "select * from audit.act order by id");
    expect(after.length).toBe(before.length + 1);
    expect(after.at(-1)).toMatchObject({ action, via: "cli", actor_id: null, trace: null });
    expect(after.at(-1).operator.length).toBeGreaterThan(0);
  }
});

test("upgrade check says what is pending and whether the running release may go on", async () => {
  const now = await local(["upgrade", "check"]);
  expect([now.code, now.json]).toMatchObject([0, { ok: true, pending: [], rolling: true }]);
  await query("newer", "insert into public.migration (name, digest) values ('9999_later.sql', 'x')");
  const newer = await local(["upgrade", "check"]);
  expect([newer.code, newer.json]).toMatchObject([1, { ok: false, newer: ["9999_later.sql"] }]);
  await query("older", "delete from public.migration where name = '9999_later.sql'");
  const [last] = await query("last", "delete from public.migration where name ~ '^00(09|10)' returning name");
  const behind = await local(["upgrade", "check"], { BACKUP_BEFORE_MIGRATION: "on" });
  expect(behind.json.pending.map(({ name }: any) => name)).toContain(last.name);
  expect(behind.json).toMatchObject({ ok: true, rolling: true, restorePoint: { needed: true } });
  expect(behind.json.restorePoint.atMostBytes).toBeGreaterThan(1_000_000);
});
