import { digestImages } from "../../album-archive.ts";
import type { AlbumRow } from "../../db/album.ts";
import { findAlbumArchive, listPackable, openAlbumArchive } from "../../db/album-archive.ts";
import type { Viewer } from "../../db/image.ts";
import { findJobBySubject } from "../../db/job.ts";
import { Fault } from "../../fault.ts";
import { buildAlbumArchive } from "../../queues/build-album-archive.ts";
import { want } from "../../queues/mailbox.ts";
import type { Api } from "../api.ts";
import { signBlob } from "../blobs/service.ts";
import { isAnswer } from "../versions/archives.ts";

type Archives = Pick<Api, "db" | "config" | "mailbox" | "rateLimits" | "storage">;
type Asked = { row: AlbumRow; viewer: Viewer };
const mostImages = 10_000;

/**
 * Asks for an archive of what this viewer may see of an album at this moment: it is there already (no job), or the job that
 * packs it. 409 when there is nothing to pack, 429 when too many others of the same owner were asked for.
 */
export async function askForArchive(
  archives: Archives,
  { row, viewer, headers }: Asked & { headers: Record<string, string | number> },
): Promise<{ jobId: string | null }> {
  const { db, config, mailbox, rateLimits } = archives;
  const { images, digest, archive } = await look(archives, { row, viewer });
  if (images.length === 0) throw new Fault("conflict", `Cannot pack "${row.title}": there are no images to be packed`);
  if (archive?.key) return { jobId: null };
  if (archive) {
    const job = await findJobBySubject(db, { actor: buildAlbumArchive.name, subject: archive.id });
    if (job && isAnswer(job)) return { jobId: job.id };
  }
  // Every change of an album makes an archive of it another one: without a limit its owner could fill the storage.
  const perMinute = config.LIMIT_ALBUM_ARCHIVES_PER_MINUTE;
  await rateLimits.take([{ name: "album-archives", perMinute, key: row.packId ?? row.ownerId }], headers);
  const imageIds = images.map(({ id }) => id);
  const message = await db.transaction(async (tx) => {
    const archiveId = await openAlbumArchive(tx, { id: Bun.randomUUIDv7(), albumId: row.id, digest, imageIds });
    if (archiveId === undefined)
      throw new Fault("conflict", `Cannot pack "${row.title}": its images have changed at this moment. Ask again`);
    return want(tx, buildAlbumArchive, { payload: { archiveId }, ownerId: viewer.userId });
  });
  await mailbox.send(buildAlbumArchive.name, message);
  return { jobId: message.jobId };
}

/** Signed address of that archive; 404 when nobody has asked for it since the images, or who may see them, have changed. */
export async function signArchive(archives: Pick<Archives, "db" | "storage">, { row, viewer }: Asked): Promise<string> {
  const { archive } = await look(archives, { row, viewer });
  if (!archive?.key)
    throw new Fault("not-found", `There is no archive of "${row.title}" as it is now: ask for it with POST`);
  const blob = { key: archive.key, access: "private" } as const;
  return signBlob({ storage: archives.storage, blob, method: "GET", fileName: `${row.title}.zip` });
}

async function look({ db }: Pick<Archives, "db">, { row, viewer }: Asked) {
  const images = await listPackable(db, { albumId: row.id, viewer, limit: mostImages });
  const digest = digestImages(images);
  return { images, digest, archive: await findAlbumArchive(db, { albumId: row.id, digest, viewer }) };
}
