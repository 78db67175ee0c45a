import pg from "pg";
import { to as copyTo } from "pg-copy-streams";
import { Fault, hasCode } from "../fault.ts";
import { readMigrations } from "./migrate.ts";
import { listOwnSchemas } from "./own-schemas.ts";
import { backupLock } from "./sweep.ts";

/** A table as it is copied: its name and columns as SQL writes them. Generated columns are left out. */
export type TableShape = { name: string; columns: string[] };
export type Partition = { name: string; of: string; bound: string };
export type Sequence = { name: string; value: string };
export type StoredBlob = { sha256: string; sizeBytes: number; key: string };

/** What one moment of a database holds. All that is read before `endSnapshot` is of that moment. */
export type Dump = {
  madeAt: Date;
  /** No transaction that can be seen has this number, or a higher one. */
  xid: string;
  migrations: { name: string; digest: string }[];
  tables: TableShape[];
  partitions: Partition[];
  sequences: Sequence[];
  /** The rows of a table in COPY's text form. `onRows` is told their number at the end. */
  copy: (table: TableShape, onRows: (rows: number) => void) => AsyncIterable<Uint8Array>;
  countBlobs: () => Promise<number>;
  /** Every blob, in order of its id. After the snapshot's end those that came in meanwhile, too. */
  listBlobs: () => AsyncGenerator<StoredBlob>;
  /** The lock against sweeps goes on. */
  endSnapshot: () => Promise<void>;
  /** Throws when the lock was lost, together with the connection. */
  requireLock: () => Promise<void>;
  close: () => Promise<void>;
};

const lockTimeoutMs = 60_000;
const blobsAtOnce = 5_000;

/**
 * Opens one REPEATABLE READ snapshot of everything that our migrations make, on a connection of its own. With `hold`
 * nothing is swept until `close`. Fault: conflict when another backup is under way.
 */
export async function openDump(url: string, { hold }: { hold: boolean }): Promise<Dump> {
  const schemas = listOwnSchemas(await readMigrations());
  const client = new pg.Client({ connectionString: url, application_name: "sunduk backup", keepAlive: true });
  let lost: Error | undefined;
  client.on("error", (error) => {
    lost = error;
  });
  await client.connect();
  try {
    if (hold) await holdSweeps(client);
    await client.query("begin isolation level repeatable read, read only");
    const now = await client.query<{ madeAt: Date; xid: string }>(
      `select now() as "madeAt", pg_snapshot_xmax(pg_current_snapshot())::text as xid`,
    );
    const migrations = await client.query<{ name: string; digest: string }>(
      "select name, digest from public.migration order by name",
    );
    const dump: Dump = {
      madeAt: now.rows[0]?.madeAt ?? new Date(),
      xid: now.rows[0]?.xid ?? "0",
      migrations: migrations.rows,
      ...(await describeTables(client, schemas)),
      copy: async function* ({ name, columns }, onRows) {
        const stream = client.query(copyTo(`copy (select ${columns.join(", ")} from ${name}) to stdout`));
        yield* stream;
        await client.query("select 1"); // the number comes after the last row
        onRows(stream.rowCount);
      },
      countBlobs: async () => {
        const { rows } = await client.query<{ count: number }>("select count(*)::float8 as count from blob.blob");
        return rows[0]?.count ?? 0;
      },
      listBlobs: async function* () {
        for (let after = "00000000-0000-0000-0000-000000000000"; ; ) {
          const { rows } = await client.query<StoredBlob & { id: string }>(
            `select id, sha256, size_bytes::float8 as "sizeBytes", key from blob.blob where id > $1 order by id limit $2`,
            [after, blobsAtOnce],
          );
          for (const { sha256, sizeBytes, key } of rows) yield { sha256, sizeBytes, key };
          const last = rows.at(-1);
          if (!last) return;
          after = last.id;
        }
      },
      endSnapshot: async () => void (await client.query("commit")),
      requireLock: async () => {
        if (lost) throw new Fault("unavailable", "Cannot go on with the backup: the database is gone", { cause: lost });
        await client.query("select 1");
      },
      close: () => client.end(),
    };
    return dump;
  } catch (error) {
    await client.end();
    throw error;
  }
}

async function holdSweeps(client: pg.Client): Promise<void> {
  await client.query("select set_config('lock_timeout', $1, false)", [String(lockTimeoutMs)]);
  try {
    await client.query("select pg_advisory_lock($1)", [backupLock]);
  } catch (cause) {
    if (!hasCode(cause, "55P03")) throw cause;
    throw new Fault("conflict", "Cannot make a backup: another one is under way", { cause });
  }
}

/** Unlogged tables hold what may be forgotten; partitions are copied with the table that they are of. */
async function describeTables(
  client: pg.Client,
  schemas: string[],
): Promise<Pick<Dump, "tables" | "partitions" | "sequences">> {
  const tables = await client.query<TableShape>(
    `select format('%I.%I', n.nspname, c.relname) as name, array_agg(format('%I', a.attname) order by a.attnum) as columns
      from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
      where n.nspname = any ($1) and c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p'
        and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      group by n.nspname, c.relname order by 1`,
    [schemas],
  );
  const partitions = await client.query<Partition>(
    `select c.oid::regclass::text as name, i.inhparent::regclass::text as of, pg_get_expr(c.relpartbound, c.oid) as bound
      from pg_class c join pg_inherits i on i.inhrelid = c.oid
      where c.relnamespace::regnamespace::text = any ($1) and c.relispartition and c.relkind in ('r', 'p') order by c.oid`,
    [schemas],
  );
  const sequences = await client.query<Sequence>(
    `select format('%I.%I', schemaname, sequencename) as name, last_value::text as value from pg_sequences
      where schemaname = any ($1) and last_value is not null order by 1`,
    [schemas],
  );
  return { tables: tables.rows, partitions: partitions.rows, sequences: sequences.rows };
}
