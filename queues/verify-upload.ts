import { actor, type Static, t } from "./actor.ts";

export const VerifyUpload = t.Object({ uploadId: t.String() });
export type VerifyUpload = Static<typeof VerifyUpload>;

/** Moves an upload to its final key, reads it there once for every digest, and settles its row: verified or rejected. */
export const verifyUpload = actor({
  name: "verify-upload",
  payload: VerifyUpload,
  subject: ({ uploadId }) => uploadId,
  retry: { attempts: 5, backoffMs: 1_000 },
  concurrency: 4,
  timeoutMs: 15 * 60_000,
  needs: ["db", "storage"],
  handler: () => import("../workers/verify-upload.ts"),
});
