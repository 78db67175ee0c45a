import { addSteps, listStarts, type Range, startOf } from "../../analytics-time.ts";
import {
  type CountQuery,
  type CountRow,
  type Dimension,
  queryCounts,
  queryVisitors,
} from "../../db/analytics-query.ts";
import { findAsOf } from "../../db/analytics-rollup.ts";
import type { Db } from "../../db/query.ts";
import { Fault } from "../../fault.ts";
import type { Caller } from "../tokens.ts";
import type { By, CountAnswer, Group, Metric } from "./model.ts";
import { getSubject } from "./subject.ts";

/** What a metric counts: events of a kind, or different visitors of them. */
const metrics: Record<Metric, { kind: string; visitors?: true }> = {
  views: { kind: "view" },
  visitors: { kind: "view", visitors: true },
  downloads: { kind: "download" },
  installs: { kind: "install" },
  updates: { kind: "update" },
  launches: { kind: "launch" },
  players: { kind: "launch", visitors: true },
  "sign-ins": { kind: "sign-in" },
  "sign-ups": { kind: "sign-up" },
  registrations: { kind: "registration" },
  "check-ins": { kind: "check-in" },
};

const maxSteps = 750;
const defaultDays = 30;
const dayMs = 24 * 3600_000;

export type Asked = {
  metric: Metric;
  subject: string;
  from?: string;
  to?: string;
  interval?: Range["interval"];
  by?: By[];
  filters: Partial<Record<Dimension, string>>;
  previous?: boolean;
};

/** Whole steps that hold both ends. Fault: invalid when they are too many, or none. */
export function readRange({ from, to, interval = "day" }: Pick<Asked, "from" | "to" | "interval">): Range {
  const end = to === undefined ? new Date() : new Date(to);
  const first = startOf(interval, from === undefined ? new Date(+end - defaultDays * dayMs) : new Date(from));
  const last = startOf(interval, new Date(+end - 1));
  const range = { from: first, to: addSteps(interval, last, 1), interval };
  const steps = last < first ? 0 : listStarts(range, maxSteps).length;
  if (steps === 0 || steps > maxSteps)
    throw new Fault("malformed", `Cannot count: from and to hold ${steps ? `more than ${maxSteps}` : "no"} intervals`, {
      errors: [{ parameter: "from", detail: steps ? "is too early for this interval" : "is not before to" }],
    });
  return range;
}

/** Counts of a subject by intervals, in groups by what they are broken down by, the largest first. */
export async function count(db: Db, { caller, ...asked }: Asked & { caller: Caller | null }): Promise<CountAnswer> {
  const { metric, by = [], filters, previous = false } = asked;
  const { kind, visitors } = metrics[metric];
  const range = readRange(asked);
  if (visitors && (range.interval === "hour" || by.length > 0 || Object.keys(filters).length > 0))
    throw new Fault("malformed", `Cannot count ${metric} so: they are known by day and subject only`, {
      errors: [{ parameter: "metric", detail: "takes no interval below a day, no breakdown and no filter" }],
    });
  const { ids } = await getSubject(db, { subject: asked.subject, caller });
  const asOf = await findAsOf(db);
  const read = (range: Range) => {
    const query: CountQuery = { kind, subjects: ids, ...range, by, filters };
    return visitors ? queryVisitors(db, query) : queryCounts(db, query);
  };
  const answer = { metric, subject: asked.subject, interval: range.interval, asOf: asOf.toISOString(), by };
  const counted = describe(await read(range), { range, by });
  if (!previous) return { ...answer, ...counted };
  const steps = listStarts(range, maxSteps).length;
  const before = { ...range, from: addSteps(range.interval, range.from, -steps), to: range.from };
  return { ...answer, ...counted, previous: describe(await read(before), { range: before, by }) };
}

function describe(rows: CountRow[], { range, by }: { range: Range; by: By[] }) {
  const starts = listStarts(range, maxSteps);
  const places = new Map(starts.map((start, index) => [+start, index]));
  const groups = new Map<string, Group>();
  const open = (row?: CountRow): Group => {
    const values = row ? [row.one, row.other] : [];
    const key = JSON.stringify(values);
    const known = groups.get(key);
    if (known) return known;
    const group: Group = {
      by: Object.fromEntries(by.map((dimension, index) => [dimension, values[index] ?? null])),
      count: 0,
      series: starts.map((start) => ({ start: start.toISOString(), count: 0 })),
    };
    groups.set(key, group);
    return group;
  };
  if (by.length === 0 && rows.length === 0) open();
  for (const row of rows) {
    const group = open(row);
    const step = group.series[places.get(+row.start) ?? -1];
    if (step) step.count += row.count;
    group.count += row.count;
  }
  const total = rows.reduce((sum, { count }) => sum + count, 0);
  return {
    from: range.from.toISOString(),
    to: range.to.toISOString(),
    total,
    groups: [...groups.values()].sort((one, other) => other.count - one.count),
  };
}
