// bun tests/lifecycle/freeze.ts: writes first-release.sql and first-release.json anew, from the first release's own commit.
// It runs that release, publishes a pack with it, and writes down the tables that it made, their rows, and its statements.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { createDatabase } from "../../db/migrate.ts";
import {
  createTestDatabase,
  openCall,
  publishPack,
  stopShared,
  type TestUser,
  testEnvironment,
  waitFor,
} from "../harness.ts";
import { pickPorts } from "../services/cluster.ts";
import { firstRelease, unpackFirstRelease } from "./first-release.ts";

const here = import.meta.dir;
const { folder, remove } = await unpackFirstRelease();
const processes: Bun.Subprocess[] = [];
try {
  await writeFile(join(here, "first-release.json"), `${JSON.stringify(await readStatements(folder), null, 1)}\n`);
  const address = new URL(await createTestDatabase());
  address.pathname = `${address.pathname}_first`;
  await createDatabase(address.href);
  const url = await runRelease(address.href);
  await fill(url);
  await writeFile(join(here, "first-release.sql"), await dump(address.href));
} finally {
  for (const process of processes) process.kill();
  await Promise.all(processes.map(({ exited }) => exited));
  await remove();
  await stopShared();
}

/** The statements of db/*.ts with the constants of their files filled in, as tests/statements.test.ts reads them. */
async function readStatements(release: string): Promise<{ name: string; text: string }[]> {
  const names = (await readdir(join(release, "db"))).filter((name) => name.endsWith(".ts")).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(release, "db", name), "utf8")));
  return texts.flatMap((text) => {
    const constants = new Map([...text.matchAll(/^const (\w+) =\s*`([^`]*)`/gm)].map((match) => [match[1], match[2]]));
    const fillIn = (sql: string): string =>
      sql.replace(/\$\{(\w+)\}/g, (all, name) => {
        const value = constants.get(name);
        return value === undefined ? all : fillIn(value);
      });
    return [...text.matchAll(/\bname: "(\w+)",\s*text: (?:`([^`]*)`|"([^"]*)")/g)].map((match) => ({
      name: match[1] ?? "",
      text: fillIn(match[2] ?? match[3] ?? ""),
    }));
  });
}

async function runRelease(databaseUrl: string): Promise<string> {
  const [port = 0] = pickPorts(1);
  const environment = { ...(await testEnvironment()), DATABASE_URL: databaseUrl, PORT: String(port) };
  const start = (role: string) =>
    Bun.spawn([process.execPath, "main.ts", role], {
      cwd: folder,
      env: { PATH: process.env.PATH ?? "", SUPERVISED: "1", ...environment },
      stdin: "pipe",
      stdout: "inherit",
      stderr: "inherit",
    });
  if ((await start("migrate").exited) !== 0) throw new Error("the first release did not migrate");
  processes.push(start("api"), start("workers"));
  const url = `http://127.0.0.1:${port}`;
  await waitFor(async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.ok, "the first release");
  return url;
}

async function fill(url: string): Promise<void> {
  const signUp = async (login: string): Promise<TestUser> => {
    const body = { login, password: "a long test password" };
    const { json } = await openCall(url)("POST", "/v1/auth/register", { body });
    const { accessToken: token, refreshToken } = json;
    return { login, token, refreshToken, call: openCall(url, token) };
  };
  const author = await signUp("first-author");
  await signUp("first-player");
  for (const version of ["1.0.0", "1.1.0"])
    await publishPack(author, { slug: "first-pack", version, files: { "mods/a.jar": `bytes of ${version}` } });
  await author.call("PUT", "/v1/packs/first-pack/members", { body: { login: "first-player", role: "publisher" } });
  await author.call("POST", "/v1/packs/first-pack/versions/1.0.0/yank");
}

/** The migrations as they were released, then the rows of every table. Queues are not part of it: they are made anew. */
async function dump(databaseUrl: string): Promise<string> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows: applied } = await client.query("select name from public.migration order by name");
  const files = applied.map(({ name }) => readFile(join(folder, "db", "migrations", name), "utf8"));
  const { rows: tables } = await client.query(
    `select oid::regclass::text as name from pg_class where relkind = 'r'
      and relnamespace not in (select oid from pg_namespace where nspname in ('pg_catalog', 'information_schema', 'bullmq')) order by 1`,
  );
  const parts = [
    `-- What the first release (${firstRelease.slice(0, 7)}) had made: its tables, and rows of a pack that was published with it. Made by freeze.ts.`,
    ...(await Promise.all(files)),
    "create table public.migration (name text primary key, digest text not null, applied_at timestamptz not null default now());",
    "set session_replication_role = replica;",
  ];
  for (const { name } of tables) {
    const { rows } = await client.query(`select coalesce(jsonb_agg(t), '[]')::text as all from ${name} t`);
    const all = String(rows[0].all);
    if (all !== "[]")
      parts.push(`insert into ${name} select * from jsonb_populate_recordset(null::${name}, $rows$${all}$rows$);`);
  }
  parts.push("set session_replication_role = origin;");
  await client.end();
  return `${parts.join("\n\n")}\n`;
}
