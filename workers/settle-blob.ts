import { type BlobRow, deleteAttempt, deleteDoomed, insertDoomed, settleBlob } from "../db/blob.ts";
import type { Db } from "../db/query.ts";
import type { Deps } from "../deps.ts";
import type { Digests } from "../digest.ts";
import { Fault } from "../fault.ts";

export type Attempt = { id: string; key: string };

/** Bytes that lie under an attempt's key. */
export type Stored = { attempt: Attempt; digests: Digests };

type Parts = Pick<Deps, "db" | "storage">;

/**
 * Writes the row of bytes that lie under an attempt's key, in one transaction with `settle`, which says whether they are
 * still wanted. Where the same bytes were here before, theirs is the row. An object that no row names is removed.
 */
export function settleAttempt(
  deps: Parts,
  { settle, ...stored }: Stored & { settle: (tx: Db, blob: () => Promise<BlobRow>) => Promise<boolean> },
): Promise<boolean> {
  return settleAttempts(deps, {
    stored: [stored],
    settle: (tx, makeBlob) => settle(tx, () => makeBlob(stored)),
  });
}

/** The same for bytes that are wanted together or not at all. Make their blobs in order of their digests: two who settle the same bytes then never wait for each other. */
export async function settleAttempts(
  { db, storage }: Parts,
  {
    stored,
    settle,
  }: { stored: Stored[]; settle: (tx: Db, blob: (stored: Stored) => Promise<BlobRow>) => Promise<boolean> },
): Promise<boolean> {
  const { settled, spare } = await db.transaction(async (tx) => {
    // Deleting its row is what fences an attempt: either it settles, or the sweep dooms its key.
    const held = new Set<Attempt>();
    for (const { attempt } of stored) if ((await deleteAttempt(tx, attempt.id)) > 0) held.add(attempt);
    const settled = await settle(tx, ({ attempt, digests }) => {
      if (!held.has(attempt))
        throw new Fault("unavailable", "Cannot keep these bytes: they were given up meanwhile. Once more");
      return settleBlob(tx, { ...attempt, digests });
    });
    const spare: string[] = [];
    for (const { attempt, digests } of stored) {
      const doomed = { key: attempt.key, sizeBytes: digests.sizeBytes, reason: "spare", afterSeconds: 0 };
      if ((await insertDoomed(tx, doomed)) > 0) spare.push(attempt.key);
    }
    return { settled, spare };
  });
  for (const key of spare) await removeDoomed({ db, storage }, key);
  return settled;
}

/** Removes an object that is doomed already, now rather than at the next sweep. */
export async function removeDoomed({ db, storage }: Parts, key: string): Promise<void> {
  await storage.remove([key]);
  await deleteDoomed(db, [key]);
}
