import { claimMail, dropMail, isMailWaiting, releaseMail, settleMail } from "../db/mail.ts";
import { Fault } from "../fault.ts";
import type { Handle } from "../queues/actor.ts";
import type { SendMail } from "../queues/send-mail.ts";
import { composeMail } from "./compose-mail.ts";
import { refusalOf, sendLetter } from "./letter.ts";

/** Longer than a run may take: a claim that outlives it belongs to a run that is gone. */
const claimSeconds = 90;

/**
 * Sends one mail, at least once, under a Message-ID that stays the same. One run at a time: another one waits for its turn
 * and then finds it sent. Without SMTP_URL the mail stays unsent, and the operator hands out links.
 */
export const handle: Handle<SendMail, "db" | "config"> = async ({
  payload: { mailId: id },
  deps: { db, config },
  signal,
  log,
}) => {
  if (!config.SMTP_URL) return { state: "kept", reason: "SMTP_URL is not set" };
  const mail = await claimMail(db, { id, forSeconds: claimSeconds });
  if (!mail) {
    if (!(await isMailWaiting(db, id))) return { state: "settled" };
    throw new Fault("unavailable", "Cannot send the mail: another run is at it");
  }
  const drop = async (reason: string) => {
    await dropMail(db, { id, reason });
    log.info({ mailId: id, reason }, "a mail is not sent");
    return { state: "dropped", reason };
  };
  try {
    const composed = await composeMail(db, mail);
    if ("dropped" in composed) return await drop(composed.dropped);
    await sendLetter(config, { id, ...composed, base: mail.params.base ?? "", signal });
    await settleMail(db, { id, recipient: composed.to });
    log.info({ mailId: id, kind: mail.kind }, "a mail was sent");
    return { state: "sent" };
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal !== undefined) return await drop(`refused by the mail server: ${refusal}`);
    await releaseMail(db, id);
    throw error instanceof Fault
      ? error
      : new Fault("unavailable", "Cannot send the mail: the mail server did not take it", { cause: error });
  }
};
