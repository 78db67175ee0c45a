import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { listMisspelt } from "../../cli/doctor/settings.ts";
import { createDatabase } from "../../db/migrate.ts";
import { makeSigningKey } from "../../keys.ts";
import { createTestDatabase, openTestDeps } from "../harness.ts";

const program = join(import.meta.dir, "../../cli/index.ts");
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sunduk-doctor-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function doctor(env: Record<string, string> = {}, data = join(folder, "data"), more: string[] = []) {
  const child = Bun.spawn([process.execPath, program, "doctor", "--json", "--data", data, ...more], {
    env: { PATH: process.env.PATH ?? "", HOME: folder, LANG: "C", ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const { ok, checks, fixed } = JSON.parse(stdout);
  const states = Object.fromEntries(checks.map((check: any) => [check.area, check.state]));
  const find = (area: string) => checks.find((check: any) => check.area === area);
  return { code, ok, checks, states, stderr, fixed, find };
}

test("nothing set up and nothing running is no fault", async () => {
  const { code, ok, states, checks } = await doctor();
  expect([code, ok]).toEqual([0, true]);
  expect(states).toMatchObject({ settings: "ok", "data folder": "skipped", database: "skipped", storage: "skipped" });
  for (const check of checks) expect(check.why).toBeString();
});

test("a database of ours is reached, its tables and its clock are compared", async () => {
  const { code, states } = await doctor({ DATABASE_URL: await createTestDatabase() });
  expect(code).toBe(0);
  expect(states).toMatchObject({ database: "ok", migrations: "ok", clock: "ok", queues: "ok" });
});

test("a database that nothing was applied to is broken, and says how to put it right", async () => {
  const url = new URL(await createTestDatabase());
  url.pathname += "_empty";
  await createDatabase(url.href);
  const { code, states, checks } = await doctor({ DATABASE_URL: url.href });
  expect(code).toBe(1);
  expect(states).toMatchObject({ database: "ok", migrations: "broken", queues: "broken" });
  expect(checks.find((check: any) => check.area === "migrations").fix).toContain("migrate");
});

test("parts that are away are broken, each by itself, and the command ends", async () => {
  const away = {
    DATABASE_URL: "postgres://x@127.0.0.1:1/x",
    REDIS_URL: "redis://127.0.0.1:1",
    PUBLIC_URL: "http://127.0.0.1:1",
  };
  const { code, states, stderr } = await doctor(away);
  expect(code).toBe(1);
  expect(states).toMatchObject({ database: "broken", redis: "broken", address: "broken", disk: "ok" });
  expect(stderr).toContain("do: ");
});

test("wrong and misspelt settings are told, and a folder of something else", async () => {
  const wrong = await doctor({ PORT: "http", LIMIT_FILES: "3" });
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain("PORT");
  expect(wrong.stderr).toContain("LIMIT_FILES is not a setting");
  await Bun.write(join(folder, "other/thesis.txt"), "years of work");
  expect((await doctor({}, join(folder, "other"))).states["data folder"]).toBe("broken");
});

test("secrets that others may read are told", async () => {
  const data = join(folder, "open");
  await Bun.write(join(data, "sunduk-data.json"), "{}");
  await Bun.write(join(data, "secrets/SIGNING_KEY"), "{}");
  await chmod(join(data, "secrets/SIGNING_KEY"), 0o644);
  await chmod(join(data, "secrets"), 0o700);
  const { code, checks } = await doctor({}, data);
  expect(code).toBe(1);
  expect(checks.find((check: any) => check.area === "data folder").detail).toContain("secrets/SIGNING_KEY");
});

test("names of other programs are not taken for slips", () => {
  const others = [
    "PATH",
    "HOME",
    "HOSTNAME",
    "HOSTTYPE",
    "PORTS",
    "LOGNAME",
    "DATE",
    "PWD",
    "POD",
    "SUNDUK_URL",
    "REGISTRY",
  ];
  expect(listMisspelt(Object.fromEntries(others.map((name) => [name, "x"])))).toEqual([]);
  expect(listMisspelt({ DATABASEURL: "x", TOKEN_SECRETS: "x", S3_HOST: "x", STORAGE_SECRET_FILE: "x" })).toEqual([
    { name: "DATABASEURL", near: "DATABASE_URL" },
    { name: "TOKEN_SECRETS", near: "TOKEN_SECRET" },
    { name: "S3_HOST", near: undefined },
  ]);
});

/** Runs statements on a database, straight. */
async function onDatabase(url: string, ...texts: string[]): Promise<any[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    let rows: any[] = [];
    for (const text of texts) ({ rows } = await client.query(text));
    return rows;
  } finally {
    await client.end();
  }
}

test("--fix closes secrets, makes missing folders, and looks again", async () => {
  const data = join(folder, "to-mend");
  await mkdir(join(data, "secrets"), { recursive: true, mode: 0o755 });
  await writeFile(join(data, "sunduk-data.json"), "{}");
  await writeFile(join(data, "secrets", "TOKEN_SECRET"), "x", { mode: 0o644 });
  const before = await doctor({}, data);
  expect([before.code, before.find("data folder").fixable, before.fixed]).toEqual([1, true, undefined]);
  const closed = await doctor({}, data, ["--fix"]);
  expect(closed.fixed).toEqual(["data folder"]);
  for (const [name, mode] of [
    ["secrets", 0o700],
    ["secrets/TOKEN_SECRET", 0o600],
  ] as const)
    expect((await stat(join(data, name))).mode & 0o777).toBe(mode);
  expect(closed.find("data folder").detail).toContain(join(data, "objects")); // what was behind the first
  const made = await doctor({}, data, ["--fix"]);
  expect([made.fixed, made.code, made.states["data folder"]]).toEqual([["data folder"], 0, "ok"]);
  expect((await doctor({}, data, ["--fix"])).fixed).toEqual([]);
});

test("--fix applies what is pending to a database, and notes that in the audit log", async () => {
  const url = new URL(await createTestDatabase());
  url.pathname += "_mended";
  await createDatabase(url.href);
  const { code, fixed, states } = await doctor({ DATABASE_URL: url.href }, undefined, ["--fix"]);
  expect([code, fixed.sort()]).toEqual([0, ["migrations", "queues"]]);
  expect(states).toMatchObject({ migrations: "ok", queues: "ok", jobs: "ok", orphans: "ok", backup: "warning" });
  const acts = await onDatabase(url.href, "select action, via, detail from audit.act");
  expect(acts).toEqual([{ action: "doctor.fixed", via: "cli", detail: { areas: ["migrations", "queues"] } }]);
});

test("jobs that wait for long are told and sent again, those that have failed are named", async () => {
  const url = await createTestDatabase();
  const job = (state: string, done: number, actor: string) =>
    `insert into job.job (id, actor, subject, payload, state, done, updated_at)
     values (gen_random_uuid(), '${actor}', '${actor}', '{}', '${state}', ${done}, now() - interval '10 minutes')`;
  await onDatabase(url, job("waiting", 0, "build-archive"), job("failed", 1, "send-mail"));
  const told = await doctor({ DATABASE_URL: url });
  const details = told.checks.filter(({ area }: any) => area === "jobs").map(({ detail }: any) => detail);
  expect(details).toEqual([expect.stringContaining("the oldest for 6"), "1 have failed: send-mail"]);
  expect(told.code).toBe(0);
  const mended = await doctor({ DATABASE_URL: url }, undefined, ["--fix"]);
  expect(mended.fixed).toEqual(["jobs"]);
  const sent = await onDatabase(
    url,
    "select count(*)::int as n from bullmq.job q where to_jsonb(q)::text like '%build-archive%'",
  );
  expect(sent[0].n).toBe(1);
  const left = mended.checks.filter(({ area }: any) => area === "jobs").map(({ detail }: any) => detail);
  expect(left).toEqual(["1 have failed: send-mail"]); // whether to do it again is for somebody to decide
});

test("an old signing key is told, and how to rotate it", async () => {
  const young = await makeSigningKey();
  const old = JSON.stringify({ ...JSON.parse(young), kid: "20200101000000-abcdef" });
  const aged = await doctor({ SIGNING_KEY: old });
  expect(aged.find("keys")).toMatchObject({ state: "warning", fix: expect.stringContaining("keys rotate") });
  expect(JSON.stringify(aged.checks)).not.toContain(JSON.parse(young).d);
  expect((await doctor({ SIGNING_KEY: young })).find("keys")).toMatchObject({
    state: "ok",
    detail: expect.stringContaining(" 0 days"),
  });
});

test("a disk that fills up is foretold from what came in two weeks", async () => {
  const url = await createTestDatabase();
  const blob = (id: string, bytes: number) =>
    `insert into blob.blob (id, sha256, key, size_bytes, sha1, sha512, md5, crc32) values ('${id}', '${id}', '${id}', ${bytes}, '', '', '', 0)`;
  await onDatabase(url, blob("00000000-0000-7000-8000-000000000000", 2 ** 50)); // from long ago
  const disk = async () => (await doctor({ DATABASE_URL: url })).checks.filter(({ area }: any) => area === "disk");
  expect((await disk()).length).toBe(1);
  await onDatabase(url, blob(Bun.randomUUIDv7(), 2 ** 45));
  expect((await disk())[1]).toMatchObject({
    state: "warning",
    detail: expect.stringMatching(/2\.3 TiB a day: full in 0 days/),
  });
});

test("a queue that somebody has paused is not taken for one that nobody listens to", async () => {
  const deps = await openTestDeps();
  const { DATABASE_URL = "" } = deps.config;
  const silent = (actor: string) =>
    `insert into job.canary (actor, sent_at) values ('${actor}', now() - interval '10 minutes')`;
  await onDatabase(DATABASE_URL, silent("build-archive"));
  expect((await doctor({ DATABASE_URL })).find("queues")).toMatchObject({ state: "broken" });
  await deps.mailbox.queues.find(({ name }) => name === "build-archive")?.pause();
  const told = await doctor({ DATABASE_URL });
  expect(told.find("queues")).toMatchObject({ state: "warning", detail: "somebody has paused build-archive" });
  await onDatabase(DATABASE_URL, silent("send-mail"));
  expect((await doctor({ DATABASE_URL })).find("queues").detail).toBe("nobody takes messages from send-mail");
  await deps.close();
});
