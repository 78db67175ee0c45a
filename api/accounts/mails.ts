import { insertMail } from "../../db/mail.ts";
import { findAddressee } from "../../db/mail-link.ts";
import { insertFact } from "../../db/outbox.ts";
import type { Db } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import type { Message } from "../../queues/actor.ts";
import { want } from "../../queues/mailbox.ts";
import { sendMail } from "../../queues/send-mail.ts";

export type MailKind =
  | "verify"
  | "forgot"
  | "password-changed"
  | "email-changed"
  | "sign-in-changed"
  | "account-deleted";

type NewMail = {
  /** Address that links begin with. */
  base: string;
  kind: MailKind;
  recipient?: string;
  locale: string;
  params: { userId: string; until?: string } | { name: string };
};

/**
 * Writes a mail in the transaction that makes it necessary. Send the message it returns with `postMail` after the commit.
 * Whether anything goes out, and to whom, is found out by the worker: an answer takes as long for an unknown address.
 */
export async function writeMail(tx: Db, { base, kind, recipient = "", locale, params }: NewMail): Promise<Message> {
  const id = Bun.randomUUIDv7();
  await insertMail(tx, { id, kind, recipient, locale, params: { ...params, base } });
  return want(tx, sendMail, { payload: { mailId: id } });
}

/** States that a user signs in in another way now, and writes a note to his proved address, if he has one: see `writeMail`. */
export async function writeSignInNotice(
  tx: Db,
  { base, userId }: { base: string; userId: string },
): Promise<Message | undefined> {
  await insertFact(tx, { kind: "user.sign-in-changed", payload: { userId } });
  const user = await findAddressee(tx, userId);
  if (!user?.verified || user.email === null) return undefined;
  const { email: recipient, locale } = user;
  return writeMail(tx, { base, kind: "sign-in-changed", recipient, locale, params: { userId } });
}

/** Tells the workers of a mail that was written, if one was. */
export async function postMail({ mailbox }: Pick<Deps, "mailbox">, message: Message | undefined): Promise<void> {
  if (message) await mailbox.send(sendMail.name, message);
}
