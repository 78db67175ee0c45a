import { actor, type Static, t } from "./actor.ts";

export const ResendStuck = t.Object({ scope: t.Literal("all") });
export type ResendStuck = Static<typeof ResendStuck>;

/** Sends again what is wanted and not done for too long, whatever the queue says of it, and a canary into each queue. */
export const resendStuck = actor({
  name: "resend-stuck",
  payload: ResendStuck,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 60_000,
  needs: ["db", "mailbox", "config"],
  every: (config) => config.RESEND_EVERY_SECONDS,
  handler: () => import("../workers/resend-stuck.ts"),
});
