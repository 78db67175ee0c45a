import { type Db, many } from "./query.ts";

/** A table of numbers, as it is shown, exported and mailed. */
export type ReportTable = { columns: string[]; rows: (string | number | null)[][] };
/** What a report is about: ids, null for everything; whole days (UTC), the last one not included. */
export type ReportQuery = { subjects: string[] | null; from: Date; to: Date };

/** The ready reports, and which subjects they are made for. */
export const reports = {
  pack: { subjects: ["pack"], read: readPack },
  versions: { subjects: ["pack"], read: readVersions },
  event: { subjects: ["event"], read: readFunnel },
  organization: { subjects: ["organization"], read: readThings },
  retention: { subjects: ["pack", "organization", "site"], read: readRetention },
  acquisition: { subjects: ["pack", "event", "organization", "user", "site"], read: readSources },
} as const;
export type ReportName = keyof typeof reports;

export const isReport = (name: string): name is ReportName => Object.hasOwn(reports, name);

// $1 subjects, $2 and $3 days.
const range = `($1::uuid[] is null or d.subject_id = any ($1::uuid[])) and d.day >= ($2::timestamptz at time zone 'UTC')::date
  and d.day < ($3::timestamptz at time zone 'UTC')::date`;
const uses = `coalesce(sum(d.count) filter (where d.kind = 'download'), 0)::bigint as downloads,
  coalesce(sum(d.count) filter (where d.kind = 'install'), 0)::bigint as installs,
  coalesce(sum(d.count) filter (where d.kind = 'update'), 0)::bigint as updates,
  coalesce(sum(d.count) filter (where d.kind = 'launch'), 0)::bigint as launches`;

type Row = Record<string, string | number | null>;

/** The days of a pack, those without anything left out. */
async function readPack(db: Db, query: ReportQuery): Promise<ReportTable> {
  const rows = await many<Row>(db, {
    name: "analytics_report_pack",
    text: `with seen as (select d.day, sum(d.count)::bigint as visitors from analytics.visitors d where ${range} and d.kind = 'view' and (d.subject_kind = 'site') = ($1::uuid[] is null) group by 1)
      select d.day::text, coalesce(sum(d.count) filter (where d.kind = 'view'), 0)::bigint as views, coalesce(max(seen.visitors), 0)::bigint as visitors, ${uses}
      from analytics.daily d left join seen on seen.day = d.day where ${range} group by d.day order by d.day`,
    values: toValues(query),
  });
  return toTable(["day", "views", "visitors", "downloads", "installs", "updates", "launches"], rows);
}

/** How the versions of a pack are taken up: the share is of all installs and updates. */
async function readVersions(db: Db, query: ReportQuery): Promise<ReportTable> {
  const rows = await many<Row>(db, {
    name: "analytics_report_versions",
    text: `with used as (select d.version, ${uses} from analytics.daily d where ${range} and d.version <> '' group by 1)
      select version, downloads, installs, updates, launches,
        round(100.0 * (installs + updates) / nullif(sum(installs + updates) over (), 0), 1)::float8 as percent
      from used order by installs + updates desc, downloads desc, version limit 500`,
    values: toValues(query),
  });
  return toTable(["version", "downloads", "installs", "updates", "launches", "percent"], rows);
}

/** From looking at an event to being there: the share is of the step before. */
async function readFunnel(db: Db, query: ReportQuery): Promise<ReportTable> {
  const rows = await many<Row>(db, {
    name: "analytics_report_event",
    text: `with visitors as (select coalesce(sum(d.count), 0)::bigint as count from analytics.visitors d where ${range} and d.kind = 'view' and (d.subject_kind = 'site') = ($1::uuid[] is null)),
      done as (select coalesce(sum(d.count) filter (where d.kind = 'registration'), 0)::bigint as registrations,
        coalesce(sum(d.count) filter (where d.kind = 'check-in'), 0)::bigint as checked from analytics.daily d where ${range}),
      steps as (select 1 as place, 'visitors' as step, count from visitors
        union all select 2, 'registrations', registrations from done union all select 3, 'check-ins', checked from done)
      select step, count, round(100.0 * count / nullif(lag(count) over (order by place), 0), 1)::float8 as percent from steps order by place`,
    values: toValues(query),
  });
  return toTable(["step", "count", "percent"], rows);
}

/** What an organization runs, thing by thing. */
async function readThings(db: Db, query: ReportQuery): Promise<ReportTable> {
  const rows = await many<Row>(db, {
    name: "analytics_report_organization",
    text: `select d.subject_kind as kind, coalesce(
          (select p.slug from pack.pack p where p.id = d.subject_id), (select e.slug from event.event e where e.id = d.subject_id),
          (select o.slug from organization.organization o where o.id = d.subject_id), '') as name,
        coalesce(sum(d.count) filter (where d.kind = 'view'), 0)::bigint as views, ${uses},
        coalesce(sum(d.count) filter (where d.kind = 'registration'), 0)::bigint as registrations,
        coalesce(sum(d.count) filter (where d.kind = 'check-in'), 0)::bigint as "check-ins"
      from analytics.daily d where ${range} group by d.subject_kind, d.subject_id order by 1, 3 desc, 2 limit 500`,
    values: toValues(query),
  });
  const columns = [
    "kind",
    "name",
    "views",
    "downloads",
    "installs",
    "updates",
    "launches",
    "registrations",
    "check-ins",
  ];
  return toTable(columns, rows);
}

/** Week by week, how much is still played of what is installed. Nobody is followed: players are counted for each day and added up. */
async function readRetention(db: Db, query: ReportQuery): Promise<ReportTable> {
  const rows = await many<Row>(db, {
    name: "analytics_report_retention",
    text: `with players as (select date_trunc('week', d.day::timestamp) as week, sum(d.count)::bigint as players from analytics.visitors d
          where ${range} and d.kind = 'launch' and (d.subject_kind = 'site') = ($1::uuid[] is null) group by 1),
      used as (select date_trunc('week', d.day::timestamp) as week, ${uses} from analytics.daily d where ${range} group by 1),
      running as (select *, sum(installs) over (order by week) as ever from used)
      select week::date::text as week, installs, updates, launches, coalesce(players, 0)::bigint as "playerDays",
        round(players::numeric / nullif(ever, 0), 2)::float8 as "playerDaysPerInstall"
      from running left join players using (week) where installs + updates + launches > 0 order by week`,
    values: toValues(query),
  });
  return toTable(["week", "installs", "updates", "launches", "playerDays", "playerDaysPerInstall"], rows);
}

/** Where people come from; an empty origin is an address that was typed, kept, or not told. */
async function readSources(db: Db, query: ReportQuery): Promise<ReportTable> {
  const rows = await many<Row>(db, {
    name: "analytics_report_acquisition",
    text: `select d.source, d.launcher as client, sum(d.count)::bigint as views, round(100 * sum(d.count) / sum(sum(d.count)) over (), 1)::float8 as percent
      from analytics.daily d where ${range} and d.kind = 'view' group by 1, 2 order by 3 desc, 1, 2 limit 500`,
    values: toValues(query),
  });
  return toTable(["source", "client", "views", "percent"], rows);
}

function toValues({ subjects, from, to }: ReportQuery): unknown[] {
  return [subjects, from, to];
}

function toTable(columns: string[], rows: Row[]): ReportTable {
  return { columns, rows: rows.map((row) => columns.map((column) => row[column] ?? null)) };
}
