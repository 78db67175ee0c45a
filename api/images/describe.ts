import type { Reader } from "../../db/blob.ts";
import { findImageAccess, type ImageRow } from "../../db/image.ts";
import type { Deps } from "../../deps.ts";
import { stagingKey } from "../../storage/keys.ts";
import type { Image } from "./model.ts";

/** Whether somebody decides about an image: its owner and admins. */
export function isOwner({ ownerId }: Pick<ImageRow, "ownerId">, { userId, roles }: Reader): boolean {
  return ownerId === userId || roles.includes("admin");
}

/** An image as lists show it; to who decides about it, with what was sent for it. */
export function describeImage(row: ImageRow, reader: Reader): Image {
  const { id, state, reason, name, caption, alt, visibility, width, height, animated, placeholder } = row;
  // AVIF and WebP of a variant have one address, and one size.
  const shown = state === "ready" ? row.variants : [];
  const variants = shown.map(({ name, width, height }) => [name, { url: `/v1/images/${id}/${name}`, width, height }]);
  return {
    id,
    owner: row.ownerLogin,
    state,
    ...(reason !== null && { reason }),
    name,
    caption,
    alt,
    album: row.inUnlistedAlbum && !isOwner(row, reader) ? null : row.albumId,
    visibility,
    ...(isOwner(row, reader) && row.sha256 !== "" && { sha256: row.sha256, size: row.sizeBytes }),
    width,
    height,
    animated,
    placeholder,
    variants: Object.fromEntries(variants),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/** An image alone: with its readers and, while it waits, where its bytes go, for those who decide about it. */
export async function describeWhole(
  { db, storage, config }: Pick<Deps, "db" | "storage" | "config">,
  { row, reader }: { row: ImageRow; reader: Reader },
): Promise<Image> {
  const told = describeImage(row, reader);
  if (!isOwner(row, reader)) return told;
  const access = await findImageAccess(db, row.id);
  if (row.state !== "waiting" || row.ownerId !== reader.userId) return { ...told, access };
  const expiresAt = row.expiresAt.toISOString();
  // Of bytes that we receive ourselves nobody knows the digest yet: they are sent to no other address.
  if (row.sha256 === "") return { ...told, access, expiresAt };
  const leftSeconds = Math.floor((row.expiresAt.getTime() - Date.now()) / 1000);
  const expiresSeconds = Math.max(60, Math.min(config.UPLOAD_EXPIRES_SECONDS, leftSeconds));
  const { sizeBytes, sha256 } = row;
  return {
    ...told,
    access,
    expiresAt,
    ...(await storage.signPut({ key: stagingKey(row.id), sizeBytes, sha256, expiresSeconds })),
  };
}
