import { deleteShownAvatar } from "../db/avatar.ts";
import { deleteAttempt, insertDoomed } from "../db/blob.ts";
import { releaseImageQuota } from "../db/image-quota.ts";
import {
  findImageToRender,
  type ImageToRender,
  lockImage,
  putVariants,
  settleReady,
  settleRejected,
} from "../db/image-render.ts";
import type { Deps } from "../deps.ts";
import type { Handle } from "../queues/actor.ts";
import type { RenderImage } from "../queues/render-image.ts";
import { stagingKey } from "../storage/keys.ts";
import type { Rendered } from "./decode/task.ts";
import { readSource, receiveSource } from "./image-source.ts";
import { decode, renderers, type StoredVariants, settleFiles, storeVariants, variantsOf } from "./image-variants.ts";
import { type Attempt, removeDoomed, type Stored, settleAttempts } from "./settle-blob.ts";

type Needs = "db" | "storage" | "config" | "decoder" | "bus";
type Parts = Pick<Deps, Needs>;

/**
 * Verifies the bytes that were sent, has them decoded in a process of their own, stores what is made of them, and settles
 * the image with all of it at once. Of two runs at the same time one settles; the other's copies are removed.
 */
export const handle: Handle<RenderImage, Needs> = async ({ payload, deps, signal, log }) => {
  const image = await findImageToRender(deps.db, payload.imageId);
  if (image?.state !== "processing") return image ? toResult(image) : { state: "gone" };
  await using folder = await deps.decoder.openFolder();
  const arrived = image.sourceKey ? undefined : await receiveSource(deps, { image, folder: folder.path, signal });
  if (image.sourceKey) await readSource(deps, { key: image.sourceKey, folder: folder.path, signal });
  else if (!arrived) return reject(deps, { image, reason: "no bytes have arrived" });
  const attempt = arrived?.attempt;
  if (arrived && "flaw" in arrived) return reject(deps, { image, reason: arrived.flaw, attempt });
  const wanted = variantsOf(image.kind, "webp");
  const rendered = await decode(deps, { image, folder: folder.path, wanted, urgent: true, signal });
  if (rendered && "refused" in rendered) return reject(deps, { image, reason: rendered.refused, attempt });
  const { made } = rendered ?? { made: [] };
  const variants = await storeVariants(deps, { folder: folder.path, made, signal, log });
  await settle(deps, { image, rendered, variants, source: arrived?.stored });
  await deps.storage.remove([stagingKey(image.id)]);
  return findResult(deps.db, image.id);
};

type Rendering = {
  image: ImageToRender;
  /** Undefined when the image was deleted before it was decoded. */
  rendered: Rendered | undefined;
  variants: StoredVariants;
  source: Stored | undefined;
};

async function settle(deps: Parts, { image, rendered, variants, source }: Rendering): Promise<void> {
  const { config, bus } = deps;
  const settled = await settleAttempts(deps, {
    stored: [...variants.files.values(), ...(source ? [source] : [])],
    settle: async (tx, makeBlob) => {
      const now = await lockImage(tx, image.id);
      if (now?.state !== "processing" || !rendered) return false; // deleted meanwhile, or settled by another run
      if (image.kind === "avatar") await deleteShownAvatar(tx, image.ownerId);
      const kept = config.IMAGE_SOURCE_DAYS > 0 ? source : undefined;
      const blobs = await settleFiles(variants, { source: kept, makeBlob });
      await putVariants(tx, { imageId: image.id, variants: blobs.variants });
      const { width, height, animated, placeholder } = rendered;
      await settleReady(tx, {
        id: image.id,
        ...{ width, height, animated, placeholder },
        renderer: renderers.webp,
        // An avatar keeps its squares, and nothing of the picture that may be deleted one day.
        sourceBlobId: image.kind === "avatar" ? null : (blobs.sourceBlobId ?? now.sourceBlobId),
      });
      return true;
    },
  });
  if (settled) bus.publish("images.changed", image.ownerId);
}

type Rejection = { image: ImageToRender; reason: string; attempt?: Attempt | undefined };

/** Settles the image as rejected, gives its room in the quota back, and removes its bytes. */
async function reject(deps: Parts, { image, reason, attempt }: Rejection): Promise<Record<string, unknown>> {
  const { db, storage, bus } = deps;
  const doomed = await db.transaction(async (tx) => {
    const settled = await settleRejected(tx, { id: image.id, reason });
    if (settled > 0 && image.kind === "picture")
      await releaseImageQuota(tx, { userId: image.ownerId, sizeBytes: image.sizeBytes });
    if (!attempt) return 0;
    await deleteAttempt(tx, attempt.id);
    return insertDoomed(tx, { key: attempt.key, sizeBytes: image.sizeBytes, reason: "rejected", afterSeconds: 0 });
  });
  await storage.remove([stagingKey(image.id)]);
  if (attempt && doomed > 0) await removeDoomed(deps, attempt.key);
  bus.publish("images.changed", image.ownerId);
  return findResult(db, image.id);
}

/** What the image is now: another run may have settled it. */
async function findResult(db: Parts["db"], id: string): Promise<Record<string, unknown>> {
  const image = await findImageToRender(db, id);
  return image ? toResult(image) : { state: "gone" };
}

function toResult({ state, reason }: ImageToRender): Record<string, unknown> {
  return reason === null ? { state } : { state, reason };
}
