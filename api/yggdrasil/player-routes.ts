import { Type as t } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { findPlayersById, findPlayersByName, type PlayerRow } from "../../db/player.ts";
import { keepJoining, takeJoining } from "../../db/yggdrasil.ts";
import type { Api } from "../api.ts";
import { toClientAddress } from "../limits.ts";
import { answerGame, invalidToken, readBody, readGameId, toGameId } from "./answer.ts";
import type { Game } from "./game.ts";
import { Join, Names } from "./model.ts";
import { requireGameToken } from "./sign-in.ts";

const Uuid = t.Object({ uuid: t.String() });
const Name = t.Object({ name: t.String() });
const longest = 128;
/** Whether somebody may be called so, or a server that somebody goes to: U+0000 cannot be kept. */
const isText = (text: string) => text !== "" && text.length <= longest && !text.includes("\0");

/** Joining game servers, and what players look like. */
export function sessionServer({ api, profiles, addressOf, admit }: Game) {
  return new Elysia({ prefix: "/sessionserver/session/minecraft" })
    .post(
      "/join",
      ({ request, server }) =>
        answerGame(async () => {
          await admit({ request, server });
          const { accessToken, selectedProfile, serverId } = await readBody(request, Join);
          const { playerId, sessionId } = await requireGameToken(api, { accessToken });
          if (playerId === null || playerId !== readGameId(selectedProfile)) throw invalidToken();
          await keepJoining(api.db, { playerId, sessionId, serverId, address: addressOf({ request, server }) });
          return undefined;
        }),
      { detail: { summary: "A game says which server its player goes to" } },
    )
    .get(
      "/hasJoined",
      ({ request, server }) =>
        answerGame(async () => {
          await admit({ request, server });
          const { searchParams } = new URL(request.url);
          const name = searchParams.get("username") ?? "";
          const serverId = searchParams.get("serverId") ?? "";
          const ip = searchParams.get("ip");
          if (!isText(name) || !isText(serverId)) return undefined;
          const taken = await takeJoining(api.db, { name, serverId, address: ip ? toClientAddress(ip) : null });
          const player = taken && (await findPlayer(api, taken.playerId));
          return player && profiles.describe(player, { signed: true });
        }),
      { detail: { summary: "A game server asks whether a player is on his way to it; once, within 30 s" } },
    )
    .get(
      "/profile/:uuid",
      ({ params, request, server }) =>
        answerGame(async () => {
          await admit({ request, server });
          const player = await findPlayer(api, readGameId(params.uuid));
          const signed = new URL(request.url).searchParams.get("unsigned") === "false";
          return player && profiles.describe(player, { signed });
        }),
      { params: Uuid, detail: { summary: "A player and what it looks like; signed with unsigned=false" } },
    );
}

/** Players by their names. */
export function names({ api, admit }: Game) {
  return new Elysia({ prefix: "/api" })
    .post(
      "/profiles/minecraft",
      ({ request, server }) =>
        answerGame(async () => {
          await admit({ request, server });
          return listNamed(api, await readBody(request, Names));
        }),
      { detail: { summary: "Players of these names, up to 100; unknown ones are left out" } },
    )
    .get(
      "/users/profiles/minecraft/:name",
      ({ params, request, server }) =>
        answerGame(async () => {
          await admit({ request, server });
          return (await listNamed(api, [params.name]))[0];
        }),
      { params: Name, detail: { summary: "The player of a name, or 204" } },
    );
}

export async function findPlayer({ db }: Pick<Api, "db">, id: string | undefined): Promise<PlayerRow | undefined> {
  return id === undefined ? undefined : (await findPlayersById(db, [id]))[0];
}

/** Players of these names as games know them. */
export async function listNamed({ db }: Pick<Api, "db">, wanted: string[]): Promise<{ id: string; name: string }[]> {
  const players = await findPlayersByName(db, wanted);
  return players.map(({ id, name }) => ({ id: toGameId(id), name }));
}
