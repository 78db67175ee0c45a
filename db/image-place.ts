import type { ImagePlace } from "./image.ts";
import { type Db, one, run } from "./query.ts";

/** Gives out places among one owner's images one after the other, until the transaction ends. Taken before any row. */
export async function lockPlaces(tx: Db, ownerId: string): Promise<void> {
  await run(tx, {
    name: "image_lock_places",
    text: `select pg_advisory_xact_lock(hashtextextended('image places of ' || $1::text, 0))`,
    values: [ownerId],
  });
}

/** The last rank among an owner's images. */
export async function findLastRank(tx: Db, ownerId: string): Promise<string | null> {
  const row = await one<{ rank: string }>(tx, {
    name: "image_find_last_rank",
    text: `select rank from image.image where owner_id = $1 order by rank desc limit 1`,
    values: [ownerId],
  });
  return row?.rank ?? null;
}

/** Which images stand in a row with the one that is moved: its owner's, and those of its album. */
type Row = { id: string; ownerId: string; albumId: string | null };

/** An image that stands in a row with another. */
export function findPlace(tx: Db, { row, id }: { row: Row; id: string }): Promise<ImagePlace | undefined> {
  return one<ImagePlace>(tx, {
    name: "image_find_place",
    text: `select id, rank from image.image where id = $1 and kind = 'picture' and (owner_id = $2 or album_id = $3)`,
    values: [id, row.ownerId, row.albumId],
  });
}

/** The nearest ranks before and behind a rank, the moved image's own left out: null where there is none. */
export async function findNextRanks(
  tx: Db,
  { row, rank }: { row: Row; rank: string | null },
): Promise<{ before: string | null; behind: string | null }> {
  const ranks = await one<{ before: string | null; behind: string | null }>(tx, {
    name: "image_find_next_ranks",
    text: `select max(rank) filter (where $4::text is null or rank < $4) as before, min(rank) filter (where $4::text is null or rank > $4) as behind
      from image.image where (owner_id = $2 or album_id = $3) and id <> $1 and kind = 'picture'`,
    values: [row.id, row.ownerId, row.albumId, rank],
  });
  return ranks ?? { before: null, behind: null };
}

/** Puts an image at a rank. Its revision stays: what others change about it is not touched by this. */
export function updateRank(tx: Db, { id, rank }: ImagePlace): Promise<number> {
  return run(tx, {
    name: "image_update_rank",
    text: `update image.image set rank = $2 where id = $1`,
    values: [id, rank],
  });
}
