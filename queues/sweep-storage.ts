import { actor, type Static, t } from "./actor.ts";

export const SweepStorage = t.Object({
  scope: t.Literal("all"),
  /** Takes as much as there is, also more than SWEEP_MAX_SHARE. */
  force: t.Optional(t.Boolean()),
});
export type SweepStorage = Static<typeof SweepStorage>;

/** Removes what nothing refers to any more: blobs, abandoned uploads, expired drafts, leftovers in storage. */
export const sweepStorage = actor({
  name: "sweep-storage",
  payload: SweepStorage,
  subject: ({ scope }) => scope,
  retry: { attempts: 3, backoffMs: 5_000 },
  concurrency: 1,
  timeoutMs: 60 * 60_000,
  needs: ["db", "storage", "config"],
  every: (config) => config.SWEEP_EVERY_SECONDS,
  handler: () => import("../workers/sweep-storage.ts"),
});
