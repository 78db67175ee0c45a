import { deleteExpiredImages, deleteRejectedImages, rejectUnrendered } from "../db/sweep-images.ts";
import { stagingKey } from "../storage/keys.ts";
import { runBatch, runBatches, type Sweep } from "./sweep-batches.ts";

const rowsAtOnce = 500;

/** Deletes images whose bytes have not come in time, then what there is of these: what a crash leaves, a later step finds. */
export async function expireImages(sweep: Sweep): Promise<number> {
  const { storage, signal } = sweep;
  let total = 0;
  for (;;) {
    signal.throwIfAborted();
    const gone = await runBatch(sweep, (tx) => deleteExpiredImages(tx, rowsAtOnce));
    if (gone.length === 0) return total;
    total += gone.length;
    await storage.remove(gone.map(({ id }) => stagingKey(id)));
  }
}

/** Rejects images that nobody renders any more, and forgets the rejected ones of last week. */
export async function forgetRejectedImages(sweep: Sweep): Promise<number> {
  const rejected = await runBatches(sweep, (tx) => rejectUnrendered(tx, rowsAtOnce));
  return rejected + (await runBatches(sweep, (tx) => deleteRejectedImages(tx, rowsAtOnce)));
}
