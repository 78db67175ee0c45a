import { type Db, many, one, run } from "./query.ts";

export type SessionKind = "web" | "launcher" | "cli" | "service";

/** A session that holds, with its user as he is now. */
export type SessionRow = {
  id: string;
  userId: string;
  kind: SessionKind;
  salt: string;
  counter: number;
  /** The OAuth client that it belongs to. */
  clientId: string | null;
  /** Null: everything that the user may do. */
  scopes: string[] | null;
  /** Whether the password (or the provider) was shown a short time ago. */
  fresh: boolean;
  /** Of a client's session: when its user showed his password. */
  authenticatedAt: Date | null;
  /** The player that it is for. */
  playerId: string | null;
  login: string;
  roles: string[];
  ver: number;
};

export type NewSession = {
  id: string;
  userId: string;
  kind: SessionKind;
  salt: string;
  device: string;
  address: string;
  clientId: string | null;
  scopes: string[] | null;
  /** Whether it begins with the password (or provider) shown on the same device. */
  fresh: boolean;
  lifetimeSeconds: number;
  /** The user's, when it is a password that opens this session. */
  passwordChanges: number | null;
  authenticatedAt?: Date | undefined;
  playerId?: string | undefined;
};

/** How long after signing in the password need not be asked for again. */
const freshMinutes = 10;

/**
 * 0 when the user is gone, or when his password was changed since `passwordChanges` was read: the lock makes such a change
 * wait, which then ends this session too.
 */
export function insertSession(db: Db, session: NewSession): Promise<number> {
  return run(db, {
    name: "session_insert",
    text: `with holds as (select id from account."user" where id = $2 and ($11::integer is null or password_changes = $11)
        and disabled_at is null and deleted_at is null for share)
      insert into account.session (id, user_id, kind, salt, device, address, client_id, scopes, expires_at, fresh_at, authenticated_at, player_id)
      select $1, id, $3, $4, $5, $6, $7, $8, now() + make_interval(secs => $9), case when $10 then now() else 'epoch' end, $12, $13 from holds`,
    values: [
      session.id,
      session.userId,
      session.kind,
      session.salt,
      session.device,
      session.address,
      session.clientId,
      session.scopes,
      session.lifetimeSeconds,
      session.fresh,
      session.passwordChanges,
      session.authenticatedAt ?? null,
      session.playerId ?? null,
    ],
  });
}

/** A session that has neither ended nor expired, of a user who is neither disabled nor deleted. */
export function findSession(db: Db, id: string): Promise<SessionRow | undefined> {
  return one<SessionRow>(db, {
    name: "session_find",
    text: `select s.id, s.user_id as "userId", s.kind, s.salt, s.counter, s.client_id as "clientId", s.scopes, s.fresh_at > now() - make_interval(mins => $2) as fresh,
        s.authenticated_at as "authenticatedAt", s.player_id as "playerId", u.login, u.roles, u.ver
      from account.session s join account."user" u on u.id = s.user_id
      where s.id = $1 and s.ended_at is null and s.expires_at > now() and u.disabled_at is null and u.deleted_at is null`,
    values: [id, freshMinutes],
  });
}

/** Somebody who signed in with a browser, and how long ago. */
export type BrowserSessionRow = { id: string; userId: string; login: string; ageSeconds: number };

/** A browser's session that holds, when it began within so many seconds. */
export function findBrowserSession(
  db: Db,
  { id, withinSeconds }: { id: string; withinSeconds: number },
): Promise<BrowserSessionRow | undefined> {
  return one<BrowserSessionRow>(db, {
    name: "session_find_browser",
    text: `select s.id, s.user_id as "userId", u.login, extract(epoch from now() - s.created_at)::integer as "ageSeconds"
      from account.session s join account."user" u on u.id = s.user_id
      where s.id = $1 and s.kind = 'web' and s.client_id is null and s.created_at > now() - make_interval(secs => $2)
        and s.ended_at is null and s.expires_at > now() and u.disabled_at is null and u.deleted_at is null`,
    values: [id, withinSeconds],
  });
}

