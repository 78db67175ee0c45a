import { type Db, many, run } from "./query.ts";

/** Runs of an actor that ended in one way: how many, how long in all, and how many took no longer than each bound. */
export type RunSum = {
  actor: string;
  outcome: "completed" | "postponed" | "failed";
  runs: number;
  seconds: number;
  buckets: number[];
};

/** The bounds of `buckets`, in seconds. */
export const runBounds = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300];

/** Adds what one pod has counted. Never changes what the bounds are without naming the rows anew. */
export function addRuns(db: Db, sums: readonly RunSum[]): Promise<number> {
  return run(db, {
    name: "log_add_runs",
    text: `insert into log.run as r (actor, outcome, runs, seconds, buckets)
      select actor, outcome, runs, seconds, buckets from jsonb_to_recordset($1::jsonb)
        as sum (actor text, outcome text, runs bigint, seconds float8, buckets bigint[]) order by actor, outcome
      on conflict (actor, outcome) do update set runs = r.runs + excluded.runs, seconds = r.seconds + excluded.seconds,
        buckets = (select array_agg(coalesce(a, 0) + coalesce(b, 0) order by place)
          from unnest(r.buckets, excluded.buckets) with ordinality as both_of (a, b, place))`,
    values: [JSON.stringify(sums)],
  });
}

export function listRuns(db: Db): Promise<RunSum[]> {
  return many<RunSum>(db, {
    name: "log_list_runs",
    text: `select actor, outcome, runs, seconds, buckets::float8[] as buckets from log.run order by actor, outcome`,
  });
}
