import type { SkinModel, TextureKind } from "./player.ts";
import { type Db, one, run } from "./query.ts";

type Upload = { playerId: string; kind: TextureKind; uploadId: string };

/** Says which bytes a texture is to be made of: those that were sent before come to nothing. */
export function startTexture(tx: Db, { playerId, kind, uploadId }: Upload): Promise<number> {
  return run(tx, {
    name: "texture_start",
    text: `update player.player set skin_upload_id = case $2 when 'skin' then $3::uuid else skin_upload_id end,
        cape_upload_id = case $2 when 'cape' then $3::uuid else cape_upload_id end
      where id = $1`,
    values: [playerId, kind, uploadId],
  });
}

/** Whether a texture still is to be made of these bytes. */
export async function isTextureWanted(db: Db, { playerId, kind, uploadId }: Upload): Promise<boolean> {
  const row = await one(db, {
    name: "texture_is_wanted",
    text: `select from player.player where id = $1 and case $2 when 'skin' then skin_upload_id else cape_upload_id end = $3::uuid`,
    values: [playerId, kind, uploadId],
  });
  return row !== undefined;
}

/** Puts a texture on, once: 0 when other bytes were sent meanwhile, it was taken off, or the player is gone. */
export function settleTexture(
  tx: Db,
  { playerId, kind, uploadId, blobId, model }: Upload & { blobId: string; model: SkinModel | null },
): Promise<number> {
  return run(tx, {
    name: "texture_settle",
    text: `update player.player set skin_blob_id = case $2 when 'skin' then $4::uuid else skin_blob_id end,
        cape_blob_id = case $2 when 'cape' then $4::uuid else cape_blob_id end,
        skin_upload_id = case $2 when 'skin' then null else skin_upload_id end,
        cape_upload_id = case $2 when 'cape' then null else cape_upload_id end,
        model = case $2 when 'skin' then coalesce($5, model) else model end
      where id = $1 and case $2 when 'skin' then skin_upload_id else cape_upload_id end = $3::uuid`,
    values: [playerId, kind, uploadId, blobId, model],
  });
}

/** Takes a texture off, and what was to be made of bytes that are on their way. The default model goes with no skin. */
export function clearTexture(tx: Db, { playerId, kind }: Omit<Upload, "uploadId">): Promise<number> {
  return run(tx, {
    name: "texture_clear",
    text: `update player.player set skin_blob_id = case $2 when 'skin' then null else skin_blob_id end,
        cape_blob_id = case $2 when 'cape' then null else cape_blob_id end,
        skin_upload_id = case $2 when 'skin' then null else skin_upload_id end,
        cape_upload_id = case $2 when 'cape' then null else cape_upload_id end,
        model = case $2 when 'skin' then 'default' else model end
      where id = $1`,
    values: [playerId, kind],
  });
}

/** Where a texture's bytes are, while somebody who can be seen wears it, and it is neither blocked nor broken. */
export function findShownTexture(db: Db, sha256: string): Promise<{ key: string; sizeBytes: number } | undefined> {
  return one(db, {
    name: "texture_find_shown",
    text: `select b.key, b.size_bytes as "sizeBytes" from blob.blob b where b.sha256 = $1
      and b.broken is null and not exists (select from blob.blocked x where x.sha256 = b.sha256)
      and (exists (select from player.player p join account."user" u on u.id = p.user_id
          where p.skin_blob_id = b.id and u.disabled_at is null and u.deleted_at is null)
        or exists (select from player.player p join account."user" u on u.id = p.user_id
          where p.cape_blob_id = b.id and u.disabled_at is null and u.deleted_at is null))`,
    values: [sha256],
  });
}
