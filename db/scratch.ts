import pg from "pg";
import { holdsAccounts } from "./migrate.ts";

const prefix = "sunduk_verify_";
/** A younger one may be about to be used. */
const abandonedMs = 3_600_000;
/** How a UUIDv7 of that time begins. */
const timeOf = (ms: number) => ms.toString(16).padStart(12, "0");

/** Makes an empty database beside the one that a URL names, for looking at; `drop` removes it. Those of killed runs go too. */
export async function createScratch(url: string): Promise<{ url: string; drop: () => Promise<void> }> {
  const scratch = new URL(url);
  const name = `${prefix}${Bun.randomUUIDv7().replaceAll("-", "")}`;
  scratch.pathname = `/${name}`;
  await onServer(url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `select d.datname as name from pg_database d where d.datname like $1 and d.datname < $2
        and not exists (select from pg_stat_activity a where a.datname = d.datname)`,
      [`${prefix.replaceAll("_", "\\_")}%`, prefix + timeOf(Date.now() - abandonedMs)],
    );
    for (const old of rows) await client.query(`drop database ${pg.escapeIdentifier(old.name)}`).catch(() => undefined);
    await client.query(`create database ${pg.escapeIdentifier(name)}`);
  });
  return {
    url: scratch.href,
    drop: () =>
      onServer(
        url,
        async (client) => void (await client.query(`drop database if exists ${pg.escapeIdentifier(name)}`)),
      ),
  };
}

/** Whether nobody but a command works on a database; and whether it holds anything. */
export async function describeUse(url: string): Promise<{ users: number; filled: boolean }> {
  const client = new pg.Client({ connectionString: url, application_name: "sunduk restore" });
  await client.connect();
  try {
    const { rows } = await client.query<{ users: number }>(
      `select count(*)::int as users from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
        and application_name like 'sunduk%' and application_name not in ('sunduk restore', 'sunduk backup')`,
    );
    return { users: rows[0]?.users ?? 0, filled: await holdsAccounts(client) };
  } finally {
    await client.end();
  }
}

async function onServer<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const server = new URL(url);
  server.pathname = "/postgres";
  const client = new pg.Client({ connectionString: server.href, application_name: "sunduk verify" });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
