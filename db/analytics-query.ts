import { type Db, many } from "./query.ts";

export const dimensions = ["version", "format", "launcher", "channel", "source"] as const;
export type Dimension = (typeof dimensions)[number];
export type Interval = "hour" | "day" | "week" | "month";

export type CountQuery = {
  kind: string;
  /** Ids of what is asked about; null: everything. */
  subjects: string[] | null;
  /** From this time on, and before that one (UTC). */
  from: Date;
  to: Date;
  interval: Interval;
  /** At most two; a subject is shown as its id. */
  by: (Dimension | "subject")[];
  filters: Partial<Record<Dimension, string>>;
};

/** How often something happened in one interval, for one pair of values; null: all others, of which each has happened less. */
export type CountRow = { start: Date; one: string | null; other: string | null; count: number };

const most = 50;

// $1 kind, $2 subjects, $3 from, $4 to, $5 interval, $6 and $7 dimensions, $8 to $12 filters, $13 how many values are shown.
const one = `case $6 when 'version' then version when 'format' then format when 'launcher' then launcher when 'channel' then channel
    when 'source' then source when 'subject' then subject_id::text else '' end`;
const other = `case $7 when 'version' then version when 'format' then format when 'launcher' then launcher when 'channel' then channel
    when 'source' then source when 'subject' then subject_id::text else '' end`;
const filter = `kind = $1 and ($2::uuid[] is null or subject_id = any ($2::uuid[]))
    and ($8::text is null or version = $8) and ($9::text is null or format = $9) and ($10::text is null or launcher = $10)
    and ($11::text is null or channel = $11) and ($12::text is null or source = $12)`;
const fold = `ranked as (select one, other, row_number() over (order by sum(count) desc, one, other) <= $13 as shown from counted group by one, other)
  select start at time zone 'UTC' as start, case when shown then one end as one, case when shown then other end as other, sum(count)::bigint as count
  from counted join ranked using (one, other) group by 1, 2, 3 order by 1, 2, 3`;

/** Counts by intervals out of the hours or the days, which end in the hour or the day of the last roll-up. */
export function queryCounts(db: Db, query: CountQuery): Promise<CountRow[]> {
  return query.interval === "hour" ? queryHours(db, toValues(query)) : queryDays(db, toValues(query));
}

function queryHours(db: Db, values: unknown[]): Promise<CountRow[]> {
  return many<CountRow>(db, {
    name: "analytics_query_hours",
    text: `with counted as (
        select date_trunc($5, hour at time zone 'UTC') as start, ${one} as one, ${other} as other, sum(count) as count
        from analytics.hourly where ${filter} and hour >= $3::timestamptz and hour < $4::timestamptz group by 1, 2, 3), ${fold}`,
    values,
  });
}

function queryDays(db: Db, values: unknown[]): Promise<CountRow[]> {
  return many<CountRow>(db, {
    name: "analytics_query_days",
    text: `with counted as (
        select date_trunc($5, day::timestamp) as start, ${one} as one, ${other} as other, sum(count) as count
        from analytics.daily where ${filter} and day >= ($3::timestamptz at time zone 'UTC')::date and day < ($4::timestamptz at time zone 'UTC')::date
        group by 1, 2, 3), ${fold}`,
    values,
  });
}

function toValues({ kind, subjects, from, to, interval, by, filters }: CountQuery): unknown[] {
  return [
    ...[kind, subjects, from, to, interval, by[0] ?? "", by[1] ?? ""],
    ...dimensions.map((dimension) => filters[dimension] ?? null),
    most,
  ];
}

/** Different visitors by intervals: each day's are counted for themselves and added up, since nobody is known over days. */
export function queryVisitors(
  db: Db,
  { kind, subjects, from, to, interval }: Pick<CountQuery, "kind" | "subjects" | "from" | "to" | "interval">,
): Promise<CountRow[]> {
  return many<CountRow>(db, {
    name: "analytics_query_visitors",
    text: `select date_trunc($5, day::timestamp) at time zone 'UTC' as start, '' as one, '' as other, sum(count)::bigint as count from analytics.visitors
      where kind = $1 and (case when $2::uuid[] is null then subject_kind = 'site' else subject_id = any ($2::uuid[]) and subject_kind <> 'site' end)
        and day >= ($3::timestamptz at time zone 'UTC')::date and day < ($4::timestamptz at time zone 'UTC')::date
      group by 1 order by 1`,
    values: [kind, subjects, from, to, interval],
  });
}
