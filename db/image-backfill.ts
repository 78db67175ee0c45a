import { type Db, one, run } from "./query.ts";

/** Lets others take an image again at once. */
export function releaseClaim(db: Db, id: string): Promise<number> {
  return run(db, {
    name: "image_release_claim",
    text: `update image.image set render_until = now() where id = $1`,
    values: [id],
  });
}

/**
 * Takes one ready image that an older renderer has made, so that nobody else makes it again for ten minutes; then it is
 * anybody's again. Undefined when there is none.
 */
export async function claimStaleImage(db: Db, target: number): Promise<string | undefined> {
  const row = await one<{ id: string }>(db, {
    name: "image_claim_stale",
    text: `update image.image set render_until = now() + interval '10 minutes' where id = (
      select id from image.image where state = 'ready' and renderer < $1 and render_until <= now()
        order by renderer, id limit 1 for update skip locked) returning id`,
    values: [target],
  });
  return row?.id;
}

/** Marks images to be made again that nobody has made since `before`. */
export function markStaleImages(db: Db, { before, limit }: { before: string; limit: number }): Promise<number> {
  return run(db, {
    name: "image_mark_stale",
    text: `update image.image set renderer = 0 where id in (
      select id from image.image where state = 'ready' and renderer > 0 and rendered_at < $1::timestamptz
        order by renderer, id limit $2 for update skip locked)`,
    values: [before, limit],
  });
}

/**
 * The fullest WebP variant: what the others are made of when the bytes that were sent are not kept any more. By its name:
 * of a small picture all are of one size, and the smallest of an animation stands still.
 */
export function findFullVariant(db: Db, imageId: string): Promise<{ name: string; key: string } | undefined> {
  return one(db, {
    name: "image_find_full_variant",
    text: `select v.name, b.key from image.variant v join blob.blob b on b.id = v.blob_id
      where v.image_id = $1 and v.format = 'webp' and v.name in ('original', '512')`,
    values: [imageId],
  });
}

/** Settles an image that the transaction has locked as made by this renderer. What is told of it stays as it was. */
export function settleAgain(tx: Db, { id, renderer }: { id: string; renderer: number }): Promise<number> {
  return run(tx, {
    name: "image_settle_again",
    text: `update image.image set renderer = $2, rendered_at = now(), render_until = now(), tries = 0 where id = $1`,
    values: [id, renderer],
  });
}

/** Lets go of the bytes that were sent for images made longer ago than that. */
export function releaseSources(db: Db, { afterDays, limit }: { afterDays: number; limit: number }): Promise<number> {
  return run(db, {
    name: "image_release_sources",
    text: `update image.image set source_blob_id = null where id in (
      select id from image.image where state = 'ready' and source_blob_id is not null and created_at < now() - make_interval(days => $1)
        order by created_at limit $2 for update skip locked)`,
    values: [afterDays, limit],
  });
}
