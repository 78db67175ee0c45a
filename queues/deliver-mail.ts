import { actor, type Static, t } from "./actor.ts";

export const DeliverMail = t.Object({ scope: t.Literal("all") });
export type DeliverMail = Static<typeof DeliverMail>;

/** Mails what is due, and digests. The rows of notification.delivery say what that is. */
export const deliverMail = actor({
  name: "deliver-mail",
  payload: DeliverMail,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 60_000,
  needs: ["db", "config"],
  every: (config) => config.RESEND_EVERY_SECONDS,
  handler: () => import("../workers/deliver-mail.ts"),
});
