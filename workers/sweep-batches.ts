import type { Db } from "../db/query.ts";
import { holdBackups } from "../db/sweep.ts";
import type { Deps } from "../deps.ts";
import { Fault } from "../fault.ts";
import type { Log } from "../log.ts";
import type { Fuse, SweepRules } from "../sweep-rules.ts";

/** What each step of a sweep is given. */
export type Sweep = Pick<Deps, "db" | "storage"> & {
  rules: SweepRules;
  force: boolean;
  signal: AbortSignal;
  log: Log;
  /** Told when a step takes nothing because it would take too much. */
  onBlown: (what: string, fuse: Fuse) => void;
};

/** What is left then is the next sweep's. */
const maxBatches = 10_000;

/** Runs one batch in a transaction that keeps backups away. Throws `Fault("unavailable")` when one has begun. */
export function runBatch<T>({ db }: Pick<Sweep, "db">, work: (tx: Db) => Promise<T>): Promise<T> {
  return db.transaction(async (tx) => {
    if (!(await holdBackups(tx))) throw new Fault("unavailable", "Cannot go on sweeping: a backup has begun");
    return work(tx);
  });
}

/** Runs batches until one finds nothing. `work` answers with how many it took. */
export async function runBatches(sweep: Sweep, work: (tx: Db) => Promise<number>): Promise<number> {
  let total = 0;
  for (let batch = 0; batch < maxBatches; batch++) {
    sweep.signal.throwIfAborted();
    const count = await runBatch(sweep, work);
    if (count === 0) break;
    total += count;
  }
  return total;
}
