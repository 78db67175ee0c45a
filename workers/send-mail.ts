import type { Config } from "../config.ts";
import { claimMail, dropMail, isMailWaiting, releaseMail, settleMail } from "../db/mail.ts";
import { Fault, hasCode } from "../fault.ts";
import type { Handle } from "../queues/actor.ts";
import type { SendMail } from "../queues/send-mail.ts";
import { type Composed, composeMail } from "./compose-mail.ts";
import { openTransport } from "./smtp.ts";

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
    await send(config, { id, composed, base: mail.params.base ?? "", signal });
    await settleMail(db, { id, recipient: composed.to });
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

type Sending = { id: string; composed: Exclude<Composed, { dropped: string }>; base: string; signal: AbortSignal };

async function send(config: Config, { id, composed: { to, subject, text }, base, signal }: Sending): Promise<void> {
  const transport = openTransport(config.SMTP_URL ?? "");
  const stop = Promise.withResolvers<never>();
  const abort = () => stop.reject(new Fault("unavailable", "Cannot send the mail: this run was stopped"));
  signal.addEventListener("abort", abort, { once: true });
  try {
    const sending = transport.sendMail({
      from: config.MAIL_FROM,
      to: { name: "", address: to }, // as an object it is one address, whatever characters it has
      subject,
      text: `${text}\n`,
      messageId: `<${id}@${hostOf(base)}>`,
      headers: { "auto-submitted": "auto-generated" }, // RFC 3834, 5: no answers by machines
    });
    sending.catch(() => undefined); // told by the race; a late failure is nobody's
    await Promise.race([sending, stop.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
    transport.close();
  }
}

function hostOf(base: string): string {
  return URL.canParse(base) ? new URL(base).hostname.replace(/^\[|\]$/g, "") : "sunduk.invalid";
}

/** The code with which a server refuses this mail for good (RFC 5321, 4.2.1: 5yz), and not us or our sender. */
function refusalOf(error: unknown): number | undefined {
  if (!hasCode(error, "EENVELOPE", "EMESSAGE") || !(error instanceof Error) || !("responseCode" in error))
    return undefined;
  if ("command" in error && error.command === "MAIL FROM") return undefined;
  const code = Number(error.responseCode);
  return code >= 500 && code < 600 ? code : undefined;
}
