import { type Db, one, run } from "./query.ts";

/** What an avatar is made of: a variant that is here already. The digest is of what was once sent for it, by which it may be blocked. */
export type AvatarSource = { blobId: string; sha256: string; sizeBytes: number };

/** The full-size variant of a ready picture of this owner. */
export function findAvatarSource(
  tx: Db,
  { imageId, ownerId }: { imageId: string; ownerId: string },
): Promise<AvatarSource | undefined> {
  return one<AvatarSource>(tx, {
    name: "avatar_find_source",
    text: `select v.blob_id as "blobId", i.sha256, i.size_bytes as "sizeBytes"
      from image.image i join image.variant v on v.image_id = i.id and v.name = 'original' and v.format = 'webp'
      where i.id = $1 and i.owner_id = $2 and i.kind = 'picture' and i.state = 'ready' and image.can_view(i, $2, '{}', null)`,
    values: [imageId, ownerId],
  });
}

type NewAvatar = {
  id: string;
  ownerId: string;
  source: AvatarSource;
  focus: { x: number; y: number };
  expiresSeconds: number;
};

/** An avatar that waits to be rendered. Its owner is locked and has no other that waits. How he called the picture is not told. */
export function insertAvatar(tx: Db, { id, ownerId, source, focus, expiresSeconds }: NewAvatar): Promise<number> {
  return run(tx, {
    name: "avatar_insert",
    text: `insert into image.image (id, owner_id, kind, state, visibility, rank, name, sha256, size_bytes, source_blob_id, focus_x, focus_y, expires_at)
      values ($1, $2, 'avatar', 'processing', 'public', 'a0', 'avatar', $3, $4, $5, $6, $7, now() + make_interval(secs => $8))`,
    values: [id, ownerId, source.sha256, source.sizeBytes, source.blobId, focus.x, focus.y, expiresSeconds],
  });
}

/** Forgets the avatar that waits to be rendered, or could not be. */
export function deleteNextAvatar(tx: Db, ownerId: string): Promise<number> {
  return run(tx, {
    name: "avatar_delete_next",
    text: `delete from image.image where owner_id = $1 and kind = 'avatar' and state <> 'ready'`,
    values: [ownerId],
  });
}

/** Forgets the avatar that is shown. */
export function deleteShownAvatar(tx: Db, ownerId: string): Promise<number> {
  return run(tx, {
    name: "avatar_delete_shown",
    text: `delete from image.image where owner_id = $1 and kind = 'avatar' and state = 'ready'`,
    values: [ownerId],
  });
}

/** The avatar that everybody sees of somebody. */
export async function findShownAvatar(db: Db, ownerId: string): Promise<string | undefined> {
  const row = await one<{ id: string }>(db, {
    name: "avatar_find_shown",
    text: `select i.id from image.image i
      where i.owner_id = $1 and i.kind = 'avatar' and i.state = 'ready' and image.can_view(i, null, '{}', null)`,
    values: [ownerId],
  });
  return row?.id;
}
