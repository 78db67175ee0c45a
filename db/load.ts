import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { Fault } from "../fault.ts";
import type { Partition, Sequence, TableShape } from "./dump.ts";
import { applyMigration, holdMigrations, type Migration, readMigrations } from "./migrate.ts";
import { listOwnSchemas } from "./own-schemas.ts";

type Load = {
  /** The migrations that the rows were made under. */
  migrations: { name: string; digest: string }[];
  tables: TableShape[];
  partitions: Partition[];
  sequences: Sequence[];
  /** Where the transactions of the rows' server had come to. */
  xid: string;
  /** The rows of a table as `openDump` copied them. */
  read: (table: string) => AsyncIterable<Uint8Array>;
  /** When the rows were read, for sweeps, which wait; not given for a database that is only looked at. */
  restored?: { name: string; madeAt: Date; endSessions: boolean };
  /** Told after each table. */
  onTable?: (table: string, rows: number) => void;
  signal: AbortSignal;
};

/** Of a backup's migrations, what this program has to apply before and after its rows. Fault: conflict when it is from a newer one. */
export async function splitMigrations(
  recorded: { name: string; digest: string }[],
): Promise<{ level: Migration[]; later: Migration[] }> {
  const known = await readMigrations();
  const digests = new Map(recorded.map(({ name, digest }) => [name, digest]));
  const strange = recorded.filter(
    ({ name, digest }) => !known.some((ours) => ours.name === name && ours.digest === digest),
  );
  if (strange.length > 0) {
    const names = strange.map(({ name }) => name).join(", ");
    throw new Fault(
      "conflict",
      `Cannot read this backup: another version of Sunduk made it, with ${names}. Use that one`,
    );
  }
  return {
    level: known.filter(({ name }) => digests.has(name)),
    later: known.filter(({ name }) => !digests.has(name)),
  };
}

/**
 * Replaces all that our migrations make by the rows of a backup, in one transaction: tables as they were then, rows,
 * foreign keys (which check them), then the migrations since. The queues' tables go, to be made anew.
 */
export async function loadDatabase(url: string, load: Load): Promise<void> {
  const { level, later } = await splitMigrations(load.migrations);
  const client = new pg.Client({ connectionString: url, application_name: "sunduk restore", keepAlive: true });
  client.on("error", () => undefined); // the call under way tells it
  await client.connect();
  try {
    await holdMigrations(client);
    await client.query("begin");
    const schemas = listOwnSchemas([...level, ...later]);
    for (const schema of [...schemas, "bullmq"])
      await client.query(`drop schema if exists ${pg.escapeIdentifier(schema)} cascade`);
    await client.query("delete from public.migration");
    for (const migration of level) await applyMigration(client, migration);
    for (const { name, of, bound } of load.partitions)
      await client.query(`create table if not exists ${name} partition of ${of} ${bound}`);
    const putBack = await takeChecksAway(client, schemas);
    await client.query(`truncate ${load.tables.map(({ name }) => name).join(", ")}`);
    for (const table of load.tables) {
      load.signal.throwIfAborted();
      const rows = await copyIn(client, table, load);
      load.onTable?.(table.name, rows);
    }
    await shiftTransactions(client, { schemas, xid: load.xid });
    for (const { name, value } of load.sequences)
      await client.query("select setval($1::regclass, $2::bigint)", [name, value]);
    for (const statement of putBack) await client.query(statement);
    for (const migration of later) await applyMigration(client, migration);
    if (load.restored) await settle(client, load.restored);
    await client.query("commit");
    await client.query("analyze");
  } finally {
    await client.end();
  }
}

/** Rows come in any order, and what triggers would do was done. Answers with the statements that put all back. */
async function takeChecksAway(client: pg.Client, schemas: string[]): Promise<string[]> {
  const keys = await client.query<{ table: string; name: string; definition: string }>(
    `select k.conrelid::regclass::text as table, quote_ident(k.conname) as name, pg_get_constraintdef(k.oid) as definition
      from pg_constraint k where k.contype = 'f' and k.conparentid = 0 and k.connamespace::regnamespace::text = any ($1)`,
    [schemas],
  );
  const triggers = await client.query<{ table: string }>(
    `select distinct t.tgrelid::regclass::text as table from pg_trigger t join pg_class c on c.oid = t.tgrelid
      where not t.tgisinternal and c.relnamespace::regnamespace::text = any ($1)`,
    [schemas],
  );
  for (const { table, name } of keys.rows) await client.query(`alter table ${table} drop constraint ${name}`);
  for (const { table } of triggers.rows) await client.query(`alter table ${table} disable trigger user`);
  return [
    ...keys.rows.map(({ table, name, definition }) => `alter table ${table} add constraint ${name} ${definition}`),
    ...triggers.rows.map(({ table }) => `alter table ${table} enable trigger user`),
  ];
}

async function copyIn(client: pg.Client, { name, columns }: TableShape, { read, signal }: Load): Promise<number> {
  const stream = client.query(copyFrom(`copy ${name} (${columns.join(", ")}) from stdin`));
  await pipeline(Readable.from(read(name)), stream, { signal });
  return stream.rowCount;
}

/**
 * Numbers of transactions in rows are those of the server that they come from. Where that was further on than ours, they would
 * name a future that never comes: they are set back together, so that their order stays.
 */
async function shiftTransactions(
  client: pg.Client,
  { schemas, xid }: { schemas: string[]; xid: string },
): Promise<void> {
  const { rows } = await client.query<{ table: string; column: string; ahead: string }>(
    `select a.attrelid::regclass::text as table, quote_ident(a.attname) as column,
        ($2::numeric - pg_current_xact_id()::text::numeric)::text as ahead
      from pg_attribute a join pg_class c on c.oid = a.attrelid
      where a.atttypid = 'xid8'::regtype and c.relkind in ('r', 'p') and not c.relispartition and not a.attisdropped
        and c.relnamespace::regnamespace::text = any ($1) and $2::numeric > pg_current_xact_id()::text::numeric`,
    [schemas, xid],
  );
  for (const { table, column, ahead } of rows)
    await client.query(
      `update ${table} set ${column} = greatest(0, ${column}::text::numeric - $1::numeric)::text::xid8`,
      [ahead],
    );
}

/** More than anybody's tokens can have been revoked since: so nothing that was revoked after the backup lives again. */
const versionsSince = 1_000_000;

async function settle(client: pg.Client, { name, madeAt, endSessions }: NonNullable<Load["restored"]>): Promise<void> {
  await client.query("insert into backup.restore (id, name, made_at) values ($1, $2, $3)", [
    Bun.randomUUIDv7(),
    name,
    madeAt,
  ]);
  if (!endSessions) return;
  await client.query("update account.session set ended_at = now(), ended_reason = 'restored' where ended_at is null");
  await client.query("update account.access_token set revoked_at = now() where revoked_at is null");
  await client.query("delete from account.app_password");
  await client.query("delete from account.mail_link");
  await client.query("delete from account.device_grant");
  await client.query("delete from account.solder_key");
  await client.query("delete from account.authorization_code");
  await client.query('update account."user" set ver = ver + $1', [versionsSince]);
  await client.query(
    `insert into account.revocation (id, kind, subject, ver) select gen_random_uuid(), 'user', id, ver from account."user"`,
  );
}
