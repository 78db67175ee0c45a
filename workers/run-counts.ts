import { addRuns, type RunSum, runBounds } from "../db/log-run.ts";
import type { Deps } from "../deps.ts";

/** Counts the runs of one pod, and adds them to what all pods have counted. */
export type RunCounts = {
  count: (run: { actor: string; outcome: RunSum["outcome"]; durationMs: number }) => void;
  close: () => Promise<void>;
};

const everyMs = 5_000;

/** Adds its counts every 5 s and at the end. What cannot be added is kept for the next time. */
export function openRunCounts({ db, log }: Pick<Deps, "db" | "log">): RunCounts {
  let sums = new Map<string, RunSum>();
  const add = (sum: RunSum) => {
    const key = `${sum.actor} ${sum.outcome}`;
    const before = sums.get(key);
    if (!before) return void sums.set(key, sum);
    before.runs += sum.runs;
    before.seconds += sum.seconds;
    before.buckets = before.buckets.map((count, index) => count + (sum.buckets[index] ?? 0));
  };
  const flush = async () => {
    if (sums.size === 0) return;
    const sent = [...sums.values()];
    sums = new Map();
    try {
      await addRuns(db, sent);
    } catch (error) {
      log.debug({ err: error }, "runs are counted later");
      sent.forEach(add);
    }
  };
  const timer = setInterval(() => void flush(), everyMs);
  return {
    count: ({ actor, outcome, durationMs }) => {
      const seconds = durationMs / 1000;
      add({ actor, outcome, runs: 1, seconds, buckets: runBounds.map((bound) => (seconds <= bound ? 1 : 0)) });
    },
    close: () => {
      clearInterval(timer);
      return flush();
    },
  };
}
