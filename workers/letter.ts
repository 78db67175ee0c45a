import type { Config } from "../config.ts";
import { Fault, hasCode } from "../fault.ts";
import { openTransport } from "./smtp.ts";

export type Letter = {
  /** Of its Message-ID, so that a second delivery is seen as one. */
  id: string;
  to: string;
  subject: string;
  text: string;
  /** Address of this server: its host is in the Message-ID. */
  base: string;
  headers?: Record<string, string>;
  /** A calendar to go with it (RFC 5545). */
  calendar?: { method: "REQUEST" | "CANCEL" | "PUBLISH"; content: string } | undefined;
  signal: AbortSignal;
};

/** Sends one mail by SMTP_URL. Throws what the server answered, or `unavailable` when the signal ends it. */
export async function sendLetter(config: Config, letter: Letter): Promise<void> {
  const { id, to, subject, text, base, headers = {}, calendar, signal } = letter;
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
      headers: { "auto-submitted": "auto-generated", ...headers }, // RFC 3834, 5: no answers by machines
      ...(calendar && { icalEvent: { ...calendar, filename: "event.ics" } }),
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
export function refusalOf(error: unknown): number | undefined {
  if (!hasCode(error, "EENVELOPE", "EMESSAGE") || !(error instanceof Error) || !("responseCode" in error))
    return undefined;
  if ("command" in error && error.command === "MAIL FROM") return undefined;
  const code = Number(error.responseCode);
  return code >= 500 && code < 600 ? code : undefined;
}
