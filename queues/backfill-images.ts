import { actor, type Static, t } from "./actor.ts";

export const BackfillImages = t.Object({
  scope: t.Literal("all"),
  /** RFC 3339. Makes all images again that were last made before it, not only those that lack something. */
  before: t.Optional(t.String()),
});
export type BackfillImages = Static<typeof BackfillImages>;

/** Makes the variants that images lack, such as AVIF, and makes images again that an older renderer has made. */
export const backfillImages = actor({
  name: "backfill-images",
  payload: BackfillImages,
  subject: ({ before }) => (before === undefined ? "missing" : "all"),
  retry: { attempts: 3, backoffMs: 5_000 },
  concurrency: 1,
  timeoutMs: 60 * 60_000,
  needs: ["db", "storage", "config", "decoder", "bus"],
  every: (config) => config.RESEND_EVERY_SECONDS,
  handler: () => import("../workers/backfill-images.ts"),
});
