import { actor, type Static, t } from "./actor.ts";

export const PublishVersion = t.Object({ versionId: t.String() });
export type PublishVersion = Static<typeof PublishVersion>;

/** Freezes a version: renders its native manifest, numbers it, makes it visible. */
export const publishVersion = actor({
  name: "publish-version",
  payload: PublishVersion,
  subject: ({ versionId }) => versionId,
  retry: { attempts: 5, backoffMs: 500 },
  concurrency: 2,
  timeoutMs: 120_000,
  needs: ["db", "bus", "mailbox", "config"],
  handler: () => import("../workers/publish-version.ts"),
});
