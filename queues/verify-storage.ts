import { actor, type Static, t } from "./actor.ts";

export const VerifyStorage = t.Object({
  scope: t.Literal("all"),
  /** Reads whatever was last read before this time (RFC 3339), rather than what is due. */
  since: t.Optional(t.String()),
});
export type VerifyStorage = Static<typeof VerifyStorage>;

/** Reads stored objects again: those that are missing or changed are served to nobody, and who works on their packs is told. */
export const verifyStorage = actor({
  name: "verify-storage",
  payload: VerifyStorage,
  subject: ({ scope }) => scope,
  retry: { attempts: 3, backoffMs: 5_000 },
  concurrency: 1,
  timeoutMs: 6 * 60 * 60_000,
  needs: ["db", "storage", "config", "bus"],
  every: (config) => config.VERIFY_EVERY_SECONDS,
  handler: () => import("../workers/verify-storage.ts"),
});
