import { actor, type Static, t } from "./actor.ts";

export const DeliverPush = t.Object({ scope: t.Literal("all") });
export type DeliverPush = Static<typeof DeliverPush>;

/** Sends what is due to browsers by Web Push. The rows of notification.delivery say what that is. */
export const deliverPush = actor({
  name: "deliver-push",
  payload: DeliverPush,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 60_000,
  needs: ["db", "config"],
  every: (config) => config.RESEND_EVERY_SECONDS,
  handler: () => import("../workers/deliver-push.ts"),
});
