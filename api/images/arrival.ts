import { findBlocked } from "../../db/blob.ts";
import { findImage, type ImageState } from "../../db/image.ts";
import { findWaitingImage, insertImage, startRendering } from "../../db/image-change.ts";
import { reserveImageQuota } from "../../db/image-quota.ts";
import { findJobBySubject } from "../../db/job.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { want } from "../../queues/mailbox.ts";
import { renderImage } from "../../queues/render-image.ts";
import { stagingKey } from "../../storage/keys.ts";
import type { Caller } from "../tokens.ts";
import type { NewImage } from "./model.ts";
import { rankLast } from "./order.ts";
import {
  type ImagesDeps,
  ownViewer,
  requireAlbum,
  requireOpenAlbum,
  type Stored,
  setAccess,
  showImage,
} from "./service.ts";

/** Asks for an image's bytes within the caller's quota, or goes on with his unfinished one of the same bytes and settings. */
export async function openImage(
  images: ImagesDeps,
  { caller, sha256, size, ...rest }: NewImage & { caller: Caller },
): Promise<Stored> {
  const { db, config } = images;
  requireAllowedSize(config, size);
  const viewer = ownViewer(caller);
  const asked = { ownerId: caller.userId, sha256, sizeBytes: size, ...settle(rest) };
  // Who else may see it is not compared: whoever says so asks for another.
  const [blocked, unfinished] = await Promise.all([
    findBlocked(db, sha256),
    rest.access ? undefined : findWaitingImage(db, asked),
  ]);
  if (blocked) throw blockedImage(blocked.reason);
  if (unfinished) {
    if (asked.albumId !== null) await requireOpenAlbum(db, { caller, id: asked.albumId });
    return showImage(images, { id: unfinished.id, viewer });
  }
  const expiresSeconds = config.UPLOAD_EXPIRES_SECONDS;
  const id = await admitImage(images, { caller, sha256, sizeBytes: size, expiresSeconds, ...rest });
  return showImage(images, { id, viewer });
}

/** What a new image is to be, with what nobody said. */
function settle({ name, album, visibility, caption = "", alt = "" }: Omit<NewImage, "size" | "sha256">) {
  const albumId = album ?? null;
  const shown = requireAlbum(visibility ?? (albumId === null ? "private" : "album"), albumId);
  return { name, caption, alt, albumId, visibility: shown };
}

/** Why bytes are not taken that are blocked on this server. */
export function blockedImage(reason: string): Fault {
  return new Fault("not-allowed", `Cannot take the image: these bytes are blocked on this server: ${reason}`);
}

function requireAllowedSize({ LIMIT_IMAGE_BYTES: most }: Deps["config"], sizeBytes: number): void {
  if (sizeBytes > most)
    throw new Fault("too-large", `Cannot take the image: it has more than the ${most} bytes that this server takes`);
}

type Admitted = Omit<NewImage, "size"> & { caller: Caller; sizeBytes: number; expiresSeconds: number };

/** Writes the row of an image that waits for its bytes, at the end of its owner's; 403 when his quota is used up. */
export async function admitImage(
  { db, config }: Pick<ImagesDeps, "db" | "config">,
  { caller, sha256, sizeBytes, access, expiresSeconds, ...rest }: Admitted,
): Promise<string> {
  const { LIMIT_USER_IMAGES: maxImages, LIMIT_USER_IMAGE_BYTES: maxBytes } = config;
  const ownerId = caller.userId;
  const id = Bun.randomUUIDv7();
  const settings = settle(rest);
  await db.transaction(async (tx) => {
    const rank = await rankLast(tx, ownerId);
    if (settings.albumId !== null) await requireOpenAlbum(tx, { caller, id: settings.albumId });
    if ((await reserveImageQuota(tx, { userId: ownerId, sizeBytes, maxBytes, maxImages })) === 0)
      throw new Fault(
        "quota-exceeded",
        `Cannot take the image: your quota of ${maxBytes} bytes in ${maxImages} images is used up. Delete what you no longer need`,
      );
    await insertImage(tx, { id, ownerId, rank, sha256, sizeBytes, expiresSeconds, ...settings });
    if (access) await setAccess(tx, { imageId: id, access, caller });
  });
  return id;
}

/** Hands the bytes over to be rendered. Repeating it changes nothing. */
export async function completeImage(
  { db, storage, mailbox, bus }: ImagesDeps,
  { caller, id }: { caller: Caller; id: string },
): Promise<{ state: ImageState; jobId: string }> {
  const row = await findImage(db, { id, viewer: ownViewer(caller) });
  if (!row || row.ownerId !== caller.userId || row.kind !== "picture")
    throw new Fault("not-found", "There is no such image of yours");
  if (row.state === "waiting") {
    if (!(await storage.stat(stagingKey(id))))
      throw new Fault(
        "conflict",
        "Cannot complete: no bytes have arrived. PUT them to the address that the image gave",
      );
    const message = await db.transaction(async (tx) =>
      (await startRendering(tx, id))
        ? want(tx, renderImage, { payload: { imageId: id }, ownerId: caller.userId })
        : undefined,
    );
    if (message) {
      await mailbox.send(renderImage.name, message);
      bus.publish("images.changed", caller.userId);
      return { state: "processing", jobId: message.jobId };
    }
  }
  const job = await findJobBySubject(db, { actor: renderImage.name, subject: id });
  if (!job) throw new Fault("gone", "This image was settled long ago: ask for its state");
  return { state: row.state === "waiting" ? "processing" : row.state, jobId: job.id };
}
