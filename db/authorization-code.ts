import { type Db, one, run } from "./query.ts";

export type NewCode = {
  codeHash: string;
  clientId: string;
  redirectUri: string;
  challenge: string;
  nonce: string | null;
  scopes: string[];
  playerId: string | null;
  /** Of the browser in which its user is signed in. */
  browserSessionId: string;
  lifetimeSeconds: number;
};

/** 0 when the browser's session has ended, or the player is not its user's: a change of the user comes before or after. */
export function insertCode(db: Db, code: NewCode): Promise<number> {
  return run(db, {
    name: "authorization_code_insert",
    text: `with holds as (select u.id, s.created_at from account."user" u join account.session s on s.user_id = u.id
        where s.id = $8 and s.ended_at is null and s.expires_at > now() and u.disabled_at is null and u.deleted_at is null for share)
      insert into account.authorization_code (code_hash, client_id, redirect_uri, challenge, nonce, scopes, user_id, player_id, authenticated_at, expires_at)
      select $1, $2, $3, $4, $5, $6, holds.id, $7, holds.created_at, clock_timestamp() + make_interval(secs => $9) from holds
      where $7::uuid is null or exists (select from player.player p where p.id = $7 and p.user_id = holds.id)`,
    values: [
      code.codeHash,
      code.clientId,
      code.redirectUri,
      code.challenge,
      code.nonce,
      code.scopes,
      code.playerId,
      code.browserSessionId,
      code.lifetimeSeconds,
    ],
  });
}

type Redemption = { codeHash: string; clientId: string; redirectUri: string; challenge: string };
export type RedeemedCode = {
  userId: string;
  scopes: string[];
  nonce: string | null;
  playerId: string | null;
  authenticatedAt: Date;
};

/** Takes a code, once: of any number of callers at the same moment one gets it. Undefined when anything does not fit. */
export function redeemCode(
  tx: Db,
  { codeHash, clientId, redirectUri, challenge }: Redemption,
): Promise<RedeemedCode | undefined> {
  return one<RedeemedCode>(tx, {
    name: "authorization_code_redeem",
    text: `with holds as (select u.id from account.authorization_code c join account."user" u on u.id = c.user_id
        where c.code_hash = $1 and u.disabled_at is null and u.deleted_at is null for share of u)
      update account.authorization_code c set used_at = clock_timestamp() from holds
      where c.code_hash = $1 and c.client_id = $2 and c.redirect_uri = $3 and c.challenge = $4 and c.user_id = holds.id
        and c.used_at is null and c.expires_at > clock_timestamp()
      returning c.user_id as "userId", c.scopes, c.nonce, c.player_id as "playerId", c.authenticated_at as "authenticatedAt"`,
    values: [codeHash, clientId, redirectUri, challenge],
  });
}

/** Notes which session a code was redeemed for. */
export function updateCodeSession(
  tx: Db,
  { codeHash, sessionId }: { codeHash: string; sessionId: string },
): Promise<number> {
  return run(tx, {
    name: "authorization_code_update_session",
    text: `update account.authorization_code set session_id = $2 where code_hash = $1`,
    values: [codeHash, sessionId],
  });
}

/** The session that a code of this client was redeemed for. */
export function findCodeSession(
  db: Db,
  { codeHash, clientId }: { codeHash: string; clientId: string },
): Promise<{ userId: string; sessionId: string } | undefined> {
  return one<{ userId: string; sessionId: string }>(db, {
    name: "authorization_code_find_session",
    text: `select user_id as "userId", session_id as "sessionId" from account.authorization_code
      where code_hash = $1 and client_id = $2 and session_id is not null`,
    values: [codeHash, clientId],
  });
}

/** Forgets codes that expired more than an hour ago. */
export function deleteOldCodes(db: Db): Promise<number> {
  return run(db, {
    name: "authorization_code_delete_old",
    text: `delete from account.authorization_code where expires_at < now() - interval '1 hour'`,
  });
}
