import { findBlocked } from "../../db/blob.ts";
import { deleteUnreceived, settleReceived } from "../../db/image-change.ts";
import { releaseImageQuota } from "../../db/image-quota.ts";
import { Fault } from "../../fault.ts";
import { want } from "../../queues/mailbox.ts";
import { renderImage } from "../../queues/render-image.ts";
import { stagingKey } from "../../storage/keys.ts";
import type { Caller } from "../tokens.ts";
import { admitImage, blockedImage } from "./arrival.ts";
import { type Patience, readForm } from "./form.ts";
import type { ImagesDeps } from "./service.ts";

/** An honest 64 KiB a second need nine minutes for the largest image. */
const longestMs = 15 * 60_000;
/** From then on the sweep may forget the row of what a process has not lived to receive. */
const expiresSeconds = 3600;
/** Who sends more at once waits: each may hold parts of an S3 upload in memory. */
const formsAtOnce = 4;
export const patience: Patience = { windowMs: 15_000, leastBytes: 16 * 1024 };

export type ReceiveForm = (asked: { caller: Caller; request: Request }) => Promise<{ id: string; jobId: string }>;

/**
 * Receives images from clients that send forms. Bytes go to where a signed PUT would put them, with the room for them
 * reserved first; once the form has ended they are handed over to be rendered. Whatever fails leaves nothing.
 */
export function openFormUploads(images: ImagesDeps): ReceiveForm {
  const open = new Map<string, number>();
  return async ({ caller, request }) => {
    const { userId } = caller;
    const count = open.get(userId) ?? 0;
    if (count >= formsAtOnce)
      throw new Fault("too-many", `Cannot take the image: ${count} are on their way already`, { retryAfterSeconds: 2 });
    open.set(userId, count + 1);
    try {
      return await receive(images, { caller, request });
    } finally {
      const left = (open.get(userId) ?? 1) - 1;
      if (left > 0) open.set(userId, left);
      else open.delete(userId);
    }
  };
}

async function receive(
  images: ImagesDeps,
  { caller, request }: { caller: Caller; request: Request },
): Promise<{ id: string; jobId: string }> {
  const { db, config, mailbox, bus } = images;
  const maxBytes = config.LIMIT_IMAGE_BYTES;
  const announced = Number(request.headers.get("content-length") ?? maxBytes);
  // Until its size is known an image is charged for the most that it can have.
  const reservedBytes = Math.min(maxBytes, Math.max(1, announced));
  let id: string | undefined;
  try {
    const received = await readForm(request, {
      maxBytes,
      patience,
      take: async ({ name, bytes }) => {
        id = await admitImage(images, { caller, sha256: "", sizeBytes: reservedBytes, name, expiresSeconds });
        return { id, ...(await stage(images, { id, bytes })) };
      },
    });
    const { sha256, sizeBytes } = received;
    const blocked = await findBlocked(db, sha256);
    if (blocked) throw blockedImage(blocked.reason);
    const message = await db.transaction(async (tx) => {
      if ((await settleReceived(tx, received)) === 0)
        throw new Fault("conflict", "Cannot take the image: it was deleted while it was on its way");
      await releaseImageQuota(tx, { userId: caller.userId, sizeBytes: reservedBytes - sizeBytes, images: 0 });
      return want(tx, renderImage, { payload: { imageId: received.id }, ownerId: caller.userId });
    });
    await mailbox.send(renderImage.name, message);
    bus.publish("images.changed", caller.userId);
    return { id: received.id, jobId: message.jobId };
  } catch (error) {
    if (id !== undefined) await giveUp(images, id);
    throw error;
  }
}

/** Writes the bytes where they wait, and digests them on their way. */
async function stage(
  { storage }: Pick<ImagesDeps, "storage">,
  { id, bytes }: { id: string; bytes: AsyncIterable<Uint8Array> },
): Promise<{ sha256: string; sizeBytes: number }> {
  const digest = new Bun.CryptoHasher("sha256");
  let sizeBytes = 0;
  async function* pass(): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      digest.update(chunk);
      sizeBytes += chunk.byteLength;
      yield chunk;
    }
  }
  await storage.write(stagingKey(id), pass(), { sparing: true, signal: AbortSignal.timeout(longestMs) });
  if (sizeBytes === 0) throw new Fault("invalid", "Cannot take the image: its file is empty");
  return { sha256: digest.digest("hex"), sizeBytes };
}

/** What cannot be removed now, the sweep finds: the row by its end, the bytes because no row names them. */
async function giveUp({ db, storage }: Pick<ImagesDeps, "db" | "storage">, id: string): Promise<void> {
  try {
    if ((await deleteUnreceived(db, id)) > 0) await storage.remove([stagingKey(id)]);
  } catch {
    // left to the sweep
  }
}
