import { type Db, many, one, run } from "./query.ts";

/** What happened. `key` is a digest of all but the time: the same within an hour is one row. */
export type AnalyticsRow = {
  at: Date;
  kind: string;
  subjectKind: string;
  subjectId: string;
  visitor: Uint8Array;
  key: Uint8Array;
  version: string;
  format: string;
  launcher: string;
  channel: string;
  source: string;
};

/**
 * Writes rows in one statement, in order of their keys, so that two processes that write the same wait for each other and
 * never in a ring. SQLSTATE 23514 when their month has no table yet.
 */
export function insertAnalytics(db: Db, rows: readonly AnalyticsRow[]): Promise<number> {
  const sorted = rows.toSorted((one, other) => Buffer.compare(one.key, other.key));
  const column = <T>(pick: (row: AnalyticsRow) => T): T[] => sorted.map(pick);
  return run(db, {
    name: "analytics_insert",
    text: `insert into analytics.event (hour, key, at, kind, subject_kind, subject_id, visitor, version, format, launcher, channel, source)
      select date_trunc('hour', e.at, 'UTC'), e.key, e.at, e.kind, e.subject_kind, e.subject_id, e.visitor, e.version, e.format, e.launcher, e.channel, e.source
      from unnest($1::timestamptz[], $2::bytea[], $3::text[], $4::text[], $5::uuid[], $6::bytea[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])
        as e (at, key, kind, subject_kind, subject_id, visitor, version, format, launcher, channel, source)
      on conflict do nothing`,
    values: [
      column(({ at }) => at),
      column(({ key }) => Buffer.from(key)),
      column(({ kind }) => kind),
      column(({ subjectKind }) => subjectKind),
      column(({ subjectId }) => subjectId),
      column(({ visitor }) => Buffer.from(visitor)),
      column(({ version }) => version),
      column(({ format }) => format),
      column(({ launcher }) => launcher),
      column(({ channel }) => channel),
      column(({ source }) => source),
    ],
  });
}

/** Adds up what could not be kept, by reason. */
export function addDropped(db: Db, counts: Record<string, number>): Promise<number> {
  return run(db, {
    name: "analytics_add_dropped",
    text: `insert into analytics.dropped as d (day, reason, count)
      select (now() at time zone 'UTC')::date, key, value::bigint from jsonb_each_text($1::jsonb)
      on conflict (day, reason) do update set count = d.count + excluded.count`,
    values: [JSON.stringify(counts)],
  });
}

/** The salt of a day: `fresh` unless it has one. Undefined when another process makes it at this very moment. */
export function findSalt(
  db: Db,
  { day, fresh }: { day: string; fresh: Uint8Array },
): Promise<{ value: Buffer } | undefined> {
  return one<{ value: Buffer }>(db, {
    name: "analytics_find_salt",
    text: `with made as (insert into analytics.salt (day, value) values ($1::date, $2) on conflict do nothing returning value)
      select value from made union all select value from analytics.salt where day = $1::date limit 1`,
    values: [day, Buffer.from(fresh)],
  });
}

/** Forgets the salts of the days before yesterday. */
export function deleteOldSalts(db: Db): Promise<number> {
  return run(db, {
    name: "analytics_delete_salts",
    text: `delete from analytics.salt where day < (now() at time zone 'UTC')::date - 1`,
  });
}

/** Makes the months that rows may be written to now and soon. */
export function prepareMonths(db: Db): Promise<number> {
  return run(db, { name: "analytics_prepare_months", text: `select analytics.prepare_months()` });
}

/** Drops the months that ended so many days ago. Waits 2 s for its lock and then throws (55P03), since all who write wait with it. */
export async function dropMonths(tx: Db, { afterDays }: { afterDays: number }): Promise<string[]> {
  await run(tx, { name: "analytics_lock_timeout", text: `select set_config('lock_timeout', '2s', true)` });
  const rows = await many<{ name: string }>(tx, {
    name: "analytics_drop_months",
    text: `select name from analytics.drop_months(now() - make_interval(days => $1)) as name`,
    values: [afterDays],
  });
  return rows.map(({ name }) => name);
}
