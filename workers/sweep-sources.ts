import { releaseSources } from "../db/image-backfill.ts";
import { runBatches, type Sweep } from "./sweep-batches.ts";

const rowsAtOnce = 500;

/** Lets go of the bytes that were sent for images long ago: what is shown stays, and later variants are made of that. */
export function letGoOfSources(sweep: Sweep): Promise<number> {
  const { sourceDays: afterDays } = sweep.rules;
  return runBatches(sweep, (tx) => releaseSources(tx, { afterDays, limit: rowsAtOnce }));
}
