import { openDump } from "../db/dump.ts";
import { Fault } from "../fault.ts";
import { eachAtOnce } from "./each-at-once.ts";
import { requireDigest } from "./parts.ts";
import type { Objects } from "./store.ts";

type Migrate = {
  url: string;
  from: Objects;
  to: Objects;
  onStart: (objects: number) => void;
  onObject: () => void;
  signal: AbortSignal;
};

export type Migrated = {
  copied: number;
  copiedBytes: number;
  there: number;
  missing: { key: string; reason: string }[];
};

const objectsAtOnce = 8;

/**
 * Copies the object of every blob to another storage, while nothing is swept. Bytes are compared with their digest on the way
 * and once more where they have arrived; an object that has arrived whole is not copied again, so it may be stopped and goes on.
 */
export async function migrateStorage({ url, from, to, onStart, onObject, signal }: Migrate): Promise<Migrated> {
  const dump = await openDump(url, { hold: true });
  const done: Migrated = { copied: 0, copiedBytes: 0, there: 0, missing: [] };
  try {
    await dump.endSnapshot();
    onStart(await dump.countBlobs());
    await eachAtOnce(dump.listBlobs(), {
      limit: objectsAtOnce,
      work: async (blob) => {
        try {
          if (await copyObject(blob, { from, to, signal })) {
            done.copied += 1;
            done.copiedBytes += blob.sizeBytes;
          } else done.there += 1;
        } catch (error) {
          if (!(error instanceof Fault && (error.code === "not-found" || error.code === "invalid"))) throw error;
          done.missing.push({ key: blob.key, reason: error.message });
        }
        onObject();
      },
    });
    await dump.requireLock();
    return done;
  } finally {
    await dump.close();
  }
}

type Blob = { key: string; sha256: string; sizeBytes: number };

async function copyObject(
  { key, sha256, sizeBytes }: Blob,
  { from, to, signal }: Pick<Migrate, "from" | "to" | "signal">,
): Promise<boolean> {
  if ((await to.stat(key))?.sizeBytes === sizeBytes) return false;
  const wanted = { sha256, sizeBytes };
  await to.write(key, requireDigest(await from.read(key, { signal }), wanted), { sizeBytes, signal });
  try {
    for await (const _piece of requireDigest(await to.read(key, { signal }), wanted));
  } catch (error) {
    if (error instanceof Fault && error.code === "invalid") await to.remove([key]); // or the next run would take it for whole
    throw error;
  }
  return true;
}