/**
 * The same, locked until the transaction ends: what is done in it was allowed when it was done. Users are locked before
 * their sessions, here and wherever a user changes first and his sessions end then.
 */
export function lockSession(tx: Db, id: string): Promise<{ id: string; ver: number } | undefined> {
  return one<{ id: string; ver: number }>(tx, {
    name: "session_lock",
    text: `select s.id, u.ver from account."user" u join account.session s on u.id = s.user_id
      where s.id = $1 and s.ended_at is null and s.expires_at > now() and u.disabled_at is null and u.deleted_at is null for share`,
    values: [id],
  });
}

/** What the next access token of a session says. */
export type Advanced = Pick<SessionRow, "userId" | "login" | "roles" | "ver" | "scopes" | "counter">;

/**
 * Moves a session that still holds to `counter` + 1, once: undefined when somebody else did. A user who changes at this very
 * moment is answered as he was, with his former `ver`: a token of that is revoked together with the change.
 */
export function advanceSession(
  db: Db,
  { id, counter }: { id: string; counter: number },
): Promise<Advanced | undefined> {
  return one<Advanced>(db, {
    name: "session_advance",
    text: `with advanced as (update account.session set counter = counter + 1, advanced_at = now(), used_at = now()
        where id = $1 and counter = $2 and ended_at is null and expires_at > now() returning user_id, scopes, counter)
      select u.id as "userId", u.login, u.roles, u.ver, a.scopes, a.counter from advanced a join account."user" u on u.id = a.user_id
      where u.disabled_at is null and u.deleted_at is null`,
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

export function refreshSession(db: Db, id: string): Promise<number> {
  return run(db, {
    name: "session_refresh",
    text: `update account.session set fresh_at = now() where id = $1`,
    values: [id],
  });
}

export type ListedSession = {
  id: string;
  kind: SessionKind;
  device: string;
  address: string;
  clientId: string | null;
  scopes: string[] | null;
  createdAt: Date;
  usedAt: Date;
  expiresAt: Date;
  endedAt: Date | null;
  endedReason: string | null;
};

/** A user's sessions, those that hold first, then the ended ones that are kept as history. */
export function listSessions(db: Db, userId: string): Promise<ListedSession[]> {
  return many<ListedSession>(db, {
    name: "session_list",
    text: `select id, kind, device, address, client_id as "clientId", scopes, created_at as "createdAt", used_at as "usedAt",
        expires_at as "expiresAt", coalesce(ended_at, case when expires_at <= now() then expires_at end) as "endedAt",
        coalesce(ended_reason, case when ended_at is null and expires_at <= now() then 'expired' end) as "endedReason"
      from account.session where user_id = $1 order by (ended_at is null and expires_at > now()) desc, used_at desc limit 500`,
    values: [userId],
  });
}

type End = { userId: string; reason: string; only?: string; except?: string };

/** Ends a user's sessions: one (`only`), all others (`except`), or all. Answers with the ids of those that it ended. */
export async function endSessions(tx: Db, { userId, reason, only, except }: End): Promise<string[]> {
  const rows = await many<{ id: string }>(tx, {
    name: "session_end",
    text: `update account.session set ended_at = now(), ended_reason = $2
      where user_id = $1 and ended_at is null and ($3::uuid is null or id = $3) and ($4::uuid is null or id <> $4) returning id`,
    values: [userId, reason, only ?? null, except ?? null],
  });
  return rows.map(({ id }) => id);
}

/** Forgets sessions that ended or expired long ago. */
export function deleteOldSessions(db: Db, { afterDays }: { afterDays: number }): Promise<number> {
  return run(db, {
    name: "session_delete_old",
    text: `delete from account.session where ended_at < now() - make_interval(days => $1) or expires_at < now() - make_interval(days => $1)`,
    values: [afterDays],
  });
}
