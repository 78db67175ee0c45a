import { findJob, type JobRow } from "../../db/job.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { waitAtMost } from "../../patience.ts";

/** A hint may get lost, so the row is read so often besides. */
const lookMs = 250;

/**
 * Waits for a job that takes a moment, for protocols that know no later: its result. 503 when it has not ended after
 * `timeoutMs` (it goes on all the same), or has failed.
 */
export async function waitForResult(
  { db, bus }: Pick<Deps, "db" | "bus">,
  { id, timeoutMs }: { id: string; timeoutMs: number },
): Promise<JobRow["result"]> {
  const deadline = performance.now() + timeoutMs;
  let wake = () => {};
  const unsubscribe = bus.subscribe("job.changed", (changed) => {
    if (changed === id) wake();
  });
  try {
    for (;;) {
      const hint = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const job = await findJob(db, id);
      if (job?.state === "completed") return job.result;
      if (!job || job.state === "failed" || performance.now() > deadline)
        throw new Fault("unavailable", "Cannot answer yet: the work takes longer than usual. Look again in a moment", {
          retryAfterSeconds: 5,
        });
      await waitAtMost(hint, lookMs);
    }
  } finally {
    unsubscribe();
  }
}
