import { actor, type Static, t } from "./actor.ts";

export const SendMail = t.Object({ mailId: t.String({ format: "uuid" }) });
export type SendMail = Static<typeof SendMail>;

/** Sends one mail. Links in it are made at that moment: neither a message nor a row ever holds a token that works. */
export const sendMail = actor({
  name: "send-mail",
  payload: SendMail,
  subject: ({ mailId }) => mailId,
  retry: { attempts: 5, backoffMs: 5_000 },
  concurrency: 4,
  timeoutMs: 60_000,
  needs: ["db", "config"],
  handler: () => import("../workers/send-mail.ts"),
});
