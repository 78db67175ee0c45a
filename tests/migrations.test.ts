import { afterAll, beforeEach, expect, test } from "bun:test";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describeSchema } from "../db/describe-schema.ts";
import { createDatabase, migrate } from "../db/migrate.ts";
import { openPostgres, type Postgres } from "../db/postgres.ts";
import { many } from "../db/query.ts";
import { createTestDatabase, createTestFolder, testLog } from "./harness.ts";

const migrations = join(import.meta.dir, "..", "db", "migrations");
let url: string;
const opened: Postgres[] = [];

function open(address: string): Postgres {
  const db = openPostgres(address, { max: 2, log: testLog, name: "test" });
  opened.push(db);
  return db;
}

/** A database without anything in it. */
beforeEach(async () => {
  const fresh = new URL(await createTestDatabase());
  fresh.pathname = `${fresh.pathname}_empty`;
  url = fresh.href;
  await createDatabase(url);
});
afterAll(() => Promise.all(opened.map((db) => db.close())));

const listTables = (db: Postgres) =>
  many<{ name: string }>(db, {
    name: "",
    text: `select oid::regclass::text as name from pg_class where relkind = 'r'
      and relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) order by 1`,
  });

test("migrate() makes everything from nothing, once", async () => {
  const applied = await migrate(url);
  expect(applied).toEqual([...new Bun.Glob("*.sql").scanSync({ cwd: migrations })].sort());
  const before = await describeSchema(open(url));
  expect(await migrate(url)).toEqual([]);
  expect(await describeSchema(open(url))).toBe(before);
});

test("two migrators at once: each migration is applied by one of them, and both end", async () => {
  const applied = await Promise.all(Array.from({ length: 4 }, () => migrate(url)));
  const files = [...new Bun.Glob("*.sql").scanSync({ cwd: migrations })].sort();
  expect(applied.flat().sort()).toEqual(files);
});

async function copyMigrations(): Promise<string> {
  const folder = await createTestFolder();
  for (const name of new Bun.Glob("*.sql").scanSync({ cwd: migrations }))
    await copyFile(join(migrations, name), join(folder, name));
  return folder;
}

test("a migration that was edited after it had been applied is refused by its name", async () => {
  const folder = await copyMigrations();
  await migrate(url, { folder });
  const path = join(folder, "0001_start.sql");
  await writeFile(path, `${await readFile(path, "utf8")}\ncreate table public.late ();\n`);
  await expect(migrate(url, { folder })).rejects.toThrow(/^Cannot migrate: 0001_start\.sql was edited/);
  const tables = await listTables(open(url));
  expect(tables.map(({ name }) => name)).not.toContain("late");
});

test("a migration that fails leaves nothing behind, and the one before it stays", async () => {
  const folder = await copyMigrations();
  const path = join(folder, "9999_next.sql");
  await writeFile(path, "create table public.half ();\nselect 1 / 0;\n");
  await expect(migrate(url, { folder })).rejects.toThrow(/division by zero/);
  const db = open(url);
  const names = (await listTables(db)).map(({ name }) => name);
  expect(names).toContain("pack.version");
  expect(names).not.toContain("half");
  await writeFile(path, "create table public.half ();\n");
  expect(await migrate(url, { folder })).toEqual(["9999_next.sql"]);
});

test("db/schema.sql is what a fresh database holds: else run `bun run schema`", async () => {
  await migrate(url);
  const written = await readFile(join(migrations, "..", "schema.sql"), "utf8");
  expect(await describeSchema(open(url))).toBe(written);
});

test("every foreign key has an index that begins with its columns", async () => {
  await migrate(url);
  const bare = await many<{ name: string }>(open(url), {
    name: "",
    text: `select k.conrelid::regclass || '.' || k.conname as name from pg_constraint k
      where k.contype = 'f' and not exists (select from pg_index i where i.indrelid = k.conrelid
        and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey and i.indpred is null)
      order by 1`,
  });
  expect(bare.map(({ name }) => name)).toEqual([]);
});
