import { join } from "node:path";
import type { BlobRow } from "../db/blob.ts";
import { countTry, discountTry, type ImageToRender, type NewVariant } from "../db/image-render.ts";
import type { Deps } from "../deps.ts";
import { Fault } from "../fault.ts";
import type { Log } from "../log.ts";
import type { Rendered, Wanted } from "./decode/task.ts";
import type { Stored } from "./settle-blob.ts";
import { storeBytes } from "./store-bytes.ts";

/**
 * What has made an image's variants: raise both when they are to look different. `missing` back-fill makes again whatever
 * an older one has made, so the second follows the first by itself where AVIF is wanted.
 */
export const renderers = { webp: 1, webpAndAvif: 2 } as const;

const small = { thumb: 320, preview: 960, large: 1920 };

/** The variants of an image in one format. Avatars are squares. */
export function variantsOf(kind: ImageToRender["kind"], format: Wanted["format"]): Wanted[] {
  if (kind === "avatar") {
    const sides = format === "webp" ? [64, 128, 256, 512] : [];
    return sides.map((side) => ({ name: `${side}`, format, side, crop: true }));
  }
  const fitting = Object.entries(small).map(([name, side]) => ({ name, format, side, crop: false }));
  return format === "webp" ? [...fitting, { name: "original", format, side: null, crop: false }] : fitting;
}

const maxTries = 3;

type Decoding = {
  image: ImageToRender;
  folder: string;
  wanted: Wanted[];
  urgent: boolean;
  signal: AbortSignal;
};

/**
 * Decodes the file `input` of a folder. An image that ends its decoder, or the whole pod, is begun three times and no
 * more: each is counted in its row beforehand. What is broken off or finds no room on our disk does not count.
 */
export async function decode(
  { db, decoder }: Pick<Deps, "db" | "decoder">,
  { image, folder, wanted, urgent, signal }: Decoding,
): Promise<Rendered | { refused: string } | undefined> {
  const focus = { x: image.focusX, y: image.focusY };
  for (;;) {
    let tries: number | undefined;
    let begun = false;
    const begin = async () => {
      tries = await countTry(db, image.id);
      begun = tries !== undefined && tries <= maxTries;
      return begun;
    };
    try {
      const ending = await decoder.decode({ folder, wanted, focus }, { urgent, signal, begin });
      if (ending && "noRoom" in ending)
        throw new Fault("storage-full", "Cannot decode the image: the disk of this pod (DATA) is full. Make room");
      if (ending && !("died" in ending)) return ending;
    } catch (error) {
      if (begun) await discountTry(db, image.id);
      throw error;
    }
    if (!begun) return tries === undefined ? undefined : { refused: "it could not be decoded safely" };
  }
}

/** What was made, and its files by their names. */
export type StoredVariants = { files: Map<string, Stored>; made: Rendered["made"] };

/** Stores the files that were made, each under an attempt of its own. */
export async function storeVariants(
  deps: Pick<Deps, "db" | "storage">,
  { folder, made, signal, log }: { folder: string; made: Rendered["made"]; signal: AbortSignal; log: Log },
): Promise<StoredVariants> {
  const files: StoredVariants["files"] = new Map();
  for (const { file } of made) {
    if (files.has(file)) continue;
    const bytes = Bun.file(join(folder, file));
    files.set(file, await storeBytes(deps, { bytes: bytes.stream(), sizeBytes: bytes.size, signal, log }));
  }
  return { files, made };
}

type MakeBlobs = { source: Stored | undefined; makeBlob: (stored: Stored) => Promise<BlobRow> };

/** Writes the blobs of stored files, and of the source where it is kept, in order of their digests. */
export async function settleFiles(
  { files, made }: StoredVariants,
  { source, makeBlob }: MakeBlobs,
): Promise<{ sourceBlobId: string | undefined; variants: NewVariant[] }> {
  const ids = new Map<Stored, string>();
  const all = [...files.values(), ...(source ? [source] : [])];
  all.sort((a, b) => (a.digests.sha256 < b.digests.sha256 ? -1 : 1));
  for (const stored of all) ids.set(stored, (await makeBlob(stored)).id);
  const idOf = (stored: Stored | undefined) => stored && ids.get(stored);
  const variants = made.flatMap(({ file, ...variant }) => {
    const blobId = idOf(files.get(file));
    return blobId === undefined ? [] : { ...variant, blobId };
  });
  return { sourceBlobId: idOf(source), variants };
}
