import { type BlobRow, deleteAttempt, deleteDoomed, insertDoomed, settleBlob } from "../db/blob.ts";
import type { Db } from "../db/query.ts";
import type { Deps } from "../deps.ts";
import type { Digests } from "../digest.ts";
import { Fault } from "../fault.ts";

export type Attempt = { id: string; key: string };

/**
 * Writes the row of bytes that lie under an attempt's key, in one transaction with `settle`, which says whether they are
 * still wanted. Where the same bytes were here before, theirs is the row. An object that no row names is removed.
 */
export async function settleAttempt(
  { db, storage }: Pick<Deps, "db" | "storage">,
  {
    attempt,
    digests,
    settle,
  }: { attempt: Attempt; digests: Digests; settle: (tx: Db, blob: () => Promise<BlobRow>) => Promise<boolean> },
): Promise<boolean> {
  const { settled, spare } = await db.transaction(async (tx) => {
    // Deleting its row is what fences an attempt: either it settles, or the sweep dooms its key.
    const held = await deleteAttempt(tx, attempt.id);
    const settled = await settle(tx, () => {
      if (held === 0)
        throw new Fault("unavailable", "Cannot keep these bytes: they were given up meanwhile. Once more");
      return settleBlob(tx, { ...attempt, digests });
    });
    const spare = await insertDoomed(tx, {
      key: attempt.key,
      sizeBytes: digests.sizeBytes,
      reason: "spare",
      afterSeconds: 0,
    });
    return { settled, spare: spare > 0 };
  });
  if (spare) await removeDoomed({ db, storage }, attempt.key);
  return settled;
}

/** Removes an object that is doomed already, now rather than at the next sweep. */
export async function removeDoomed({ db, storage }: Pick<Deps, "db" | "storage">, key: string): Promise<void> {
  await storage.remove([key]);
  await deleteDoomed(db, [key]);
}
