import { type Db, one, run } from "./query.ts";

/** A user as signing in needs him. Disabled and deleted ones count as unknown. */
export type UserRow = {
  id: string;
  login: string;
  roles: string[];
  ver: number;
  passwordHash: string | null;
  email: string | null;
  locale: string;
  secondFactor: boolean;
  /** How often the password was changed: a sign-in that began before the last time is refused. */
  passwordChanges: number;
};

const columns = `id, login, roles, ver, password_hash as "passwordHash", email, locale, totp_confirmed_at is not null as "secondFactor",
  password_changes as "passwordChanges"`;

/** Throws a duplicate error when the login is taken. */
export function insertUser(
  db: Db,
  user: {
    id: string;
    login: string;
    email: string | null;
    passwordHash: string | null;
    roles: string[];
    locale?: string;
  },
): Promise<number> {
  return run(db, {
    name: "user_insert",
    text: `insert into account."user" (id, login, email, password_hash, roles, locale) values ($1, $2, $3, $4, $5, $6)`,
    values: [user.id, user.login, user.email, user.passwordHash, user.roles, user.locale ?? "en"],
  });
}

/** Changes a password, once: undefined when it was changed since `passwordChanges` was read, or the user is gone. */
export function changePassword(
  tx: Db,
  { id, passwordChanges, passwordHash }: { id: string; passwordChanges: number; passwordHash: string },
): Promise<{ email: string | null; locale: string } | undefined> {
  return one<{ email: string | null; locale: string }>(tx, {
    name: "user_change_password",
    text: `update account."user" set password_hash = $3, password_changes = password_changes + 1
      where id = $1 and password_changes = $2 and disabled_at is null and deleted_at is null
      returning case when email_verified_at is not null then email end as email, locale`,
    values: [id, passwordChanges, passwordHash],
  });
}

/** By login name, or by an e-mail address that was proved. */
export function findUserByName(db: Db, name: string): Promise<UserRow | undefined> {
  return one<UserRow>(db, {
    name: "user_find_by_name",
    text: `select ${columns} from account."user"
      where (login = $1 or (email = $1 and email_verified_at is not null)) and disabled_at is null and deleted_at is null
      order by (login = $1) desc limit 1`,
    values: [name],
  });
}

export function findUser(db: Db, id: string): Promise<UserRow | undefined> {
  return one<UserRow>(db, {
    name: "user_find",
    text: `select ${columns} from account."user" where id = $1 and disabled_at is null and deleted_at is null`,
    values: [id],
  });
}

/** Writes a new hash of the same password, made with today's parameters, unless the password was changed meanwhile. */
export function updatePasswordHash(
  db: Db,
  { id, before, after }: { id: string; before: string; after: string },
): Promise<number> {
  return run(db, {
    name: "user_update_password_hash",
    text: `update account."user" set password_hash = $3 where id = $1 and password_hash = $2`,
    values: [id, before, after],
  });
}

/** Gives a user a role and, when one is named, a new password. Undefined when there is no such login. */
export function updateUser(
  db: Db,
  { login, role, passwordHash }: { login: string; role: string; passwordHash: string | null },
): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(db, {
    name: "user_update_role",
    text: `update account."user" set roles = case when $2 = any (roles) then roles else roles || $2::text end,
      password_hash = coalesce($3, password_hash), password_changes = password_changes + case when $3::text is null then 0 else 1 end where login = $1 returning id`,
    values: [login, role, passwordHash],
  });
}

export function hasAdmin(db: Db): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(db, {
    name: "user_has_admin",
    text: `select id from account."user" where 'admin' = any (roles) and disabled_at is null and deleted_at is null limit 1`,
  });
}

export async function listUserIds(db: Db, logins: string[]): Promise<Map<string, string>> {
  const { rows } = await db.query({
    name: "user_list_ids",
    text: `select id, login from account."user" where login = any ($1) and disabled_at is null and deleted_at is null`,
    values: [logins],
  });
  return new Map((rows as { id: string; login: string }[]).map(({ id, login }) => [login, id]));
}
