import type { UserRow } from "./account.ts";
import { type Db, many, one } from "./query.ts";

type HiddenUser = { ver: number; eraseAfter: Date /** Proved. */; email: string | null; locale: string };

/** Hides an account until it is erased, and raises its counter. Undefined when it is hidden already. */
export function hideUser(
  tx: Db,
  { id, eraseAfterDays }: { id: string; eraseAfterDays: number },
): Promise<HiddenUser | undefined> {
  return one<HiddenUser>(tx, {
    name: "user_hide",
    text: `update account."user" set deleted_at = now(), erase_after = now() + make_interval(secs => $2), ver = ver + 1
      where id = $1 and deleted_at is null 
      returning ver, erase_after as "eraseAfter", case when email_verified_at is not null then email end as email, locale`,
    values: [id, eraseAfterDays * 24 * 3600],
  });
}

/** An account that was deleted and can still be had back, by login or proved e-mail address. */
export function findHiddenUserByName(db: Db, name: string): Promise<UserRow | undefined> {
  return one<UserRow>(db, {
    name: "user_find_hidden",
    text: `select id, login, roles, ver, password_hash as "passwordHash", email, locale, totp_confirmed_at is not null as "secondFactor",
        password_changes as "passwordChanges"
      from account."user"
      where (login = $1 or (email = $1 and email_verified_at is not null)) and disabled_at is null and deleted_at is not null and erase_after > now()
      order by (login = $1) desc limit 1`,
    values: [name],
  });
}

/** Shows a hidden account again, unless its time is over: then undefined. */
export function restoreUser(tx: Db, id: string): Promise<{ id: string; ver: number } | undefined> {
  return one<{ id: string; ver: number }>(tx, {
    name: "user_restore",
    text: `update account."user" set deleted_at = null, erase_after = null, ver = ver + 1
      where id = $1 and deleted_at is not null and erase_after > now() returning id, ver`,
    values: [id],
  });
}

/** Slugs of the packs that are somebody's, or his organizations', and not deleted: what shows them changes with him. */
export async function listOwnedSlugs(db: Db, userId: string): Promise<string[]> {
  const rows = await many<{ slug: string }>(db, {
    name: "pack_list_owned_slugs",
    text: `select slug from pack.pack where owner_id = $1 and deleted_at is null
      union select p.slug from organization.member m join pack.pack p on p.organization_id = m.organization_id where m.user_id = $1 and p.deleted_at is null`,
    values: [userId],
  });
  return rows.map(({ slug }) => slug);
}

/** Takes hidden accounts whose time is over: from now on nothing brings them back. Answers with their ids. */
export async function doomHiddenUsers(tx: Db, limit: number): Promise<string[]> {
  const rows = await many<{ id: string }>(tx, {
    name: "user_doom",
    text: `update account."user" set erase_after = null where id in (
        select id from account."user" where erase_after <= now() and deleted_at is not null order by erase_after limit $1 for update skip locked)
      returning id`,
    values: [limit],
  });
  return rows.map(({ id }) => id);
}

/** An account that is hidden for good, erased or not: anything else must not be erased. */
export function findDoomedUser(db: Db, id: string): Promise<{ login: string; email: string | null } | undefined> {
  return one<{ login: string; email: string | null }>(db, {
    name: "user_find_doomed",
    text: `select login, email from account."user" where id = $1 and deleted_at is not null and erase_after is null`,
    values: [id],
  });
}
