import { actor, type Static, t } from "./actor.ts";

export const DeliverTelegram = t.Object({ scope: t.Literal("all") });
export type DeliverTelegram = Static<typeof DeliverTelegram>;

/** Writes what is due on Telegram, and reads who wants to be linked. The rows of notification.delivery say what that is. */
export const deliverTelegram = actor({
  name: "deliver-telegram",
  payload: DeliverTelegram,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 60_000,
  needs: ["db", "config"],
  every: (config) => config.RESEND_EVERY_SECONDS,
  handler: () => import("../workers/deliver-telegram.ts"),
});
