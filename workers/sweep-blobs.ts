import type { Db } from "../db/query.ts";
import { countIdleBlobs, deleteBlobs, listStillIdle, lockIdleBlobs } from "../db/sweep.ts";
import { weighFuse } from "../sweep-rules.ts";
import { runBatch, type Sweep } from "./sweep-batches.ts";

const blobsAtOnce = 500;

/**
 * Deletes the rows of blobs that nothing names: lock, look again in a second statement, delete, doom the keys, all in one
 * transaction a batch. Answers with how many went.
 */
export async function collectBlobs(sweep: Sweep): Promise<number> {
  const { graceSeconds, maxShare } = sweep.rules;
  const { live, idle } = await countIdleBlobs(sweep.db, graceSeconds);
  const fuse = weighFuse({ going: idle, of: live, maxShare });
  if (fuse.blown && !sweep.force) {
    sweep.onBlown("blobs", fuse);
    return 0;
  }
  let total = 0;
  while (total < idle) {
    sweep.signal.throwIfAborted();
    const count = await runBatch(sweep, (tx) =>
      collectBatch(tx, { sweep, limit: Math.min(blobsAtOnce, idle - total) }),
    );
    if (count === 0) break;
    total += count;
  }
  return total;
}

async function collectBatch(tx: Db, { sweep, limit }: { sweep: Sweep; limit: number }): Promise<number> {
  const { graceSeconds, doomedSeconds } = sweep.rules;
  const locked = await lockIdleBlobs(tx, { graceSeconds, limit });
  const ids = await listStillIdle(tx, { ids: locked, graceSeconds });
  if (ids.length === 0) return 0;
  const { blobs } = await deleteBlobs(tx, { ids, doomedSeconds });
  return blobs;
}
