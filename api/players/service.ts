import { insertActivity } from "../../db/activity.ts";
import { lockUser } from "../../db/identity.ts";
import {
  countPlayers,
  deleteFormerName,
  deletePlayer,
  findFormerName,
  findPlayersById,
  findPlayersByName,
  insertPlayer,
  keepFormerName,
  listPlayers,
  lockPlayer,
  type PlayerRow,
  updatePlayer,
} from "../../db/player.ts";
import type { Db } from "../../db/query.ts";
import { Fault, hasCode } from "../../fault.ts";
import type { Api } from "../api.ts";
import type { Caller } from "../tokens.ts";
import type { NewPlayer, Player, PlayerChange, PublicPlayer } from "./model.ts";
import { isOfflineId, makeOfflineId, readUuid } from "./offline-id.ts";

/** For so long a name that somebody has given up is given to nobody else, and so many of his. */
const formerNames = { days: 30, most: 10 };

type Players = Pick<Api, "db" | "publicUrl" | "config">;

/** The caller's players, the oldest first. */
export async function listOwnPlayers(players: Players, { userId }: Caller): Promise<Player[]> {
  return (await listPlayers(players.db, userId)).map((row) => describeOwn(players, row));
}

/** A player of the caller's; 404 for every other. */
export async function getOwnPlayer(players: Players, { userId, id }: { userId: string; id: string }): Promise<Player> {
  return describeOwn(players, await requirePlayer(players.db, { userId, id }));
}

/** The row of somebody's own player; 404 for every other. */
export async function requirePlayer(db: Db, { userId, id }: { userId: string; id: string }): Promise<PlayerRow> {
  const [row] = await findPlayersById(db, [id]);
  if (row?.userId !== userId) throw isUnknown();
  return row;
}

/** Makes a player. 403 when the caller has as many as he may; 409 when the name is taken, or was somebody's until lately. */
export async function createPlayer(
  players: Players,
  { caller, name, uuid = "random" }: NewPlayer & { caller: Caller },
): Promise<Player> {
  const { userId } = caller;
  const most = players.config.LIMIT_USER_PLAYERS;
  const id = uuid === "offline" ? makeOfflineId(name) : crypto.randomUUID();
  await players.db.transaction(async (tx) => {
    if (!(await lockUser(tx, userId)))
      throw new Fault("not-found", "There is no account of yours: this token is for a service");
    if ((await countPlayers(tx, userId)) >= most)
      throw new Fault("quota-exceeded", `Cannot make the player: you have ${most}, and that is all there may be`);
    if ((await insertPlayer(tx, { id, userId, name })) === 0)
      throw isTaken(uuid === "offline" ? `${name}, or the UUID that it has offline,` : name);
    await takeName(tx, { name, userId });
    await insertActivity(tx, { userId, kind: "player-created", subject: name });
  });
  return getOwnPlayer(players, { userId, id });
}

/** Changes name or model of a player of the caller's. The UUID stays, also one that came of the former name. */
export async function changePlayer(
  players: Players,
  { caller, id, change: { name, model } }: { caller: Caller; id: string; change: PlayerChange },
): Promise<Player> {
  const { userId } = caller;
  try {
    await players.db.transaction(async (tx) => {
      const before = await lockPlayer(tx, { id, userId });
      if (!before) throw isUnknown();
      await updatePlayer(tx, { id, name, model });
      if (name !== undefined && name.toLowerCase() !== before.name.toLowerCase()) {
        await takeName(tx, { name, userId });
        await keepFormerName(tx, { name: before.name, userId, ...formerNames });
      }
      await insertActivity(tx, { userId, kind: "player-changed", subject: name ?? before.name });
    });
  } catch (error) {
    // Taken, or two who exchange their names at this moment wait for each other.
    if (name !== undefined && hasCode(error, "23505", "40P01")) throw isTaken(name);
    throw error;
  }
  return getOwnPlayer(players, { userId, id });
}

/** Deletes a player of the caller's. For 30 days its name is his alone. */
export async function removePlayer(
  { db }: Players,
  { caller: { userId }, id }: { caller: Caller; id: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const player = await lockPlayer(tx, { id, userId });
    if (!player) throw isUnknown();
    await deletePlayer(tx, id);
    await keepFormerName(tx, { name: player.name, userId, ...formerNames });
    await insertActivity(tx, { userId, kind: "player-deleted", subject: player.name });
  });
}

/** What everybody may know of a player, by name in any case or by id. Not whose it is. */
export async function getPlayer(players: Players, player: string): Promise<PublicPlayer> {
  const id = readUuid(player);
  const [row] = await (id ? findPlayersById(players.db, [id]) : findPlayersByName(players.db, [player]));
  if (!row) throw new Fault("not-found", "There is no such player");
  return describePlayer(players, row);
}

/** Where a texture is to be had: the last part of the path is its digest, as launchers expect. */
export const textureUrl = ({ publicUrl }: Pick<Api, "publicUrl">, sha256: string) =>
  `${publicUrl()}/textures/${sha256}`;

function describePlayer(players: Players, { id, name, model, skin, cape }: PlayerRow): PublicPlayer {
  const describeTexture = (sha256: string | null) => sha256 && { sha256, url: textureUrl(players, sha256) };
  return { id, name, model, skin: describeTexture(skin) || null, cape: describeTexture(cape) || null };
}

function describeOwn(players: Players, row: PlayerRow): Player {
  const uuid = isOfflineId(row.id) ? "offline" : "random";
  return { ...describePlayer(players, row), uuid, createdAt: row.createdAt.toISOString() };
}

/** To be asked once the name is a player's: whoever gives it up at this moment was waited for. */
async function takeName(tx: Db, { name, userId }: { name: string; userId: string }): Promise<void> {
  const former = await findFormerName(tx, { name, userId });
  if (former) throw isTaken(`${name} was somebody's lately: until ${former.freeAt.toISOString().slice(0, 10)} it`);
  await deleteFormerName(tx, name);
}

function isTaken(what: string): Fault {
  return new Fault("conflict", `Cannot take this name: ${what} is taken`);
}

function isUnknown(): Fault {
  return new Fault("not-found", "There is no such player of yours");
}
