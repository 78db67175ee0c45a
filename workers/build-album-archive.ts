import { digestImages, nameImages } from "../album-archive.ts";
import {
  type ArchiveEntry,
  deleteAlbumArchive,
  findOpenArchive,
  listArchiveEntries,
  lockOpenArchive,
  settleAlbumArchive,
} from "../db/album-archive.ts";
import { lockBlobs } from "../db/blob.ts";
import type { Db } from "../db/query.ts";
import type { Handle } from "../queues/actor.ts";
import type { BuildAlbumArchive } from "../queues/build-album-archive.ts";
import { storeArchive, storedEntry } from "./store-archive.ts";

/**
 * Packs the images that the archive's row names. Twice the same row is twice the same bytes, so a second run at the same
 * time only makes a spare copy, which is removed. An image that was deleted, rendered anew or blocked since ends it: whoever
 * asks again gets what there is then.
 */
export const handle: Handle<BuildAlbumArchive, "db" | "storage"> = async ({
  payload: { archiveId },
  deps,
  signal,
  progress,
  log,
}) => {
  const { db, storage } = deps;
  const archive = await findOpenArchive(db, archiveId);
  if (!archive) return { state: "gone" };
  if (archive.built) return { state: "built" };
  const files = await listArchiveEntries(db, archiveId);
  if (!isWhole(files, archive.digest)) return giveUp(db, archiveId);
  const entries = nameImages(files).map((file) => storedEntry(storage, { path: file.path, file, signal }));
  const stored = await storeArchive(deps, {
    entries,
    signal,
    log,
    progress,
    settle: async (tx, makeBlob) => {
      if (!(await lockOpenArchive(tx, archiveId))) return false; // settled by another run, or given up
      await lockBlobs(
        tx,
        files.map(({ blobId }) => blobId),
      );
      if (!isWhole(await listArchiveEntries(tx, archiveId), archive.digest)) return false;
      const blob = await makeBlob();
      return (await settleAlbumArchive(tx, { id: archiveId, blobId: blob.id })) > 0;
    },
  });
  if (stored) return { state: "built", size: stored.sizeBytes };
  return (await findOpenArchive(db, archiveId))?.built ? { state: "built" } : giveUp(db, archiveId);
};

/** Whether the images are all there with the bytes for which the archive was asked. */
function isWhole(files: ArchiveEntry[], digest: string): boolean {
  return digestImages(files) === digest;
}

async function giveUp(db: Db, archiveId: string): Promise<{ state: "gone" }> {
  await deleteAlbumArchive(db, archiveId);
  return { state: "gone" };
}
