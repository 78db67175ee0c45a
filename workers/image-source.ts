import { join } from "node:path";
import { deleteAttempt, findBlocked, insertAttempt } from "../db/blob.ts";
import type { ImageToRender } from "../db/image-render.ts";
import type { Deps } from "../deps.ts";
import { startDigests } from "../digest.ts";
import { Fault } from "../fault.ts";
import { blobKey, stagingKey } from "../storage/keys.ts";
import { readAgain } from "./read-again.ts";
import type { Attempt, Stored } from "./settle-blob.ts";

type Parts = Pick<Deps, "db" | "storage">;

/** Bytes that have arrived for an image; `flaw` says why they are not taken. */
export type Arrived = { attempt: Attempt } & ({ flaw: string } | { stored: Stored });

/**
 * Moves the bytes that were sent to a key that no address can write, whose row comes first, reads them once into the folder
 * and verifies them on the way. Undefined when there are none.
 */
export async function receiveSource(
  deps: Parts,
  { image, folder, signal }: { image: ImageToRender; folder: string; signal: AbortSignal },
): Promise<Arrived | undefined> {
  const { db, storage } = deps;
  const id = Bun.randomUUIDv7();
  const attempt = { id, key: blobKey(image.sha256, id) };
  await insertAttempt(db, attempt);
  try {
    await storage.copy(stagingKey(image.id), attempt.key);
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "not-found") throw error;
    await deleteAttempt(db, id);
    return undefined;
  }
  const sizeBytes = (await storage.stat(attempt.key))?.sizeBytes;
  if (sizeBytes !== image.sizeBytes) return { attempt, flaw: `size is ${sizeBytes}, ${image.sizeBytes} was announced` };
  const digests = startDigests({ announcedBytes: sizeBytes });
  await readSource(deps, { key: attempt.key, folder, signal, onChunk: (chunk) => digests.update(chunk) });
  const stored = { attempt, digests: digests.finish() };
  const { sha256 } = stored.digests;
  if (sha256 !== image.sha256) return { attempt, flaw: `SHA-256 is ${sha256}, ${image.sha256} was announced` };
  const blocked = await findBlocked(db, sha256);
  return blocked ? { attempt, flaw: `these bytes are blocked on this server: ${blocked.reason}` } : { attempt, stored };
}

type Read = { key: string; folder: string; signal: AbortSignal; onChunk?: (chunk: Uint8Array) => void };

/** Copies an object into the folder, where the decoder looks for it. */
export async function readSource(
  { storage }: Pick<Parts, "storage">,
  { key, folder, signal, onChunk }: Read,
): Promise<void> {
  const file = Bun.file(join(folder, "input")).writer();
  try {
    for await (const chunk of readAgain(() => storage.read(key, { signal }), { signal })) {
      onChunk?.(chunk);
      file.write(chunk);
      await file.flush();
    }
  } finally {
    await file.end();
  }
}
