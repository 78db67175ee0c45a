import { type Db, one } from "./query.ts";

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
