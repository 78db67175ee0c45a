import type { Reader } from "./blob.ts";
import type { ImageVisibility } from "./image.ts";
import { type Db, one, run } from "./query.ts";

type NewImage = {
  id: string;
  ownerId: string;
  albumId: string | null;
  name: string;
  caption: string;
  alt: string;
  visibility: ImageVisibility;
  rank: string;
  /** As announced; empty while the bytes are being received and nobody knows it yet. */
  sha256: string;
  sizeBytes: number;
  expiresSeconds: number;
};

/**
 * An image that waits for its bytes. The commit does not wait for the disk ("unhurried"): a loss of power may take back that
 * it was asked for, and whoever asked asks again. That its bytes are there is committed as durably as ever.
 */
export function insertImage(tx: Db, image: NewImage): Promise<number> {
  return run(tx, {
    name: "image_insert",
    text: `insert into image.image (id, owner_id, album_id, name, caption, alt, visibility, rank, sha256, size_bytes, expires_at)
      select $1::uuid, $2::uuid, $3::uuid, $4, $5, $6, $7, $8, $9, $10::bigint, now() + make_interval(secs => $11)
        from (select set_config('synchronous_commit', 'off', true)) as unhurried`,
    values: [
      image.id,
      image.ownerId,
      image.albumId,
      image.name,
      image.caption,
      image.alt,
      image.visibility,
      image.rank,
      image.sha256,
      image.sizeBytes,
      image.expiresSeconds,
    ],
  });
}

type Unfinished = Omit<NewImage, "id" | "rank" | "expiresSeconds">;

/** An image of the same bytes and settings by the same owner that still waits for them: it goes on instead of another. */
export function findWaitingImage(db: Db, image: Unfinished): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(db, {
    name: "image_find_waiting",
    text: `select id from image.image where owner_id = $1 and sha256 = $2 and size_bytes = $3 and state = 'waiting' and kind = 'picture'
      and name = $4 and caption = $5 and alt = $6 and visibility = $7 and album_id is not distinct from $8 and expires_at > now() + interval '1 hour'
      order by id limit 1`,
    values: [
      image.ownerId,
      image.sha256,
      image.sizeBytes,
      image.name,
      image.caption,
      image.alt,
      image.visibility,
      image.albumId,
    ],
  });
}

/** waiting → processing, of bytes whose digest was announced. Undefined when it was in another state. */
export function startRendering(tx: Db, id: string): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(tx, {
    name: "image_start_rendering",
    text: `update image.image set state = 'processing', revision = revision + 1, updated_at = now()
      where id = $1 and state = 'waiting' and sha256 <> '' returning id`,
    values: [id],
  });
}

/** The same for bytes that were received by us: their digest and size are known only now. 0 when it was given up meanwhile. */
export function settleReceived(
  tx: Db,
  { id, sha256, sizeBytes }: { id: string; sha256: string; sizeBytes: number },
): Promise<number> {
  return run(tx, {
    name: "image_settle_received",
    text: `update image.image set state = 'processing', sha256 = $2, size_bytes = $3, revision = revision + 1, updated_at = now()
      where id = $1 and state = 'waiting' and sha256 = ''`,
    values: [id, sha256, sizeBytes],
  });
}

/** Forgets an image whose bytes were not received, and gives its owner the room back. 0 when it was received after all. */
export async function deleteUnreceived(db: Db, id: string): Promise<number> {
  const row = await one<{ count: number }>(db, {
    name: "image_delete_unreceived",
    text: `with gone as (delete from image.image where id = $1 and state = 'waiting' and sha256 = '' returning owner_id, size_bytes),
        released as (update image.quota q set images = greatest(0, q.images - 1), size_bytes = greatest(0, q.size_bytes - gone.size_bytes)
          from gone where q.user_id = gone.owner_id)
      select count(*) as count from gone`,
    values: [id],
  });
  return row?.count ?? 0;
}

type Change = {
  caption?: string | undefined;
  alt?: string | undefined;
  visibility?: ImageVisibility | undefined;
  albumId?: string | null | undefined;
};

