import { generateKeyBetween } from "fractional-indexing";
import type { ImageRow } from "../../db/image.ts";
import { findLastRank, findNextRanks, findPlace, lockPlaces, updateRank } from "../../db/image-place.ts";
import type { Db } from "../../db/query.ts";
import { Fault } from "../../fault.ts";

/** Characters. Putting one image after the other at the same place makes ranks longer: by one in five moves. */
export const longestRank = 2_000;
const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/**
 * A rank behind all of an owner's images. It ends in three random digits: images of several people in one gallery would
 * else have the same ranks, and nothing could be put between them.
 */
export async function rankLast(tx: Db, ownerId: string): Promise<string> {
  await lockPlaces(tx, ownerId);
  const random = [...crypto.getRandomValues(new Uint8Array(3))].map((byte) => digits[1 + (byte % 61)]);
  return generateKeyBetween(await findLastRank(tx, ownerId), null) + random.join("");
}

/** Behind or in front of which image another goes: null is the front, or the end. */
export type Move = { after: string | null } | { before: string | null };

/**
 * Moves an image among those that it stands in a row with, its owner's and those of its album. 422 when it is to go beside
 * one that does not. Of several moves at once none fails and none is lost: they happen one after the other.
 */
export async function moveImage(
  tx: Db,
  { row, move }: { row: Pick<ImageRow, "id" | "ownerId" | "albumId">; move: Move },
): Promise<void> {
  const isAfter = "after" in move;
  const beside = isAfter ? move.after : move.before;
  if (beside === row.id) return;
  await lockPlaces(tx, row.ownerId);
  const place = beside === null ? undefined : await findPlace(tx, { row, id: beside });
  if (beside !== null && !place)
    throw new Fault("invalid", "Cannot move the image: there is no such image beside it", {
      errors: [{ pointer: isAfter ? "/after" : "/before", detail: "stands in no row with this image" }],
    });
  const { before, behind } = await findNextRanks(tx, { row, rank: place?.rank ?? null });
  // Without a neighbour these are the last rank and the first of all.
  const rank = place
    ? isAfter
      ? generateKeyBetween(place.rank, behind)
      : generateKeyBetween(before, place.rank)
    : isAfter
      ? generateKeyBetween(null, behind)
      : generateKeyBetween(before, null);
  if (rank.length > longestRank)
    throw new Fault(
      "conflict",
      "Cannot move the image there: too many were put there before. Move those beside it first",
    );
  await updateRank(tx, { id: row.id, rank });
}
