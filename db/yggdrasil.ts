import { type Db, many, one, run } from "./query.ts";

/** A token is good for so long after it was issued, and may be exchanged for another for so long. */
export const goodDays = 15;
const refreshableDays = 30;
/** A game server has to ask within so many seconds after its player said where he goes. */
const joinSeconds = 30;

/** A token that may at least be refreshed, of a session that holds, opened with a password that does. */
export type GameToken = {
  sessionId: string;
  userId: string;
  login: string;
  locale: string;
  ver: number;
  /** Of the session: one of OAuth, or that of games which sign in with a password. */
  clientId: string;
  clientToken: string;
  playerId: string | null;
  /** Today's. */
  playerName: string | null;
  /** False: it may only be refreshed, because it is old or its player has another name. */
  good: boolean;
};

const columns = `t.session_id as "sessionId", u.id as "userId", u.login, u.locale, u.ver, coalesce(s.client_id, '') as "clientId", t.client_token as "clientToken", t.player_id as "playerId",
    p.name as "playerName", (t.issued_at > now() - make_interval(days => $2) and t.player_name is not distinct from p.name) as good
  from yggdrasil.token t join account.session s on s.id = t.session_id join account."user" u on u.id = s.user_id
    left join player.player p on p.id = t.player_id left join account.app_password a on a.id = t.app_password_id
  where t.token_hash = $1 and t.issued_at > now() - make_interval(days => $3) and s.ended_at is null and s.expires_at > now()
    and u.disabled_at is null and u.deleted_at is null and (a.expires_at is null or a.expires_at > now())`;

/** What a token stands for. Asked of the database at each use, so that it ends with its session at once. */
export function findGameToken(db: Db, hash: string): Promise<GameToken | undefined> {
  return one<GameToken>(db, {
    name: "game_token_find",
    text: `select ${columns}`,
    values: [hash, goodDays, refreshableDays],
  });
}

/**
 * The same, held until the transaction ends: of two who refresh it one finds it. The session first, as whoever ends sessions
 * and then deletes an app password does: else each would wait for the other.
 */
export function lockGameToken(tx: Db, hash: string): Promise<GameToken | undefined> {
  return one<GameToken>(tx, {
    name: "game_token_lock",
    text: `select ${columns} for no key update of s, t`,
    values: [hash, goodDays, refreshableDays],
  });
}

/** Whom a token stands for beyond games, when a client was given it with scopes. */
export type GameCaller = {
  userId: string;
  login: string;
  roles: string[];
  ver: number;
  sessionId: string;
  clientId: string;
  scopes: string[];
};

export function findGameCaller(db: Db, hash: string): Promise<GameCaller | undefined> {
  return one<GameCaller>(db, {
    name: "game_token_find_caller",
    text: `select u.id as "userId", u.login, u.roles, u.ver, s.id as "sessionId", coalesce(s.client_id, '') as "clientId", s.scopes
      from yggdrasil.token t join account.session s on s.id = t.session_id join account."user" u on u.id = s.user_id
      where t.token_hash = $1 and t.issued_at > now() - make_interval(days => $2) and s.scopes is not null
        and s.ended_at is null and s.expires_at > now() and u.disabled_at is null and u.deleted_at is null`,
    values: [hash, goodDays],
  });
}

type NewToken = {
  sessionId: string;
  hash: string;
  clientToken: string;
  player: { id: string; name: string } | undefined;
  appPasswordId: string | null;
};

export function insertGameToken(tx: Db, token: NewToken): Promise<number> {
  const { sessionId, hash, clientToken, player, appPasswordId } = token;
  return run(tx, {
    name: "game_token_insert",
    text: `insert into yggdrasil.token (session_id, token_hash, client_token, player_id, player_name, app_password_id) values ($1, $2, $3, $4, $5, $6)`,
    values: [sessionId, hash, clientToken, player?.id ?? null, player?.name ?? null, appPasswordId],
  });
}

/** Puts another token into the place of the former, of a session that is in use by this. */
export function replaceGameToken(
  tx: Db,
  { sessionId, hash, player }: Pick<NewToken, "sessionId" | "hash" | "player">,
): Promise<number> {
  return run(tx, {
    name: "game_token_replace",
    text: `with used as (update account.session set used_at = now() where id = $1 returning id)
      update yggdrasil.token t set token_hash = $2, player_id = $3, player_name = $4, issued_at = now() from used where t.session_id = used.id`,
    values: [sessionId, hash, player?.id ?? null, player?.name ?? null],
  });
}

/** Somebody's sessions in games, the newest first, without the first `skip`; of one app password when it is named. */
export async function listGameSessions(
  db: Db,
  { userId, skip = 0, appPasswordId }: { userId: string; skip?: number; appPasswordId?: string },
): Promise<string[]> {
  const rows = await many<{ id: string }>(db, {
    name: "game_session_list",
    text: `select s.id from account.session s join yggdrasil.token t on t.session_id = s.id
      where s.user_id = $1 and s.ended_at is null and ($3::uuid is null or t.app_password_id = $3)
      order by t.issued_at desc, s.id desc offset $2 limit 1000`,
    values: [userId, skip, appPasswordId ?? null],
  });
  return rows.map(({ id }) => id);
}

type Joining = { playerId: string; sessionId: string; serverId: string; address: string };

/** Notes where a player goes: one place at a time. */
export function keepJoining(db: Db, { playerId, sessionId, serverId, address }: Joining): Promise<number> {
  return run(db, {
    name: "joining_keep",
    text: `insert into yggdrasil.joining (player_id, session_id, server_id, address) values ($1, $2, $3, $4)
      on conflict (player_id) do update set session_id = excluded.session_id, server_id = excluded.server_id, address = excluded.address, joined_at = now()`,
    values: [playerId, sessionId, serverId, address],
  });
}

/**
 * Whether that player is on his way to that server, once: his id, or undefined. His name to the letter, since servers with an
 * older authlib call him as they asked. `address`: of the player, as the server sees it.
 */
export function takeJoining(
  db: Db,
  { name, serverId, address }: { name: string; serverId: string; address: string | null },
): Promise<{ playerId: string } | undefined> {
  return one<{ playerId: string }>(db, {
    name: "joining_take",
    text: `delete from yggdrasil.joining j using player.player p, account.session s, account."user" u
      where p.name_folded = lower($1) and p.name = $1 and j.player_id = p.id and j.server_id = $2 and j.joined_at > now() - make_interval(secs => $4)
        and ($3::text is null or j.address = $3) and s.id = j.session_id and s.ended_at is null and s.expires_at > now()
        and u.id = s.user_id and u.disabled_at is null and u.deleted_at is null
      returning j.player_id as "playerId"`,
    values: [name, serverId, address, joinSeconds],
  });
}

/** Forgets who has joined nothing. */
export function deleteOldJoinings(db: Db): Promise<number> {
  return run(db, {
    name: "joining_delete_old",
    text: `delete from yggdrasil.joining where joined_at < now() - interval '1 hour'`,
  });
}
