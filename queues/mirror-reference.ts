import { actor, type Static, t } from "./actor.ts";

export const MirrorReference = t.Object({ versionId: t.String(), path: t.String() });
export type MirrorReference = Static<typeof MirrorReference>;

/** Fetches the bytes of a reference from its host, checks the author's digests, and stores them. */
export const mirrorReference = actor({
  name: "mirror-reference",
  payload: MirrorReference,
  subject: ({ versionId, path }) => `${versionId} ${path}`,
  retry: { attempts: 5, backoffMs: 2_000 },
  concurrency: 4,
  timeoutMs: 30 * 60_000,
  needs: ["db", "storage", "config"],
  handler: () => import("../workers/mirror-reference.ts"),
});
