import { type Db, one, run } from "./query.ts";

export type UserRow = { id: string; login: string; roles: string[]; passwordHash: string; disabledAt: Date | null };
export type SessionRow = { id: string; userId: string; salt: string; counter: number; login: string; roles: string[] };

/** Throws a duplicate error when the login is taken. */
export function insertUser(
  db: Db,
  user: { id: string; login: string; email: string | null; passwordHash: string; roles: string[] },
): Promise<number> {
  return run(db, {
    name: "user_insert",
    text: `insert into account."user" (id, login, email, password_hash, roles) values ($1, $2, $3, $4, $5)`,
    values: [user.id, user.login, user.email, user.passwordHash, user.roles],
  });
}

export function findUserByLogin(db: Db, login: string): Promise<UserRow | undefined> {
  return one<UserRow>(db, {
    name: "user_find_by_login",
    text: `select id, login, roles, password_hash as "passwordHash", disabled_at as "disabledAt" from account."user" where login = $1`,
    values: [login],
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
      password_hash = coalesce($3, password_hash) where login = $1 returning id`,
    values: [login, role, passwordHash],
  });
}

export function hasAdmin(db: Db): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(db, {
    name: "user_has_admin",
    text: `select id from account."user" where 'admin' = any (roles) and disabled_at is null limit 1`,
  });
}

export async function listUserIds(db: Db, logins: string[]): Promise<Map<string, string>> {
  const { rows } = await db.query({
    name: "user_list_ids",
    text: `select id, login from account."user" where login = any ($1) and disabled_at is null`,
    values: [logins],
  });
  return new Map((rows as { id: string; login: string }[]).map(({ id, login }) => [login, id]));
}

export function insertSession(
  db: Db,
  session: { id: string; userId: string; kind: string; salt: string; lifetimeSeconds: number },
): Promise<number> {
  return run(db, {
    name: "session_insert",
    text: `insert into account.session (id, user_id, kind, salt, expires_at) values ($1, $2, $3, $4, now() + make_interval(secs => $5))`,
    values: [session.id, session.userId, session.kind, session.salt, session.lifetimeSeconds],
  });
}

/** A session that has neither ended nor expired, of a user who is not disabled. */
export function findSession(db: Db, id: string): Promise<SessionRow | undefined> {
  return one<SessionRow>(db, {
    name: "session_find",
    text: `select s.id, s.user_id as "userId", s.salt, s.counter, u.login, u.roles from account.session s join account."user" u on u.id = s.user_id
      where s.id = $1 and s.ended_at is null and s.expires_at > now() and u.disabled_at is null`,
    values: [id],
  });
}

/** Moves the session to `counter` + 1, once: undefined when somebody else did. */
export function advanceSession(
  db: Db,
  { id, counter }: { id: string; counter: number },
): Promise<{ counter: number } | undefined> {
  return one<{ counter: number }>(db, {
    name: "session_advance",
    text: `update account.session set counter = counter + 1, advanced_at = now() where id = $1 and counter = $2 and ended_at is null returning counter`,
    values: [id, counter],
  });
}

/** Whether the last refresh was so short ago that its predecessor may be shown again. */
export function isRecentlyAdvanced(
  db: Db,
  { id, withinSeconds }: { id: string; withinSeconds: number },
): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(db, {
    name: "session_is_recently_advanced",
    text: `select id from account.session where id = $1 and advanced_at > now() - make_interval(secs => $2)`,
    values: [id, withinSeconds],
  });
}

export function endSession(db: Db, id: string): Promise<number> {
  return run(db, {
    name: "session_end",
    text: `update account.session set ended_at = now() where id = $1 and ended_at is null`,
    values: [id],
  });
}
