import { actor, type Static, t } from "./actor.ts";

export const BuildAlbumArchive = t.Object({ archiveId: t.String() });
export type BuildAlbumArchive = Static<typeof BuildAlbumArchive>;

/** Packs those images of an album that one viewer may see, streamed from storage to storage. The row says which. */
export const buildAlbumArchive = actor({
  name: "build-album-archive",
  payload: BuildAlbumArchive,
  subject: ({ archiveId }) => archiveId,
  retry: { attempts: 5, backoffMs: 2_000 },
  concurrency: 1,
  timeoutMs: 60 * 60_000,
  needs: ["db", "storage"],
  handler: () => import("../workers/build-album-archive.ts"),
});
