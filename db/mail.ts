import { type Db, one, run } from "./query.ts";

/** A mail as its texts need it. `params` names rows and addresses, never a token. */
export type MailRow = {
  id: string;
  kind: string;
  /** Empty when only sending finds out who it is. */
  recipient: string;
  locale: string;
  params: Record<string, string>;
  ageSeconds: number;
};

/** Writes a mail that is to be sent, in the transaction that makes it necessary. */
export function insertMail(tx: Db, mail: Omit<MailRow, "ageSeconds">): Promise<number> {
  return run(tx, {
    name: "mail_insert",
    text: `insert into mail.mail (id, kind, recipient, locale, params) values ($1, $2, $3, $4, $5)`,
    values: [mail.id, mail.kind, mail.recipient, mail.locale, JSON.stringify(mail.params)],
  });
}

/** Takes a mail for one run, for so long. Undefined when it is settled, or another run has it. */
export function claimMail(
  db: Db,
  { id, forSeconds }: { id: string; forSeconds: number },
): Promise<MailRow | undefined> {
  return one<MailRow>(db, {
    name: "mail_claim",
    text: `update mail.mail set claimed_until = clock_timestamp() + make_interval(secs => $2)
      where id = $1 and sent_at is null and dropped is null and (claimed_until is null or claimed_until < clock_timestamp())
      returning id, kind, recipient, locale, params, extract(epoch from now() - created_at)::float8 as "ageSeconds"`,
    values: [id, forSeconds],
  });
}

/** Whether a mail is still to be sent, by whichever run. */
export function isMailWaiting(db: Db, id: string): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(db, {
    name: "mail_is_waiting",
    text: `select id from mail.mail where id = $1 and sent_at is null and dropped is null`,
    values: [id],
  });
}

/** Gives a mail back that could not be sent for now. */
export function releaseMail(db: Db, id: string): Promise<number> {
  return run(db, {
    name: "mail_release",
    text: `update mail.mail set claimed_until = null where id = $1 and sent_at is null`,
    values: [id],
  });
}

export function settleMail(db: Db, { id, recipient }: { id: string; recipient: string }): Promise<number> {
  return run(db, {
    name: "mail_settle",
    text: `update mail.mail set sent_at = now(), recipient = $2 where id = $1 and sent_at is null`,
    values: [id, recipient],
  });
}

/** Marks a mail that will never be sent, and why. */
export function dropMail(db: Db, { id, reason }: { id: string; reason: string }): Promise<number> {
  return run(db, {
    name: "mail_drop",
    text: `update mail.mail set dropped = $2 where id = $1 and sent_at is null`,
    values: [id, reason],
  });
}

/** How many mails of a kind were sent to an address within the hour. */
export async function countRecentMails(
  db: Db,
  { kind, recipient }: { kind: string; recipient: string },
): Promise<number> {
  const row = await one<{ count: number }>(db, {
    name: "mail_count_recent",
    text: `select count(*) as count from mail.mail where recipient = $1 and kind = $2 and sent_at > now() - interval '1 hour'`,
    values: [recipient, kind],
  });
  return row?.count ?? 0;
}

/** Forgets mails, sent or not: they hold addresses. */
export function deleteOldMails(db: Db, { afterDays }: { afterDays: number }): Promise<number> {
  return run(db, {
    name: "mail_delete_old",
    text: `delete from mail.mail where created_at < now() - make_interval(days => $1)`,
    values: [afterDays],
  });
}
