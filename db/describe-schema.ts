import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLog } from "../log.ts";
import { startEmbeddedPostgres } from "./embedded.ts";
import { createDatabase, migrate } from "./migrate.ts";
import { openPostgres } from "./postgres.ts";
import { type Db, many } from "./query.ts";

type Line = { owner: string; text: string };

/** What a database holds, from its catalogs, as SQL for reading: the same text for the same schema. Leaves out the queues' tables and partitions. */
export async function describeSchema(db: Db): Promise<string> {
  const columns = await many<Line>(db, {
    name: "schema_list_columns",
    text: `select format('%I.%I', n.nspname, c.relname) as owner, format('  %I %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
        case when a.attnotnull then ' not null' else '' end, coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')) as text
      from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
      left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
      where c.relkind in ('r', 'p') and not c.relispartition and a.attnum > 0 and not a.attisdropped
        and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast', 'bullmq')
      order by n.nspname, c.relname, a.attnum`,
  });
  const constraints = await many<Line>(db, {
    name: "schema_list_constraints",
    text: `select format('%I.%I', n.nspname, c.relname) as owner, format('  constraint %I %s', k.conname, pg_get_constraintdef(k.oid)) as text
      from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
      where k.contype in ('p', 'u', 'f', 'c') and not c.relispartition and n.nspname not in ('pg_catalog', 'information_schema', 'bullmq')
      order by n.nspname, c.relname, array_position(array['p', 'u', 'f', 'c'], k.contype::text), k.conname`,
  });
  const indexes = await many<Line>(db, {
    name: "schema_list_indexes",
    text: `select format('%I.%I', schemaname, tablename) as owner, indexdef as text from pg_indexes i
      where not (select c.relispartition from pg_class c where c.oid = format('%I.%I', i.schemaname, i.indexname)::regclass) and schemaname not in ('pg_catalog', 'information_schema', 'bullmq')
        and not exists (select from pg_constraint k where k.conindid = format('%I.%I', i.schemaname, i.indexname)::regclass)
      order by schemaname, tablename, indexname`,
  });
  const functions = await many<Line>(db, {
    name: "schema_list_functions",
    text: `select n.nspname as owner, rtrim(pg_get_functiondef(p.oid), chr(10)) as text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where p.prokind = 'f' and n.nspname not in ('pg_catalog', 'information_schema', 'bullmq')
      order by n.nspname, p.proname, p.oid::regprocedure::text`,
  });
  const owners = [...new Set(columns.map(({ owner }) => owner))];
  const tables = owners.map((owner) => {
    const of = (lines: Line[]) => lines.filter((line) => line.owner === owner).map(({ text }) => text);
    const table = `create table ${owner} (\n${[...of(columns), ...of(constraints)].join(",\n")}\n);`;
    return [table, ...of(indexes).map((index) => `${index};`)].join("\n");
  });
  const head = "-- What the migrations make of an empty database, for reading. Made by `bun run schema`.";
  return `${[head, ...tables, ...functions.map(({ text }) => `${text};`)].join("\n\n")}\n`;
}

/** Writes schema.sql from a throw-away database. */
async function writeSchema(): Promise<void> {
  const log = openLog({ level: "warn", service: "schema" });
  const folder = await mkdtemp(join(tmpdir(), "sunduk-schema-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const postgres = await startEmbeddedPostgres({ folder: join(folder, "postgres"), password: "schema", log });
  stack.defer(postgres.stop);
  await createDatabase(postgres.url);
  await migrate(postgres.url);
  const db = openPostgres(postgres.url, { max: 1, log, name: "schema" });
  stack.defer(db.close);
  await writeFile(join(import.meta.dir, "schema.sql"), await describeSchema(db));
}

if (import.meta.main) await writeSchema();
