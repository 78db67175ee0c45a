import { type Db, many, one } from "./query.ts";

export type AccessTokenRow = {
  id: string;
  userId: string;
  scopes: string[];
  login: string;
  roles: string[];
  ver: number;
  expiresAt: Date;
};

/** A personal access token that holds, of a user who is neither disabled nor deleted. Notes that it was used, once a minute. */
export function useAccessToken(db: Db, tokenHash: string): Promise<AccessTokenRow | undefined> {
  return one<AccessTokenRow>(db, {
    name: "access_token_use",
    text: `with used as (update account.access_token set used_at = now() where token_hash = $1 and (used_at is null or used_at < now() - interval '1 minute'))
      select t.id, t.user_id as "userId", t.scopes, u.login, u.roles, u.ver, t.expires_at as "expiresAt"
      from account.access_token t join account."user" u on u.id = t.user_id
      where t.token_hash = $1 and t.revoked_at is null and t.expires_at > now() and u.disabled_at is null and u.deleted_at is null`,
    values: [tokenHash],
  });
}

/** One that holds, locked with its user until the transaction ends: what is done in it was allowed when it was done. */
export function lockAccessToken(tx: Db, id: string): Promise<{ id: string; ver: number } | undefined> {
  return one<{ id: string; ver: number }>(tx, {
    name: "access_token_lock",
    text: `select t.id, u.ver from account."user" u join account.access_token t on u.id = t.user_id
      where t.id = $1 and t.revoked_at is null and t.expires_at > now() and u.disabled_at is null and u.deleted_at is null for share`,
    values: [id],
  });
}

type NewAccessToken = {
  id: string;
  userId: string;
  name: string;
  tokenHash: string;
  scopes: string[];
  lifetimeDays: number;
  /** How many that hold somebody may have. */
  most: number;
};

/** Undefined when its user has as many as he may. */
export function insertAccessToken(tx: Db, token: NewAccessToken): Promise<ListedToken | undefined> {
  return one<ListedToken>(tx, {
    name: "access_token_insert",
    text: `insert into account.access_token (id, user_id, name, token_hash, scopes, expires_at)
      select $1, $2, $3, $4, $5, now() + make_interval(days => $6)
      where (select count(*) from account.access_token where user_id = $2 and revoked_at is null and expires_at > now()) < $7
      returning id, name, scopes, created_at as "createdAt", expires_at as "expiresAt", used_at as "usedAt"`,
    values: [token.id, token.userId, token.name, token.tokenHash, token.scopes, token.lifetimeDays, token.most],
  });
}

export type ListedToken = {
  id: string;
  name: string;
  scopes: string[];
  createdAt: Date;
  expiresAt: Date;
  usedAt: Date | null;
};

/** Somebody's tokens that were not revoked, also expired ones, newest first. */
export function listAccessTokens(db: Db, userId: string): Promise<ListedToken[]> {
  return many<ListedToken>(db, {
    name: "access_token_list",
    text: `select id, name, scopes, created_at as "createdAt", expires_at as "expiresAt", used_at as "usedAt"
      from account.access_token where user_id = $1 and revoked_at is null order by id desc limit 500`,
    values: [userId],
  });
}

/** Ends one token of somebody's, or all of them. Answers with those that it ended. */
export function endAccessTokens(
  tx: Db,
  { userId, only }: { userId: string; only?: string },
): Promise<{ id: string; name: string }[]> {
  return many<{ id: string; name: string }>(tx, {
    name: "access_token_end",
    text: `update account.access_token set revoked_at = now()
      where user_id = $1 and revoked_at is null and ($2::uuid is null or id = $2) returning id, name`,
    values: [userId, only ?? null],
  });
}
