import { actor, type Static, t } from "./actor.ts";

export const StartSyncs = t.Object({ scope: t.Literal("all") });
export type StartSyncs = Static<typeof StartSyncs>;

/** Asks for a sync of every source that is due. */
export const startSyncs = actor({
  name: "start-syncs",
  payload: StartSyncs,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 60_000,
  needs: ["db", "mailbox"],
  every: (config) => config.RESEND_EVERY_SECONDS,
  handler: () => import("../workers/start-syncs.ts"),
});