/** Changes what is given, when the revision is still that one: 0 when it is not. */
export function updateImage(
  tx: Db,
  { id, revision, change }: { id: string; revision: number; change: Change },
): Promise<number> {
  return run(tx, {
    name: "image_update",
    text: `update image.image set caption = coalesce($3, caption), alt = coalesce($4, alt), visibility = coalesce($5, visibility),
        album_id = case when $6 then $7::uuid else album_id end, revision = revision + 1, updated_at = now()
      where id = $1 and revision = $2`,
    values: [
      id,
      revision,
      change.caption ?? null,
      change.alt ?? null,
      change.visibility ?? null,
      change.albumId !== undefined,
      change.albumId ?? null,
    ],
  });
}

/** Holds an album that this reader may put images into until the transaction ends. */
export function lockOpenAlbum(
  tx: Db,
  { id, reader }: { id: string; reader: Reader },
): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(tx, {
    name: "image_lock_album",
    text: `select a.id from image.album a where a.id = $1 and image.role_of(a, $2, $3) in ('editor', 'contributor') for share of a`,
    values: [id, reader.userId, reader.roles],
  });
}

/** Replaces the list of readers, in the caller's transaction. */
export async function replaceImageAccess(
  tx: Db,
  {
    imageId,
    userIds,
    roles,
    organizationIds,
  }: { imageId: string; userIds: string[]; roles: string[]; organizationIds: string[] },
): Promise<void> {
  await run(tx, {
    name: "image_access_delete_users",
    text: `delete from image.reader_user where image_id = $1`,
    values: [imageId],
  });
  await run(tx, {
    name: "image_access_delete_roles",
    text: `delete from image.reader_role where image_id = $1`,
    values: [imageId],
  });
  await run(tx, {
    name: "image_access_delete_organizations",
    text: `delete from image.reader_organization where image_id = $1`,
    values: [imageId],
  });
  await run(tx, {
    name: "image_access_insert_users",
    text: `insert into image.reader_user (image_id, user_id) select $1, unnest($2::uuid[])`,
    values: [imageId, userIds],
  });
  await run(tx, {
    name: "image_access_insert_roles",
    text: `insert into image.reader_role (image_id, role) select $1, unnest($2::text[])`,
    values: [imageId, roles],
  });
  await run(tx, {
    name: "image_access_insert_organizations",
    text: `insert into image.reader_organization (image_id, organization_id) select $1, unnest($2::uuid[])`,
    values: [imageId, organizationIds],
  });
}

/** An image of this owner, also one that nobody sees because its bytes are blocked. */
export function findOwnImage(
  db: Db,
  { id, ownerId }: { id: string; ownerId: string },
): Promise<{ name: string; ownerId: string } | undefined> {
  return one<{ name: string; ownerId: string }>(db, {
    name: "image_find_own",
    text: `select name, owner_id as "ownerId" from image.image where id = $1 and owner_id = $2`,
    values: [id, ownerId],
  });
}

/**
 * Deletes an image, at any revision when none is given, with every archive that holds it, and gives its owner the room
 * back. 0 when it has another revision. Its bytes are left to the sweep.
 */
export async function deleteImage(
  tx: Db,
  { id, revision }: { id: string; revision: number | undefined },
): Promise<number> {
  // Held first: no archive can take it in from now on.
  const held = await one<{ id: string }>(tx, {
    name: "image_lock_to_delete",
    text: `select id from image.image where id = $1 and ($2::integer is null or revision = $2) for update`,
    values: [id, revision ?? null],
  });
  if (!held) return 0;
  await run(tx, {
    name: "image_delete_archives",
    text: `delete from image.archive where id in (select archive_id from image.archive_image where image_id = $1)`,
    values: [id],
  });
  const row = await one<{ count: number }>(tx, {
    name: "image_delete",
    text: `with gone as (delete from image.image where id = $1 returning owner_id, size_bytes, kind, state),
        released as (update image.quota q set images = greatest(0, q.images - 1), size_bytes = greatest(0, q.size_bytes - gone.size_bytes)
          from gone where q.user_id = gone.owner_id and gone.kind = 'picture' and gone.state <> 'rejected')
      select count(*) as count from gone`,
    values: [id],
  });
  return row?.count ?? 0;
}
