import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";

const lockKey = 7_368_053; // "pg_advisory_lock": one migrator at a time, whoever starts it

export type Migration = { name: string; text: string; digest: string };

type Options = {
  folder?: string;
  /** Told, under the lock, what is about to be applied to a database that holds something. */
  before?: (pending: string[]) => Promise<void>;
};

/** Our migrations in the order in which they are applied. */
export async function readMigrations(folder = join(import.meta.dir, "migrations")): Promise<Migration[]> {
  const names = (await readdir(folder)).filter((file) => file.endsWith(".sql")).sort();
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(folder, name), "utf8");
      return { name, text, digest: new Bun.CryptoHasher("sha256").update(text).digest("hex") };
    }),
  );
}

/** Applies one migration and records it. The caller has begun a transaction. */
export async function applyMigration(client: pg.Client, { name, text, digest }: Migration): Promise<void> {
  await client.query(text);
  await client.query("insert into public.migration (name, digest) values ($1, $2)", [name, digest]);
}

/** Waits until nobody else migrates; the lock ends with the connection. Makes the table that records. */
export async function holdMigrations(client: pg.Client): Promise<void> {
  await client.query("select pg_advisory_lock($1)", [lockKey]);
  await client.query(
    "create table if not exists public.migration (name text primary key, digest text not null, applied_at timestamptz not null default now())",
  );
}

/**
 * Brings the schema up to date: every `migrations/*.sql` that is not recorded yet, in order of its name, each in its own
 * transaction, under an advisory lock. Resolves with the names applied now. Throws when a recorded migration was edited.
 */
export async function migrate(url: string, { folder, before }: Options = {}): Promise<string[]> {
  const client = new pg.Client({ connectionString: url, application_name: "sunduk migrate" });
  await client.connect();
  try {
    await holdMigrations(client);
    const { rows } = await client.query<{ name: string; digest: string }>("select name, digest from public.migration");
    const applied = new Map(rows.map(({ name, digest }) => [name, digest]));
    const pending: Migration[] = [];
    for (const migration of await readMigrations(folder)) {
      const known = applied.get(migration.name);
      if (known !== undefined && known !== migration.digest)
        throw new Error(
          `Cannot migrate: ${migration.name} was edited after it had been applied. Restore it and write a new migration`,
        );
      if (known === undefined) pending.push(migration);
    }
    const names = pending.map(({ name }) => name);
    if (before && names.length > 0 && (await holdsAccounts(client))) await before(names);
    for (const migration of pending) {
      await client.query("begin");
      await applyMigration(client, migration);
      await client.query("commit");
    }
    return names;
  } finally {
    await client.end(); // ends the lock too
  }
}

/** Whether there is anything to lose: everything belongs to somebody. */
export async function holdsAccounts(client: pg.Client): Promise<boolean> {
  const table = await client.query<{ there: boolean }>(`select to_regclass('account."user"') is not null as there`);
  if (!table.rows[0]?.there) return false;
  const accounts = await client.query<{ some: boolean }>('select exists (select from account."user") as some');
  return accounts.rows[0]?.some ?? false;
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
