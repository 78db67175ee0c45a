import { actor, type Static, t } from "./actor.ts";

export const SendReports = t.Object({ scope: t.Literal("all") });
export type SendReports = Static<typeof SendReports>;

/** Writes mails with the reports of weeks and months that have ended. */
export const sendReports = actor({
  name: "send-reports",
  payload: SendReports,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 60_000,
  needs: ["db", "mailbox", "publicUrl"],
  every: (config) => Math.max(300, config.ROLL_UP_EVERY_SECONDS),
  handler: () => import("../workers/send-reports.ts"),
});
