import { type BlobRow, deleteAttempt, deleteDoomed, insertDoomed, settleBlob } from "../db/blob.ts";
import type { Db } from "../db/query.ts";
import type { Deps } from "../deps.ts";
import type { Digests } from "../digest.ts";

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
    const settled = await settle(tx, () => settleBlob(tx, { ...attempt, digests }));
    const spare = await insertDoomed(tx, {
      key: attempt.key,
      sizeBytes: digests.sizeBytes,
      reason: "spare",
      afterSeconds: 0,
    });
    await deleteAttempt(tx, attempt.id);
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
