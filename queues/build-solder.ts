import { actor, type Static, t } from "./actor.ts";

export const BuildSolder = t.Object({ versionId: t.String() });
export type BuildSolder = Static<typeof BuildSolder>;

/** Packs a published version into the zips of Technic Solder, streamed from storage to storage. */
export const buildSolder = actor({
  name: "build-solder",
  payload: BuildSolder,
  subject: ({ versionId }) => versionId,
  retry: { attempts: 5, backoffMs: 2_000 },
  concurrency: 1,
  timeoutMs: 60 * 60_000,
  needs: ["db", "storage"],
  handler: () => import("../workers/build-solder.ts"),
});
