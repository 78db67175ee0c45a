import { type Db, many, one, run } from "./query.ts";

/** Deletes images that waited for bytes past their end; in the same statement their owners get the room back. */
export function deleteExpiredImages(db: Db, limit: number): Promise<{ id: string }[]> {
  return many<{ id: string }>(db, {
    name: "sweep_delete_images",
    text: `with gone as (
        delete from image.image where id in (
          select id from image.image where state = 'waiting' and expires_at < now() order by expires_at limit $1 for update skip locked)
        returning id, owner_id, size_bytes),
      owners as (select owner_id, count(*) as images, sum(size_bytes) as size_bytes from gone group by owner_id),
      released as (update image.quota q set images = greatest(0, q.images - o.images), size_bytes = greatest(0, q.size_bytes - o.size_bytes)
        from owners o where q.user_id = o.owner_id)
      select id from gone`,
    values: [limit],
  });
}

/** Rejects images whose rendering was given up for good, and gives their owners the room back. An avatar takes none. */
export function rejectUnrendered(db: Db, limit: number): Promise<number> {
  return run(db, {
    name: "sweep_reject_images",
    text: `with gone as (
        update image.image set state = 'rejected', reason = 'it could not be rendered', source_blob_id = null, revision = revision + 1, updated_at = now() where id in (
          select i.id from image.image i where i.state = 'processing' and i.expires_at < now() and not exists (
              select from job.job j where j.actor = 'render-image' and j.subject = i.id::text and j.done < j.wanted)
            order by i.expires_at limit $1 for update of i skip locked)
        returning owner_id, size_bytes, kind),
      owners as (select owner_id, count(*) as images, sum(size_bytes) as size_bytes from gone where kind = 'picture' group by owner_id),
      released as (update image.quota q set images = greatest(0, q.images - o.images), size_bytes = greatest(0, q.size_bytes - o.size_bytes)
        from owners o where q.user_id = o.owner_id)
      select owner_id from gone`,
    values: [limit],
  });
}

/** Forgets images that were rejected more than 7 days ago. */
export function deleteRejectedImages(db: Db, limit: number): Promise<number> {
  return run(db, {
    name: "sweep_delete_rejected_images",
    text: `delete from image.image where id in (
      select id from image.image where state = 'rejected' and expires_at < now() and updated_at < now() - interval '7 days'
        order by expires_at limit $1 for update skip locked)`,
    values: [limit],
  });
}

export type ImageLeftovers = { images: number; imageBytes: number; unrendered: number; rejectedImages: number };

/** How many images the next sweep would give up, reject and forget. */
export async function countImageLeftovers(db: Db): Promise<ImageLeftovers> {
  const row = await one<ImageLeftovers>(db, {
    name: "sweep_count_images",
    text: `select count(*) filter (where state = 'waiting') as images,
        coalesce(sum(size_bytes) filter (where state = 'waiting'), 0)::bigint as "imageBytes",
        count(*) filter (where state = 'processing' and not exists (
          select from job.job j where j.actor = 'render-image' and j.subject = i.id::text and j.done < j.wanted)) as unrendered,
        count(*) filter (where state = 'rejected' and updated_at < now() - interval '7 days') as "rejectedImages"
      from image.image i where state <> 'ready' and expires_at < now()`,
  });
  return row ?? { images: 0, imageBytes: 0, unrendered: 0, rejectedImages: 0 };
}

type ExpiredImage = { id: string; name: string; sizeBytes: number; expiredAt: Date };

/** Images that the next sweep would give up, for looking at. */
export function listExpiredImages(db: Db, limit: number): Promise<ExpiredImage[]> {
  return many<ExpiredImage>(db, {
    name: "sweep_list_images",
    text: `select id, name, size_bytes as "sizeBytes", expires_at as "expiredAt" from image.image
      where state = 'waiting' and expires_at < now() order by expires_at limit $1`,
    values: [limit],
  });
}
