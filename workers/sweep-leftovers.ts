import { deleteOldAlbumArchives } from "../db/album-archive.ts";
import {
  deleteExpiredDrafts,
  deleteExpiredUploads,
  deleteOldAttempts,
  deleteRejectedUploads,
  deleteVersionsOfDeletedPacks,
  rejectUnverified,
} from "../db/sweep-leftovers.ts";
import { stagingKey } from "../storage/keys.ts";
import { runBatch, runBatches, type Sweep } from "./sweep-batches.ts";

/** A version may have thousands of files. */
const versionsAtOnce = 20;
const rowsAtOnce = 500;

export function expireDrafts(sweep: Sweep): Promise<number> {
  return runBatches(sweep, (tx) => deleteExpiredDrafts(tx, versionsAtOnce));
}

export function eraseVersions(sweep: Sweep): Promise<number> {
  const { graceSeconds } = sweep.rules;
  return runBatches(sweep, (tx) => deleteVersionsOfDeletedPacks(tx, { graceSeconds, limit: versionsAtOnce }));
}

/** Deletes uploads that nobody has completed in time, then their bytes: what a crash leaves of these, the later steps find. */
export async function expireUploads(sweep: Sweep): Promise<number> {
  const { storage, signal } = sweep;
  let total = 0;
  for (;;) {
    signal.throwIfAborted();
    const gone = await runBatch(sweep, (tx) => deleteExpiredUploads(tx, rowsAtOnce));
    if (gone.length === 0) return total;
    total += gone.length;
    await storage.remove(gone.map(({ id }) => stagingKey(id)));
    for (const { partsId, attemptKey } of gone)
      if (partsId && attemptKey) await storage.abortParts(attemptKey, partsId);
  }
}

/** Settles uploads that could not be verified, and forgets the rejected ones of last week. */
export async function forgetRejected(sweep: Sweep): Promise<number> {
  const rejected = await runBatches(sweep, (tx) => rejectUnverified(tx, rowsAtOnce));
  return rejected + (await runBatches(sweep, (tx) => deleteRejectedUploads(tx, rowsAtOnce)));
}

/** Forgets old archives of albums, whose bytes go with the blobs: whoever wants one again asks again. */
export function forgetAlbumArchives(sweep: Sweep): Promise<number> {
  const { albumArchiveDays: afterDays } = sweep.rules;
  return runBatches(sweep, (tx) => deleteOldAlbumArchives(tx, { afterDays, limit: rowsAtOnce }));
}

export function giveUpAttempts(sweep: Sweep): Promise<number> {
  const { attemptSeconds } = sweep.rules;
  return runBatches(sweep, (tx) => deleteOldAttempts(tx, { afterSeconds: attemptSeconds, limit: rowsAtOnce }));
}
