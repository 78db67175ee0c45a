import type { BlobRow } from "../db/blob.ts";
import type { Db } from "../db/query.ts";
import type { Deps } from "../deps.ts";
import { Fault } from "../fault.ts";
import type { Log } from "../log.ts";
import { type ZipEntry, zipSize, zipStream } from "../zip.ts";
import { readAgain } from "./read-again.ts";
import { settleAttempt } from "./settle-blob.ts";
import { storeBytes } from "./store-bytes.ts";

type Parts = Pick<Deps, "db" | "storage">;
type Archive = {
  entries: ZipEntry[];
  signal: AbortSignal;
  log: Log;
  /** 0 to 1. */
  progress: (share: number) => void;
  /** Says whether the archive is still wanted, in the transaction that makes it a blob. */
  settle: (tx: Db, makeBlob: () => Promise<BlobRow>) => Promise<boolean>;
};

/**
 * Packs stored bytes, streamed from storage to storage: the archive is never whole in memory or on our disk. Undefined when
 * it was not wanted any more.
 */
export async function storeArchive(
  { db, storage }: Parts,
  { entries, signal, log, progress, settle }: Archive,
): Promise<{ sha256: string; sizeBytes: number } | undefined> {
  const sizeBytes = zipSize(entries);
  const bytes = zipStream(entries, { signal });
  const onBytes = (total: number) => progress(total / sizeBytes);
  const stored = await storeBytes({ db, storage }, { bytes, sizeBytes, signal, log, onBytes });
  const settled = await settleAttempt({ db, storage }, { ...stored, settle });
  return settled ? { sha256: stored.digests.sha256, sizeBytes } : undefined;
}

type Stored = { key: string; sizeBytes: number; crc32: number };

/** An entry of an archive that is stored bytes. */
export function storedEntry(
  storage: Deps["storage"],
  { path, file: { key, sizeBytes, crc32 }, signal }: { path: string; file: Stored; signal: AbortSignal },
): ZipEntry {
  const open = async () => {
    try {
      return await storage.read(key, { signal });
    } catch (cause) {
      if (!(cause instanceof Fault) || cause.code !== "not-found") throw cause;
      // Not what was asked for is missing, but what is promised to be here.
      throw new Fault("internal", `Cannot pack: the bytes of "${path}" are not in the storage`, { cause });
    }
  };
  return { path, sizeBytes, crc32, open: () => readAgain(open, { signal }) };
}
