import { actor, type Static, t } from "./actor.ts";

export const SyncFeed = t.Object({
  sourceId: t.String(),
  /** Only tells what a sync would do. */
  dryRun: t.Boolean(),
  /** Who asked for it: each reads what became of his own. */
  askedBy: t.Optional(t.String()),
});
export type SyncFeed = Static<typeof SyncFeed>;

/** Fetches a source's feed and takes over what it says of its events. */
export const syncFeed = actor({
  name: "sync-feed",
  payload: SyncFeed,
  subject: ({ sourceId, dryRun, askedBy = "" }) => `${sourceId} ${dryRun ? "dry-run " : ""}${askedBy}`.trimEnd(),
  retry: { attempts: 1, backoffMs: 5_000 },
  concurrency: 2,
  timeoutMs: 2 * 60_000,
  needs: ["db", "bus", "config"],
  handler: () => import("../workers/sync-feed.ts"),
});
