import { type Db, many, one, run } from "./query.ts";

export type ServerTokenRow = { id: string; name: string; createdAt: Date; usedAt: Date | null };

/** Keeps a game server's token of an event: 0 when the event has too many. */
export function insertServerToken(
  db: Db,
  token: { id: string; eventId: string; name: string; tokenHash: string; most: number },
): Promise<number> {
  return run(db, {
    name: "server_token_insert",
    text: `insert into event.server_token (id, event_id, name, token_hash) select $1, $2, $3, $4
      where (select count(*) from event.server_token where event_id = $2 and revoked_at is null) < $5`,
    values: [token.id, token.eventId, token.name, token.tokenHash, token.most],
  });
}

export function listServerTokens(db: Db, eventId: string): Promise<ServerTokenRow[]> {
  return many<ServerTokenRow>(db, {
    name: "server_token_list",
    text: `select id, name, created_at as "createdAt", used_at as "usedAt" from event.server_token where event_id = $1 and revoked_at is null order by id`,
    values: [eventId],
  });
}

export function revokeServerToken(db: Db, { id, eventId }: { id: string; eventId: string }): Promise<number> {
  return run(db, {
    name: "server_token_revoke",
    text: `update event.server_token set revoked_at = now() where id = $1 and event_id = $2 and revoked_at is null`,
    values: [id, eventId],
  });
}

/** The event that a token speaks for, if it is that one; notes the use. */
export function useServerToken(
  db: Db,
  { tokenHash, slug }: { tokenHash: string; slug: string },
): Promise<{ eventId: string } | undefined> {
  return one(db, {
    name: "server_token_use",
    text: `update event.server_token t set used_at = now() from event.event e
      where t.token_hash = $1 and t.revoked_at is null and e.id = t.event_id and e.slug = $2 and e.deleted_at is null returning e.id as "eventId"`,
    values: [tokenHash, slug],
  });
}
