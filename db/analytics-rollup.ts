import { type Db, many, one, run } from "./query.ts";

/** How far the roll-up is. `hours`: those that rows were written to since. */
export type Pending = { asOf: Date; nextXid: string; hours: Date[] };

/** One roll-up at a time: the others wait for it. */
export function lockProgress(tx: Db): Promise<number> {
  return run(tx, { name: "analytics_lock_progress", text: `select from analytics.progress for update` });
}

/**
 * The hours with rows of transactions that were not over when it was asked last. In a database that was restored elsewhere
 * transactions may have smaller numbers again: then all hours.
 */
export async function findPending(db: Db): Promise<Pending> {
  const row = await one<Pending>(db, {
    name: "analytics_find_pending",
    text: `with seen as (
        select case when next_xid <= pg_snapshot_xmin(pg_current_snapshot()) then next_xid else '0'::xid8 end as since from analytics.progress)
      select now() as "asOf", pg_snapshot_xmin(pg_current_snapshot())::text as "nextXid",
        coalesce((select array_agg(distinct hour order by hour) from analytics.event where xid >= (select since from seen)), '{}') as hours`,
  });
  return row ?? { asOf: new Date(0), nextXid: "0", hours: [] };
}

/** Notes that everything pending is rolled up. */
export function settleProgress(db: Db, { asOf, nextXid }: Pick<Pending, "asOf" | "nextXid">): Promise<number> {
  return run(db, {
    name: "analytics_settle_progress",
    text: `update analytics.progress set as_of = greatest(as_of, $1), next_xid = case
        when next_xid > pg_snapshot_xmin(pg_current_snapshot()) then $2::text::xid8 else greatest(next_xid, $2::text::xid8) end`,
    values: [asOf, nextXid],
  });
}

/** Counts these hours anew out of the raw rows. */
export async function rollHours(tx: Db, hours: Date[]): Promise<void> {
  await run(tx, {
    name: "analytics_clear_hours",
    text: `delete from analytics.hourly where hour = any ($1::timestamptz[])`,
    values: [hours],
  });
  await run(tx, {
    name: "analytics_count_hours",
    text: `insert into analytics.hourly (hour, kind, subject_kind, subject_id, version, format, launcher, channel, source, count)
      select hour, kind, subject_kind, subject_id, version, format, launcher, channel, source, count(*)
      from analytics.event where hour = any ($1::timestamptz[])
      group by hour, kind, subject_kind, subject_id, version, format, launcher, channel, source`,
    values: [hours],
  });
}

/** Counts these days (UTC) anew: events out of the hours, visitors out of the raw rows. */
export async function rollDays(tx: Db, days: string[]): Promise<void> {
  await run(tx, {
    name: "analytics_clear_days",
    text: `delete from analytics.daily where day = any ($1::date[])`,
    values: [days],
  });
  await run(tx, {
    name: "analytics_count_days",
    text: `insert into analytics.daily (day, kind, subject_kind, subject_id, version, format, launcher, channel, source, count)
      select d.day, kind, subject_kind, subject_id, version, format, launcher, channel, source, sum(count)
      from unnest($1::date[]) as d (day) join analytics.hourly h
        on h.hour >= d.day::timestamp at time zone 'UTC' and h.hour < (d.day + 1)::timestamp at time zone 'UTC'
      group by d.day, kind, subject_kind, subject_id, version, format, launcher, channel, source`,
    values: [days],
  });
  await run(tx, {
    name: "analytics_clear_visitors",
    text: `delete from analytics.visitors where day = any ($1::date[])`,
    values: [days],
  });
  await run(tx, {
    name: "analytics_count_visitors",
    text: `insert into analytics.visitors (day, kind, subject_kind, subject_id, count)
      select d.day, kind, coalesce(subject_kind, 'site'), coalesce(subject_id, '00000000-0000-0000-0000-000000000000'), count(distinct visitor)
      from unnest($1::date[]) as d (day) join analytics.event e
        on e.hour >= d.day::timestamp at time zone 'UTC' and e.hour < (d.day + 1)::timestamp at time zone 'UTC'
      group by grouping sets ((d.day, kind, subject_kind, subject_id), (d.day, kind))`,
    values: [days],
  });
}

/** Adds up anew what was counted on these days: since the beginning. */
export function rollTotals(tx: Db, days: string[]): Promise<number> {
  return run(tx, {
    name: "analytics_count_totals",
    text: `insert into analytics.total (subject_id, kind, count)
      select t.subject_id, t.kind, sum(d.count)
      from (select distinct subject_id, kind from analytics.daily where day = any ($1::date[])) t
        join analytics.daily d on d.subject_id = t.subject_id and d.kind = t.kind
      group by t.subject_id, t.kind order by t.subject_id, t.kind
      on conflict (subject_id, kind) do update set count = excluded.count`,
    values: [days],
  });
}

/** Forgets hours that are older than that. */
export function deleteOldHours(db: Db, { afterDays }: { afterDays: number }): Promise<number> {
  return run(db, {
    name: "analytics_delete_hours",
    text: `delete from analytics.hourly where hour < now() - make_interval(days => $1)`,
    values: [afterDays],
  });
}

/**
 * Takes over new registrations and check-ins of events, each once however often it is asked: a registration is its first
 * line, and so is a check-in. Lines of transactions that took long are found by looking ten minutes back.
 */
export function deriveRegistrations(tx: Db): Promise<number> {
  return run(tx, {
    name: "analytics_derive_registrations",
    text: `with since as (select greatest(derived_until - interval '10 minutes', (select min(day) from analytics.salt)::timestamp at time zone 'UTC') as at from analytics.progress),
      noted as (update analytics.progress set derived_until = now()),
      found as (
        select case when c.from_state is null then 'registration' else 'check-in' end as kind, c.to_state, c.created_at as at, r.id, r.user_id, o.event_id
        from event.registration_change c join event.registration r on r.id = c.registration_id join event.occurrence o on o.id = r.occurrence_id
        where c.created_at >= (select at from since) and (c.from_state is null or (c.to_state = 'checked-in' and not exists (
          select from event.registration_change b where b.registration_id = c.registration_id and b.id < c.id and b.to_state = 'checked-in'))))
      insert into analytics.event (hour, key, at, kind, subject_kind, subject_id, visitor, version, format, launcher, channel, source)
      select date_trunc('hour', at, 'UTC'), substr(sha256(convert_to(kind || id, 'UTF8')), 1, 16), at, kind, 'event', event_id,
        substr(sha256(s.value || convert_to(user_id::text, 'UTF8')), 1, 16), '', '', '', '',
        case when kind = 'registration' then to_state else '' end
      from found join analytics.salt s on s.day = (found.at at time zone 'UTC')::date
      order by 2 on conflict do nothing`,
  });
}

/** When the tables were last brought up to date. */
export async function findAsOf(db: Db): Promise<Date> {
  const row = await one<{ asOf: Date }>(db, {
    name: "analytics_find_as_of",
    text: `select as_of as "asOf" from analytics.progress`,
  });
  return row?.asOf ?? new Date(0);
}

/** How often something has happened to a subject since the beginning. */
export async function findTotal(
  db: Db,
  { subjectId, kind }: { subjectId: string; kind: string },
): Promise<{ count: number; asOf: Date }> {
  const [row] = await many<{ count: number; asOf: Date }>(db, {
    name: "analytics_find_total",
    text: `select coalesce((select count from analytics.total where subject_id = $1 and kind = $2), 0) as count, as_of as "asOf" from analytics.progress`,
    values: [subjectId, kind],
  });
  return row ?? { count: 0, asOf: new Date(0) };
}
