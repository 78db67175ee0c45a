import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { createDatabase, migrate } from "../../db/migrate.ts";
import { migrateQueues } from "../../queues/connection.ts";
import {
  createTestDatabase,
  openCall,
  publishPack,
  type System,
  startSystem,
  type TestUser,
  waitFor,
} from "../harness.ts";
import { pickPorts } from "../services/cluster.ts";
import { hasFirstRelease, unpackFirstRelease } from "./first-release.ts";

const password = "a long test password";
const read = (name: string) => readFile(join(import.meta.dir, name), "utf8");
let url: string;
let client: pg.Client;
let before: Record<string, string>;

/** What the first release sees of each of its tables: the columns that it knows, row by row. */
async function readTables(columns: Record<string, string[]>): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  for (const [table, names] of Object.entries(columns)) {
    const list = names.map((name) => pg.escapeIdentifier(name)).join(", ");
    const { rows } = await client.query(`select t::text as line from (select ${list} from ${table}) t order by 1`);
    seen[table] = rows.map(({ line }) => line).join("\n");
  }
  return seen;
}

async function listColumns(): Promise<Record<string, string[]>> {
  const { rows } = await client.query(
    `select c.oid::regclass::text as table, array_agg(a.attname::text order by a.attnum) as names
      from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relkind = 'r' and c.relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema') and c.relname <> 'migration' group by c.oid`,
  );
  return Object.fromEntries(rows.map(({ table, names }) => [table, names]));
}

let columns: Record<string, string[]>;
beforeAll(async () => {
  const address = new URL(await createTestDatabase());
  address.pathname = `${address.pathname}_first`;
  url = address.href;
  await createDatabase(url);
  client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(await read("first-release.sql"));
  columns = await listColumns();
  before = await readTables(columns);
  await migrateQueues(url);
});
afterAll(() => client?.end());

test("what the first release had made is brought up to date without losing or changing a row", async () => {
  expect(Object.values(before).filter(Boolean).length).toBeGreaterThan(10);
  const applied = await migrate(url);
  expect(applied[0]).toBe("0003_images.sql");
  expect(await readTables(columns)).toEqual(before);
});

/** The request was wrong, not the schema: nothing was given for what must be there, or not in the right form. */
const wrongValue = /^(22|23|P0)/;

test("every statement of the first release is understood by the new schema, and runs", async () => {
  const statements: { name: string; text: string }[] = JSON.parse(await read("first-release.json"));
  expect(statements.length).toBeGreaterThan(200);
  const wrong: string[] = [];
  for (const { name, text } of statements) {
    const values = Array(Math.max(0, ...[...text.matchAll(/\$(\d+)/g)].map(([, index]) => Number(index)))).fill(null);
    await client.query("begin");
    try {
      await client.query({ name, text, values });
    } catch (error) {
      const code = error instanceof pg.DatabaseError ? (error.code ?? "") : "";
      if (!wrongValue.test(code)) wrong.push(`${name}: ${code} ${error}`);
    }
    await client.query("rollback");
  }
  expect(wrong).toEqual([]);
});

describe.if(hasFirstRelease())("beside the first release's own processes, on the same database", () => {
  let system: System;
  let old: { url: string; signIn: (login: string) => Promise<TestUser> };
  const processes: Bun.Subprocess[] = [];
  const ends: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    system = await startSystem({ environment: { DATABASE_URL: url }, pods: 1, apis: 1 });
    const { folder, remove } = await unpackFirstRelease();
    ends.push(remove);
    const [port = 0] = pickPorts(1);
    for (const role of ["api", "workers"])
      processes.push(
        Bun.spawn([process.execPath, "main.ts", role], {
          cwd: folder,
          env: { PATH: process.env.PATH ?? "", ...system.environment, SUPERVISED: "1", PORT: String(port) },
          stdin: "pipe",
          stdout: "inherit",
          stderr: "inherit",
        }),
      );
    old = { url: `http://127.0.0.1:${port}`, signIn: (login) => signIn(`http://127.0.0.1:${port}`, login) };
    await waitFor(async () => (await fetch(`${old.url}/readyz`).catch(() => undefined))?.ok, "the first release");
  }, 60_000);
  afterAll(async () => {
    for (const child of processes) child.kill();
    await Promise.all(processes.map(({ exited }) => exited));
    for (const end of ends) await end();
    await system?.stop();
  });

  async function signIn(base: string, login: string): Promise<TestUser> {
    const { status, json } = await openCall(base)("POST", "/v1/auth/login", { body: { login, password } });
    expect([login, status]).toEqual([login, 200]);
    const { accessToken: token, refreshToken } = json;
    return { login, token, refreshToken, call: openCall(base, token) };
  }

  test("accounts, packs and versions of before are there for both", async () => {
    for (const base of [old.url, system.url]) {
      const author = await signIn(base, "first-author");
      expect((await author.call("GET", "/v1/packs/first-pack")).json).toMatchObject({ owner: "first-author" });
      const { json } = await author.call("GET", "/v1/packs/first-pack/versions");
      expect(json.items.map(({ version }: any) => version)).toEqual(["1.1.0", "1.0.0"]);
      const manifest = await openCall(base)("GET", "/v1/packs/first-pack/versions/1.1.0/manifest");
      expect(manifest.json.files).toMatchObject([{ path: "mods/a.jar" }]);
    }
  });

  test("what one of them makes the other one serves, and a sign-out at one ends the session at both", async () => {
    for (const [index, [maker, server]] of [
      [old.url, system.url],
      [system.url, old.url],
    ].entries()) {
      const login = `late-${index}`;
      const body = { login, password };
      expect((await openCall(maker ?? "")("POST", "/v1/auth/register", { body })).status).toBe(201);
      const made = await signIn(maker ?? "", login);
      const slug = `late-pack-${index}`;
      await publishPack(made, { slug, version: "1.0.0", files: { "a.jar": `bytes of ${slug}` } });
      const elsewhere = { ...made, call: openCall(server ?? "", made.token) };
      expect((await elsewhere.call("GET", `/v1/packs/${slug}`)).json.slug).toBe(slug);
      const served = await elsewhere.call("GET", `/v1/packs/${slug}/versions/1.0.0/manifest`);
      const own = await made.call("GET", `/v1/packs/${slug}/versions/1.0.0/manifest`);
      expect(served.text).toBe(own.text);
      await publishPack(elsewhere, { slug, version: "1.1.0", files: { "a.jar": `newer bytes of ${slug}` } });
      expect((await made.call("GET", `/v1/packs/${slug}/latest`)).json.version).toBe("1.1.0");
      expect((await elsewhere.call("DELETE", "/v1/auth/sessions/current")).status).toBe(200);
      await waitFor(async () => (await made.call("GET", "/v1/me")).status === 401, "the end of the session", 3_000);
    }
  });
});
