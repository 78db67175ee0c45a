import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listMisspelt } from "../../cli/doctor/settings.ts";
import { createDatabase } from "../../db/migrate.ts";
import { createTestDatabase } from "../harness.ts";

const program = join(import.meta.dir, "../../cli/index.ts");
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sunduk-doctor-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function doctor(env: Record<string, string> = {}, data = join(folder, "data")) {
  const child = Bun.spawn([process.execPath, program, "doctor", "--json", "--data", data], {
    env: { PATH: process.env.PATH ?? "", HOME: folder, LANG: "C", ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const { ok, checks } = JSON.parse(stdout);
  const states = Object.fromEntries(checks.map((check: any) => [check.area, check.state]));
  return { code, ok, checks, states, stderr };
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
