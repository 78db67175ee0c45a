import { findUserByName } from "../db/account.ts";
import { countRecentMails, type MailRow } from "../db/mail.ts";
import {
  type Addressee,
  findAddressee,
  findAddressOwner,
  findHiddenAddressee,
  insertLink,
  type LinkPurpose,
} from "../db/mail-link.ts";
import type { Db } from "../db/query.ts";
import { hashToken } from "../digest.ts";
import { makeSecret } from "../keys.ts";
import { type Letter, type LetterKind, writeLetter } from "./mail-texts.ts";
import { writeReports } from "./write-reports.ts";

const linkSeconds: Record<LinkPurpose, number> = { verify: 48 * 3600, reset: 3600 };
/** After that a mail says nothing that its reader still waits for. */
const staleSeconds = 24 * 3600;
/** Whoever makes us send mails can make us send an address so many of a kind. */
const perHour = 5;

/** What goes out, or why nothing does. */
export type Composed = (Letter & { to: string; kind: LetterKind }) | { dropped: string };

/**
 * Finds out whom a mail is for and what it says, at the moment of sending. A link's token is made here, goes into the text,
 * and only its SHA-256 is kept; a second run makes a second link, and both work until one is used.
 */
export async function composeMail(db: Db, mail: MailRow): Promise<Composed> {
  if (mail.ageSeconds > staleSeconds) return { dropped: "too old" };
  const { kind, recipient, params } = mail;
  const { base = "" } = params;
  const user = await findUser(db, mail);
  if (!user) return { dropped: "nobody to send it to" };
  const compose = async (as: LetterKind, { to, about = user, link, report = "" }: Details): Promise<Composed> => {
    if ((await countRecentMails(db, { kind, recipient: to })) >= perHour)
      return { dropped: "too many to this address" };
    const words = { site: base, login: about.login, email: to, link: await link(), until: params.until ?? "", report };
    return { to, kind: as, ...writeLetter(as, { locale: mail.locale, words }) };
  };
  const makeLink = (purpose: LinkPurpose, email: string) => async () => {
    const { token, tokenHash } = makeToken();
    const lifetimeSeconds = linkSeconds[purpose];
    await insertLink(db, { id: Bun.randomUUIDv7(), tokenHash, userId: user.id, purpose, email, lifetimeSeconds });
    return linkTo(base, { purpose, token });
  };
  const forgot = async () => `${base}/reset`;
  switch (kind) {
    case "verify": {
      const owner = await findAddressOwner(db, recipient);
      if (owner?.id === user.id) return { dropped: "proved already" };
      if (owner) return compose("address-taken", { to: recipient, about: owner, link: forgot });
      return compose("verify", { to: recipient, link: makeLink("verify", recipient) });
    }
    case "forgot":
      if (user.email === null || !user.verified) return { dropped: "no proved address" };
      return compose("reset", { to: user.email, link: makeLink("reset", user.email) });
    case "password-changed":
    case "email-changed":
    case "sign-in-changed":
    case "account-deleted":
      return compose(kind, { to: recipient, link: forgot });
    case "reports": {
      if (user.email === null || !user.verified) return { dropped: "no proved address" };
      const { from = "", to = "", every } = params;
      const period = {
        every: every === "month" ? ("month" as const) : ("week" as const),
        from: new Date(from),
        to: new Date(to),
      };
      const report = await writeReports(db, { userId: user.id, ...period, locale: mail.locale });
      if (report === "") return { dropped: "nothing left to report" };
      return compose(kind, { to: user.email, link: forgot, report });
    }
    default:
      return { dropped: `no text of this kind: ${kind}` };
  }
}

type Details = { to: string; about?: Addressee; link: () => Promise<string>; report?: string };

async function findUser(db: Db, { kind, params: { userId, name } }: MailRow): Promise<Addressee | undefined> {
  if (kind === "account-deleted" && userId !== undefined) return findHiddenAddressee(db, userId);
  const id = userId ?? (name === undefined ? undefined : (await findUserByName(db, name))?.id);
  return id === undefined ? undefined : findAddressee(db, id);
}

/** A token of 256 random bits, and what is kept of it. */
export function makeToken(): { token: string; tokenHash: string } {
  const token = makeSecret();
  return { token, tokenHash: hashToken(token) };
}

/** The address of a page that takes a token. Behind the # it reaches neither a server, nor its log, nor a Referer. */
export function linkTo(base: string, { purpose, token }: { purpose: LinkPurpose; token: string }): string {
  return `${base}/${purpose}#${token}`;
}
