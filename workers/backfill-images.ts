import { claimStaleImage, findFullVariant, markStaleImages, releaseClaim, settleAgain } from "../db/image-backfill.ts";
import { findImageToRender, type ImageToRender, lockImage, putVariants } from "../db/image-render.ts";
import type { Deps } from "../deps.ts";
import type { Log } from "../log.ts";
import type { Handle } from "../queues/actor.ts";
import type { BackfillImages } from "../queues/backfill-images.ts";
import type { Wanted } from "./decode/task.ts";
import { readSource } from "./image-source.ts";
import { decode, renderers, settleFiles, storeVariants, variantsOf } from "./image-variants.ts";
import { settleAttempts } from "./settle-blob.ts";

type Needs = "db" | "storage" | "config" | "decoder" | "bus";
type Options = { target: number; signal: AbortSignal; log: Log };

const markedAtOnce = 1_000;
/** What is left then is the next run's, which begins within seconds: so a run never comes near its time limit. */
const maxMs = 30 * 60_000;

/**
 * Makes images again, one after the other, until none is left that an older renderer has made. Which those are stands in
 * their rows: a run may be killed anywhere, and several pods share the work.
 */
export const handle: Handle<BackfillImages, Needs> = async ({ payload, deps, signal, log }) => {
  const { db, config } = deps;
  const { before } = payload;
  if (before !== undefined)
    while ((await markStaleImages(db, { before, limit: markedAtOnce })) > 0) signal.throwIfAborted();
  const target = config.IMAGE_AVIF === "on" ? renderers.webpAndAvif : renderers.webp;
  const endsAt = performance.now() + maxMs;
  let made = 0;
  while (performance.now() < endsAt) {
    signal.throwIfAborted();
    const id = await claimStaleImage(db, target);
    if (id === undefined) return { made };
    const image = await findImageToRender(db, id);
    try {
      if (image && (await renderAgain(deps, image, { target, signal, log }))) made += 1;
    } catch (error) {
      // What failed by itself waits until the claim ends, so that it does not keep the others waiting.
      if (signal.aborted) await releaseClaim(db, id);
      throw error;
    }
  }
  return { made, more: true };
};

async function renderAgain(
  deps: Pick<Deps, Needs>,
  image: ImageToRender,
  { target, signal, log }: Options,
): Promise<boolean> {
  const fullest = image.sourceKey === null ? await findFullVariant(deps.db, image.id) : undefined;
  const key = image.sourceKey ?? fullest?.key;
  // What the others are made of is not made of itself: it would lose a little each time.
  const wanted = key === undefined ? [] : listWanted(image, target).filter(({ name }) => name !== fullest?.name);
  await using folder = await deps.decoder.openFolder();
  if (wanted.length > 0 && key !== undefined) await readSource(deps, { key, folder: folder.path, signal });
  const decoding = { image, folder: folder.path, wanted, urgent: false, signal };
  const rendered = wanted.length > 0 ? await decode(deps, decoding) : undefined;
  if (rendered && "refused" in rendered)
    log.warn({ imageId: image.id, reason: rendered.refused }, "an image cannot be made again and stays as it is");
  const made = rendered && "made" in rendered ? rendered.made : [];
  const variants = await storeVariants(deps, { folder: folder.path, made, signal, log });
  const settled = await settleAttempts(deps, {
    stored: [...variants.files.values()],
    settle: async (tx, makeBlob) => {
      const now = await lockImage(tx, image.id);
      if (now?.state !== "ready" || now.renderer !== image.renderer) return false; // deleted meanwhile, or made by another run
      const blobs = await settleFiles(variants, { source: undefined, makeBlob });
      await putVariants(tx, { imageId: image.id, variants: blobs.variants });
      await settleAgain(tx, { id: image.id, renderer: target });
      return true;
    },
  });
  if (settled) deps.bus.publish("images.changed", image.ownerId);
  return settled;
}

/** The variants that an image lacks, or all when they are to be made again. No browser needs a still AVIF of what moves. */
function listWanted({ kind, animated, renderer }: ImageToRender, target: number): Wanted[] {
  const webp = renderer < renderers.webp ? variantsOf(kind, "webp") : [];
  const avif = target >= renderers.webpAndAvif && !animated ? variantsOf(kind, "avif") : [];
  return [...webp, ...avif];
}
