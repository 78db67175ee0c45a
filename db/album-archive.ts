import type { PackedImage } from "../album-archive.ts";
import type { Viewer } from "./image.ts";
import { type Db, many, one, run } from "./query.ts";

/** The images of an album that this viewer may see, in the order of their ranks, as an archive holds them. */
export function listPackable(
  db: Db,
  { albumId, viewer, limit }: { albumId: string; viewer: Viewer; limit: number },
): Promise<PackedImage[]> {
  return many<PackedImage>(db, {
    name: "album_archive_list_packable",
    text: `select i.id, i.name, v.blob_id as "blobId" from image.image i
      join image.variant v on v.image_id = i.id and v.name = 'original' and v.format = 'webp' join blob.blob b on b.id = v.blob_id
      where i.album_id = $1 and i.state = 'ready' and image.can_view(i, $2, $3, $4) and not exists (select from blob.blocked x where x.sha256 = b.sha256)
      order by i.rank, i.id limit $5`,
    values: [albumId, viewer.userId, viewer.roles, viewer.shareId, limit],
  });
}

export type AlbumArchiveRow = { id: string /** Where its bytes are, once it is built. */; key: string | null };

// $1 to $3 are the viewer: id, roles, share link. An image that was deleted since is missing from the count.
const allSeen = `image.can_view_album(l, $1, $2, $3) and a.images = (
    select count(*) from image.archive_image r join image.image i on i.id = r.image_id where r.archive_id = a.id and image.can_view(i, $1, $2, $3))
  and not exists (select from blob.blocked x where x.sha256 = b.sha256)`;

/** An album's archive of exactly these images, when this viewer may see every one of them. */
export function findAlbumArchive(
  db: Db,
  { albumId, digest, viewer }: { albumId: string; digest: string; viewer: Viewer },
): Promise<AlbumArchiveRow | undefined> {
  return one<AlbumArchiveRow>(db, {
    name: "album_archive_find",
    text: `select a.id, b.key from image.archive a join image.album l on l.id = a.album_id left join blob.blob b on b.id = a.blob_id
      where a.album_id = $4 and a.digest = $5 and ${allSeen}`,
    values: [viewer.userId, viewer.roles, viewer.shareId, albumId, digest],
  });
}

/** The same by its id. */
export function findSeenArchive(
  db: Db,
  { id, viewer }: { id: string; viewer: Viewer },
): Promise<AlbumArchiveRow | undefined> {
  return one<AlbumArchiveRow>(db, {
    name: "album_archive_find_seen",
    text: `select a.id, b.key from image.archive a join image.album l on l.id = a.album_id left join blob.blob b on b.id = a.blob_id
      where a.id = $4 and ${allSeen}`,
    values: [viewer.userId, viewer.roles, viewer.shareId, id],
  });
}

type NewArchive = { id: string; albumId: string; digest: string; imageIds: string[] };

/**
 * Says what an archive is to hold, or finds the row that says so already. Undefined when the album or one of its images
 * was deleted meanwhile.
 */
export async function openAlbumArchive(
  tx: Db,
  { id, albumId, digest, imageIds }: NewArchive,
): Promise<string | undefined> {
  const row = await one<{ id: string }>(tx, {
    name: "album_archive_insert",
    text: `insert into image.archive (id, album_id, digest, images) select $1, id, $3, $4 from image.album where id = $2 for key share
      on conflict (album_id, digest) do update set digest = excluded.digest returning id`,
    values: [id, albumId, digest, imageIds.length],
  });
  if (row?.id !== id) return row?.id;
  const held = await run(tx, {
    name: "album_archive_insert_images",
    text: `with held as (select id from image.image where id = any ($2::uuid[]) order by id for key share)
      insert into image.archive_image (archive_id, image_id, position)
        select $1, wanted.id, wanted.position from unnest($2::uuid[]) with ordinality wanted (id, position) join held on held.id = wanted.id`,
    values: [id, imageIds],
  });
  return held === imageIds.length ? id : undefined;
}

export type OpenArchive = { albumTitle: string; digest: string; images: number; built: boolean };

/** An archive that is to be built. */
export function findOpenArchive(db: Db, id: string): Promise<OpenArchive | undefined> {
  return one<OpenArchive>(db, {
    name: "album_archive_find_open",
    text: `select l.title as "albumTitle", a.digest, a.images, a.blob_id is not null as built
      from image.archive a join image.album l on l.id = a.album_id where a.id = $1`,
    values: [id],
  });
}

/** The same, held until the transaction ends. */
export function lockOpenArchive(tx: Db, id: string): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(tx, {
    name: "album_archive_lock",
    text: `select id from image.archive where id = $1 and blob_id is null for update`,
    values: [id],
  });
}

export type ArchiveEntry = PackedImage & { key: string; sizeBytes: number; crc32: number };

/** What an archive is to hold, with the bytes that there are now; nothing that is blocked. */
export function listArchiveEntries(db: Db, id: string): Promise<ArchiveEntry[]> {
  return many<ArchiveEntry>(db, {
    name: "album_archive_list_entries",
    text: `select i.id, i.name, v.blob_id as "blobId", b.key, b.size_bytes as "sizeBytes", b.crc32
      from image.archive_image r join image.image i on i.id = r.image_id
        join image.variant v on v.image_id = i.id and v.name = 'original' and v.format = 'webp' join blob.blob b on b.id = v.blob_id
      where r.archive_id = $1 and not exists (select from blob.blocked x where x.sha256 in (i.sha256, b.sha256)) order by r.position`,
    values: [id],
  });
}

/** Settles an archive, once: 0 when another run did, or it was given up meanwhile. */
export function settleAlbumArchive(tx: Db, { id, blobId }: { id: string; blobId: string }): Promise<number> {
  return run(tx, {
    name: "album_archive_settle",
    text: `update image.archive set blob_id = $2 where id = $1 and blob_id is null`,
    values: [id, blobId],
  });
}

export function deleteAlbumArchive(db: Db, id: string): Promise<number> {
  return run(db, {
    name: "album_archive_delete",
    text: `delete from image.archive where id = $1 and blob_id is null`,
    values: [id],
  });
}

/** Forgets archives that are older than that. Whoever wants one again asks again. */
export function deleteOldAlbumArchives(
  db: Db,
  { afterDays, limit }: { afterDays: number; limit: number },
): Promise<number> {
  return run(db, {
    name: "album_archive_delete_old",
    text: `delete from image.archive where id in (
      select id from image.archive where created_at < now() - make_interval(days => $1) order by created_at limit $2 for update skip locked)`,
    values: [afterDays, limit],
  });
}
