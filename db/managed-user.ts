import { type Db, many, one, run } from "./query.ts";

/** A user as admins see him, also disabled and hidden ones. */
export type ManagedUserRow = {
  id: string;
  login: string;
  displayName: string;
  email: string | null;
  emailVerified: boolean;
  roles: string[];
  secondFactor: boolean;
  createdAt: Date;
  disabledAt: Date | null;
  deletedAt: Date | null;
  /** When a hidden account is erased. */
  eraseAfter: Date | null;
};

const columns = `u.id, u.login, u.display_name as "displayName", u.email, u.email_verified_at is not null as "emailVerified", u.roles,
  u.totp_confirmed_at is not null as "secondFactor", u.created_at as "createdAt", u.disabled_at as "disabledAt", u.deleted_at as "deletedAt",
  u.erase_after as "eraseAfter"`;

/** By login; `query` is a LIKE pattern for login, name and address, `after` the login that the page before ended with. Erased ones are gone. */
export function listManagedUsers(
  db: Db,
  { query, after, limit }: { query: string | null; after: string | null; limit: number },
): Promise<ManagedUserRow[]> {
  return many<ManagedUserRow>(db, {
    name: "managed_user_list",
    text: `select ${columns} from account."user" u
      where ($1::text is null or u.login ilike $1 or u.display_name ilike $1 or u.email ilike $1) and ($2::text is null or u.login > $2)
        and (u.deleted_at is null or u.erase_after is not null)
      order by u.login limit $3`,
    values: [query, after, limit],
  });
}

export function findManagedUser(db: Db, id: string): Promise<ManagedUserRow | undefined> {
  return one<ManagedUserRow>(db, {
    name: "managed_user_find",
    text: `select ${columns} from account."user" u where u.id = $1 and (u.deleted_at is null or u.erase_after is not null)`,
    values: [id],
  });
}

/**
 * Lets one transaction at a time decide who is an admin: whoever counts the others sees all that was decided before. Take
 * it before any row, so that two never wait for each other.
 */
export function lockAdministration(tx: Db): Promise<number> {
  return run(tx, {
    name: "administration_lock",
    text: `select pg_advisory_xact_lock(hashtext('sunduk administration'))`,
  });
}

/** Somebody else who is an admin and can sign in, when there is one. A service with the role is nobody. */
export function findOtherAdmin(tx: Db, id: string): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(tx, {
    name: "managed_user_find_other_admin",
    text: `select id from account."user" u where 'admin' = any (roles) and id <> $1 and disabled_at is null and deleted_at is null
        and (password_hash is not null or exists (select from account.identity i where i.user_id = u.id)) limit 1`,
    values: [id],
  });
}

/** Writes roles and whether he is disabled, and raises his counter: access tokens made before are refused. */
export function updateManagedUser(
  tx: Db,
  { id, roles, disabled }: { id: string; roles: string[]; disabled: boolean },
): Promise<{ ver: number } | undefined> {
  return one<{ ver: number }>(tx, {
    name: "managed_user_update",
    text: `update account."user" set roles = $2, ver = ver + 1,
        disabled_at = case when $3 then coalesce(disabled_at, now()) end
      where id = $1 returning ver`,
    values: [id, roles, disabled],
  });
}
