import { deleteDoomed } from "../db/blob.ts";
import { lockDueKeys } from "../db/sweep.ts";
import { listUnnamed, listUnnamedParts } from "../db/sweep-leftovers.ts";
import type { OpenParts } from "../storage/index.ts";
import { findUnnamed } from "../storage/unnamed.ts";
import { temporarySeconds, weighFuse } from "../sweep-rules.ts";
import { runBatch, runBatches, type Sweep } from "./sweep-batches.ts";

/** So few that removing them takes seconds, since their rows are locked meanwhile. */
const objectsAtOnce = 200;

/** Removes objects whose keys are doomed and due, then forgets the keys. */
export function removeDue(sweep: Sweep): Promise<number> {
  return runBatches(sweep, async (tx) => {
    const keys = await lockDueKeys(tx, objectsAtOnce);
    if (keys.length === 0) return 0;
    await sweep.storage.remove(keys);
    return deleteDoomed(tx, keys);
  });
}

/** Aborts multipart uploads that no upload has any more. */
export async function abortParts(sweep: Sweep): Promise<number> {
  const { db, storage, rules, signal } = sweep;
  const before = secondsAgo(rules.partsSeconds);
  let total = 0;
  let batch: OpenParts[] = [];
  const abortBatch = async () => {
    const unnamed = new Set(
      await listUnnamedParts(
        db,
        batch.map(({ partsId }) => partsId),
      ),
    );
    for (const { key, partsId } of batch) {
      if (!unnamed.has(partsId)) continue;
      signal.throwIfAborted();
      await storage.abortParts(key, partsId);
      total += 1;
    }
    batch = [];
  };
  for await (const open of storage.listOpenParts()) {
    if (open.startedAt < before) batch.push(open);
    if (batch.length === objectsAtOnce) await abortBatch();
  }
  await abortBatch();
  return total;
}

/** Removes objects that no row names: what a crash left in staging, and keys whose rows were lost. */
export async function removeOrphans(sweep: Sweep): Promise<number> {
  const { orphanSeconds, maxShare } = sweep.rules;
  const staged = await find(sweep, { prefix: "staging/", afterSeconds: orphanSeconds });
  const stored = await find(sweep, { prefix: "blobs/", afterSeconds: orphanSeconds });
  const fuse = weighFuse({ going: stored.keys.length, of: stored.listed, maxShare });
  if (!fuse.blown || sweep.force) return (await remove(sweep, staged.keys)) + (await remove(sweep, stored.keys));
  sweep.onBlown("objects", fuse);
  return remove(sweep, staged.keys);
}

/** Removes temporary files and probes of processes that are gone. */
export async function removeTemporary(sweep: Sweep): Promise<number> {
  let total = 0;
  for (const prefix of ["tmp/", "probe/"])
    total += await remove(sweep, (await find(sweep, { prefix, afterSeconds: temporarySeconds })).keys);
  return total;
}

async function find(
  { db, storage, signal }: Sweep,
  { prefix, afterSeconds }: { prefix: string; afterSeconds: number },
): Promise<{ listed: number; keys: string[] }> {
  const { listed, unnamed } = await findUnnamed(storage, {
    prefix,
    before: secondsAgo(afterSeconds),
    listUnnamed: (keys) => listUnnamed(db, keys),
    limit: Number.POSITIVE_INFINITY,
    signal,
  });
  return { listed, keys: unnamed.map(({ key }) => key) };
}

async function remove(sweep: Sweep, keys: string[]): Promise<number> {
  let total = 0;
  for (let start = 0; start < keys.length; start += objectsAtOnce) {
    sweep.signal.throwIfAborted();
    total += await runBatch(sweep, async (tx) => {
      const unnamed = await listUnnamed(tx, keys.slice(start, start + objectsAtOnce));
      await sweep.storage.remove(unnamed);
      return unnamed.length;
    });
  }
  return total;
}

function secondsAgo(seconds: number): Date {
  return new Date(Date.now() - seconds * 1000);
}
