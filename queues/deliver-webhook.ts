import { actor, type Static, t } from "./actor.ts";

export const DeliverWebhook = t.Object({ scope: t.Literal("all") });
export type DeliverWebhook = Static<typeof DeliverWebhook>;

/** Posts what is due to webhooks and to Discord. The rows of notification.delivery say what that is. */
export const deliverWebhook = actor({
  name: "deliver-webhook",
  payload: DeliverWebhook,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 60_000,
  needs: ["db", "config"],
  every: (config) => config.RESEND_EVERY_SECONDS,
  handler: () => import("../workers/deliver-webhook.ts"),
});
