import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";

const lockKey = 7_368_053; // "pg_advisory_lock": one migrator at a time, whoever starts it

/**
 * Brings the schema up to date: every `migrations/*.sql` that is not recorded yet, in order of its name, each in its own
 * transaction, under an advisory lock. Resolves with the names applied now. Throws when a recorded migration was edited.
 */
export async function migrate(url: string, folder = join(import.meta.dir, "migrations")): Promise<string[]> {
  const client = new pg.Client({ connectionString: url, application_name: "sunduk migrate" });
  await client.connect();
  try {
    await client.query("select pg_advisory_lock($1)", [lockKey]);
    await client.query(
      "create table if not exists public.migration (name text primary key, digest text not null, applied_at timestamptz not null default now())",
    );
    const { rows } = await client.query<{ name: string; digest: string }>("select name, digest from public.migration");
    const applied = new Map(rows.map(({ name, digest }) => [name, digest]));
    const fresh: string[] = [];
    for (const name of (await readdir(folder)).filter((file) => file.endsWith(".sql")).sort()) {
      const text = await readFile(join(folder, name), "utf8");
      const digest = new Bun.CryptoHasher("sha256").update(text).digest("hex");
      const known = applied.get(name);
      if (known !== undefined && known !== digest)
        throw new Error(
          `Cannot migrate: ${name} was edited after it had been applied. Restore it and write a new migration`,
        );
      if (known !== undefined) continue;
      await client.query("begin");
      await client.query(text);
      await client.query("insert into public.migration (name, digest) values ($1, $2)", [name, digest]);
      await client.query("commit");
      fresh.push(name);
    }
    return fresh;
  } finally {
    await client.end(); // ends the lock too
  }
}

/** Makes the database that a URL names when its server does not have it. */
export async function createDatabase(url: string): Promise<void> {
  const name = new URL(url).pathname.slice(1);
  const server = new URL(url);
  server.pathname = "/postgres";
  const client = new pg.Client({ connectionString: server.href });
  await client.connect();
  try {
    const { rowCount } = await client.query("select from pg_database where datname = $1", [name]);
    if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
}
