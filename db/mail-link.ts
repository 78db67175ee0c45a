import { type Db, many, one, run } from "./query.ts";

/** What a link is for: to prove an address, or to set a new password. */
export type LinkPurpose = "verify" | "reset";

export type NewLink = {
  id: string;
  /** SHA-256 of the token, hex. */
  tokenHash: string;
  userId: string;
  purpose: LinkPurpose;
  email: string;
  lifetimeSeconds: number;
};

export function insertLink(db: Db, link: NewLink): Promise<number> {
  return run(db, {
    name: "mail_link_insert",
    text: `insert into account.mail_link (id, token_hash, user_id, purpose, email, expires_at)
      values ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))`,
    values: [link.id, link.tokenHash, link.userId, link.purpose, link.email, link.lifetimeSeconds],
  });
}

type Asked = { tokenHash: string; purpose: LinkPurpose };
export type LinkRow = { id: string; userId: string; email: string; login: string; passwordChanges: number };

/** A link that may still be used, with its user. */
export function findLink(db: Db, { tokenHash, purpose }: Asked): Promise<LinkRow | undefined> {
  return one<LinkRow>(db, {
    name: "mail_link_find",
    text: `select l.id, l.user_id as "userId", l.email, u.login, u.password_changes as "passwordChanges"
      from account.mail_link l join account."user" u on u.id = l.user_id
      where l.token_hash = $1 and l.purpose = $2 and l.used_at is null and l.expires_at > now()
        and u.disabled_at is null and u.deleted_at is null`,
    values: [tokenHash, purpose],
  });
}

/** Uses up all links of a user for a purpose, and answers with their ids: of concurrent callers one gets any. */
export async function useLinks(
  tx: Db,
  { userId, purpose }: { userId: string; purpose: LinkPurpose },
): Promise<string[]> {
  // Locked in one order first: two links of one user may be used at the same time.
  const rows = await many<{ id: string }>(tx, {
    name: "mail_link_lock",
    text: `select id from account.mail_link where user_id = $1 and purpose = $2 and used_at is null and expires_at > now() order by id for update`,
    values: [userId, purpose],
  });
  const ids = rows.map(({ id }) => id);
  await run(tx, {
    name: "mail_link_use",
    text: `update account.mail_link set used_at = now() where id = any ($1::uuid[])`,
    values: [ids],
  });
  return ids;
}

/** Forgets links that expired that long ago. */
export function deleteOldLinks(db: Db, { afterDays }: { afterDays: number }): Promise<number> {
  return run(db, {
    name: "mail_link_delete_old",
    text: `delete from account.mail_link where expires_at < now() - make_interval(days => $1)`,
    values: [afterDays],
  });
}

/** Somebody to whom a mail goes. */
export type Addressee = { id: string; login: string; email: string | null; verified: boolean; locale: string };

const addressee = `id, login, email, email_verified_at is not null as verified, locale`;

export function findAddressee(db: Db, id: string): Promise<Addressee | undefined> {
  return one<Addressee>(db, {
    name: "addressee_find",
    text: `select ${addressee} from account."user" where id = $1 and disabled_at is null and deleted_at is null`,
    values: [id],
  });
}

/** Somebody whose account is deleted and not yet erased: he is told so. */
export function findHiddenAddressee(db: Db, id: string): Promise<Addressee | undefined> {
  return one<Addressee>(db, {
    name: "addressee_find_hidden",
    text: `select ${addressee} from account."user" where id = $1 and deleted_at is not null and erase_after is not null`,
    values: [id],
  });
}

/** Whoever proved that an address is his, if anybody did. */
export function findAddressOwner(db: Db, email: string): Promise<Addressee | undefined> {
  return one<Addressee>(db, {
    name: "addressee_find_owner",
    text: `select ${addressee} from account."user" where email = $1 and email_verified_at is not null`,
    values: [email],
  });
}

/**
 * Notes that an address is a user's, and answers with the proved one that he had before, if any. A duplicate error when
 * somebody else has proved it.
 */
export async function verifyEmail(
  tx: Db,
  { userId, email }: { userId: string; email: string },
): Promise<{ before: string | null; locale: string } | undefined> {
  // Users are locked first; the one that is updated is not seen as it was by a single statement.
  const before = await one<{ before: string | null; locale: string }>(tx, {
    name: "addressee_lock",
    text: `select case when email_verified_at is not null then email end as before, locale
      from account."user" where id = $1 and disabled_at is null and deleted_at is null for no key update`,
    values: [userId],
  });
  await run(tx, {
    name: "addressee_verify",
    text: `update account."user" set email = $2, email_verified_at = now() where id = $1 and disabled_at is null and deleted_at is null`,
    values: [userId, email],
  });
  return before;
}
