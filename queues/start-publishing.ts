import { actor, type Static, t } from "./actor.ts";

export const StartPublishing = t.Object({ scope: t.Literal("all") });
export type StartPublishing = Static<typeof StartPublishing>;

/** Publishes the drafts whose time has come. */
export const startPublishing = actor({
  name: "start-publishing",
  payload: StartPublishing,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 60_000,
  needs: ["db", "mailbox"],
  every: (config) => config.RESEND_EVERY_SECONDS,
  handler: () => import("../workers/start-publishing.ts"),
});
