import { insertServerToken, listServerTokens, revokeServerToken } from "../../db/server-token.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { makeSecret } from "../../keys.ts";
import type { Api } from "../api.ts";
import type { Caller } from "../tokens.ts";
import { requireOrganizer } from "./service.ts";

const most = 20;
type Asked = { caller: Caller; slug: string };

/** Makes a token with which a game server tells who has joined. It is shown once. */
export async function addServer(
  { db }: Pick<Api, "db">,
  { caller, slug, name }: Asked & { name: string },
): Promise<{ id: string; name: string; token: string }> {
  const eventId = await requireOrganizer(db, { caller, slug });
  const token = makeSecret();
  const id = Bun.randomUUIDv7();
  const tokenHash = hashToken(token);
  if ((await insertServerToken(db, { id, eventId, name, tokenHash, most })) === 0)
    throw new Fault("conflict", `Cannot add a server: an event has at most ${most}. Remove one first`);
  return { id, name, token };
}

export async function listServers({ db }: Pick<Api, "db">, asked: Asked) {
  const items = await listServerTokens(db, await requireOrganizer(db, asked));
  return {
    items: items.map(({ id, name, createdAt, usedAt }) => ({
      id,
      name,
      createdAt: createdAt.toISOString(),
      usedAt: usedAt?.toISOString() ?? null,
    })),
  };
}

export async function removeServer({ db }: Pick<Api, "db">, { id, ...asked }: Asked & { id: string }): Promise<void> {
  const eventId = await requireOrganizer(db, asked);
  if ((await revokeServerToken(db, { id, eventId })) === 0)
    throw new Fault("not-found", "There is no such server of this event");
}
