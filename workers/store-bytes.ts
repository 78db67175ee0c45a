import { deleteAttempt, insertAttempt, insertDoomed } from "../db/blob.ts";
import type { Deps } from "../deps.ts";
import { type Digests, startDigests } from "../digest.ts";
import type { Log } from "../log.ts";
import { attemptKey } from "../storage/keys.ts";
import type { Attempt } from "./settle-blob.ts";

/** A storage that did not answer may have kept the bytes all the same, so the sweep looks only after this. */
const lateSeconds = 3_600;

type Store = {
  bytes: AsyncIterable<Uint8Array>;
  /** Exact size, where it is known. */
  sizeBytes?: number | undefined;
  signal: AbortSignal;
  log: Log;
  /** Told after each chunk how many bytes have passed in all. */
  onBytes?: (totalBytes: number) => void;
};

/**
 * Writes a stream under a new attempt, whose row comes first, and digests it in the same pass; whoever called settles the
 * attempt. When the stream or the storage fails, the attempt is left to the sweep and the failure is thrown.
 */
export async function storeBytes(
  { db, storage }: Pick<Deps, "db" | "storage">,
  { bytes, sizeBytes, signal, log, onBytes }: Store,
): Promise<{ attempt: Attempt; digests: Digests }> {
  const id = Bun.randomUUIDv7();
  const attempt = { id, key: attemptKey(id) };
  await insertAttempt(db, attempt);
  const digests = startDigests({ announcedBytes: sizeBytes });
  async function* pass(): AsyncGenerator<Uint8Array> {
    let totalBytes = 0;
    for await (const chunk of bytes) {
      digests.update(chunk);
      totalBytes += chunk.byteLength;
      onBytes?.(totalBytes);
      yield chunk;
    }
  }
  try {
    await storage.write(attempt.key, pass(), { signal, ...(sizeBytes !== undefined && { sizeBytes }) });
  } catch (error) {
    await abandon({ db }, attempt).catch((cause) => log.debug({ err: cause }, "the attempt stays for the sweep"));
    throw error;
  }
  return { attempt, digests: digests.finish() };
}

async function abandon({ db }: Pick<Deps, "db">, { id, key }: Attempt): Promise<void> {
  await db.transaction(async (tx) => {
    await insertDoomed(tx, { key, sizeBytes: 0, reason: "abandoned", afterSeconds: lateSeconds });
    await deleteAttempt(tx, id);
  });
}
