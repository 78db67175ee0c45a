import { type Db, one, run } from "./query.ts";

type Room = { userId: string; sizeBytes: number; maxBytes: number; maxImages: number };

/** Takes room for one image in its owner's quota: 0 when there is not enough. Exact under concurrency: the row is the lock. */
export async function reserveImageQuota(tx: Db, room: Room): Promise<number> {
  const taken = await takeRoom(tx, room);
  if (taken > 0) return taken;
  // Used up, or his first image.
  await run(tx, {
    name: "image_quota_open",
    text: `insert into image.quota (user_id) values ($1) on conflict do nothing`,
    values: [room.userId],
  });
  return takeRoom(tx, room);
}

function takeRoom(tx: Db, { userId, sizeBytes, maxBytes, maxImages }: Room): Promise<number> {
  return run(tx, {
    name: "image_quota_reserve",
    text: `update image.quota set images = images + 1, size_bytes = size_bytes + $2
      where user_id = $1 and images < $4 and size_bytes + $2 <= $3`,
    values: [userId, sizeBytes, maxBytes, maxImages],
  });
}

/** Gives room back; of no image, where one turned out to be smaller than it was said to be. */
export function releaseImageQuota(
  tx: Db,
  { userId, sizeBytes, images = 1 }: { userId: string; sizeBytes: number; images?: number },
): Promise<number> {
  return run(tx, {
    name: "image_quota_release",
    text: `update image.quota set images = greatest(0, images - $3), size_bytes = greatest(0, size_bytes - $2) where user_id = $1`,
    values: [userId, sizeBytes, images],
  });
}

export function findImageQuota(db: Db, userId: string): Promise<{ images: number; sizeBytes: number } | undefined> {
  return one(db, {
    name: "image_quota_find",
    text: `select images, size_bytes as "sizeBytes" from image.quota where user_id = $1`,
    values: [userId],
  });
}
