import { Elysia } from "elysia";
import type { TextureKind } from "../../db/player.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { describe } from "../describe.ts";
import { isUnchanged } from "../etag.ts";
import { answerOnce } from "../idempotency.ts";
import type { Caller } from "../tokens.ts";
import { readTexture } from "./body.ts";
import {
  KnownPlayerParams,
  NewPlayer,
  Player,
  PlayerChange,
  PlayerParams,
  Players,
  PublicPlayer,
  TextureQuery,
} from "./model.ts";
import { changePlayer, createPlayer, getOwnPlayer, getPlayer, listOwnPlayers, removePlayer } from "./service.ts";
import { removeTexture, setTexture } from "./textures.ts";

const closed = { "cache-control": "private, no-store" };
const binary = { type: "string" as const, format: "binary" };
const textureBody = {
  required: true,
  content: {
    "image/png": { schema: binary },
    "multipart/form-data": {
      schema: {
        type: "object" as const,
        required: ["file"],
        properties: { file: binary, model: { type: "string" as const } },
      },
    },
  },
};

/** Players: who an account is in a game, and what they look like. */
export function players(api: Api) {
  return new Elysia({ prefix: "/v1", tags: ["players"] })
    .use(callers(api))
    .get(
      "/players/:player",
      async ({ params, request }) => {
        const shown = await getPlayer(api, params.player);
        const digest = new Bun.CryptoHasher("sha256").update(JSON.stringify(shown)).digest("hex");
        const headers = { etag: `"${digest}"`, "cache-control": "public, no-cache" };
        if (isUnchanged(request, headers.etag)) return new Response(null, { status: 304, headers });
        return Response.json(shown, { headers });
      },
      {
        params: KnownPlayerParams,
        detail: {
          summary: "A player by name or id, for everybody: what he is called and looks like, not whose he is",
          responses: describe({ 200: PublicPlayer }),
        },
      },
    )
    .get(
      "/me/players",
      async ({ caller, set }) => {
        Object.assign(set.headers, closed);
        return { items: await listOwnPlayers(api, requireCaller(caller)) };
      },
      { response: { 200: Players }, detail: { summary: "Your players, the oldest first" } },
    )
    .post(
      "/me/players",
      ({ body, caller, request }) => {
        const owner = requireCaller(caller);
        return answerOnce({ db: api.db, request, caller: owner, body }, async () => {
          await takeChange(owner);
          const made = await createPlayer(api, { caller: owner, ...body });
          return { status: 201, body: made, headers: { ...closed, location: `/v1/me/players/${made.id}` } };
        });
      },
      { body: NewPlayer, detail: { summary: "Make a player", responses: describe({ 201: Player }) } },
    )
    .get(
      "/me/players/:id",
      async ({ params, caller, set }) => {
        Object.assign(set.headers, closed);
        return getOwnPlayer(api, { userId: requireCaller(caller).userId, id: params.id });
      },
      { params: PlayerParams, response: { 200: Player }, detail: { summary: "One of your players" } },
    )
    .patch(
      "/me/players/:id",
      async ({ params, body, caller, set }) => {
        const owner = requireCaller(caller);
        Object.assign(set.headers, closed);
        await takeChange(owner);
        return changePlayer(api, { caller: owner, id: params.id, change: body });
      },
      {
        params: PlayerParams,
        body: PlayerChange,
        response: { 200: Player },
        detail: { summary: "Rename a player, who keeps his UUID, or change his model" },
      },
    )
    .delete(
      "/me/players/:id",
      async ({ params, caller, status }) => {
        await removePlayer(api, { caller: requireCaller(caller), id: params.id });
        return status(204, undefined);
      },
      { params: PlayerParams, detail: { summary: "Delete a player: for 30 days his name is given to nobody else" } },
    )
    .put("/me/players/:id/skin", (context) => put("skin", context), {
      params: PlayerParams,
      query: TextureQuery,
      detail: {
        summary: "Give a player a skin: a PNG of 64 × 64 or 64 × 32, or a multiple",
        requestBody: textureBody,
        responses: describe({ 200: Player }),
      },
    })
    .put("/me/players/:id/cape", (context) => put("cape", context), {
      params: PlayerParams,
      detail: {
        summary: "Give a player a cape: a PNG of 64 × 32 or 22 × 17, or a multiple",
        requestBody: textureBody,
        responses: describe({ 200: Player }),
      },
    })
    .delete("/me/players/:id/skin", (context) => remove("skin", context), {
      params: PlayerParams,
      detail: { summary: "Take a player's skin off", responses: { 204: { description: "" } } },
    })
    .delete("/me/players/:id/cape", (context) => remove("cape", context), {
      params: PlayerParams,
      detail: { summary: "Take a player's cape off", responses: { 204: { description: "" } } },
    });

  type Asked = { params: { id: string }; caller: Caller | null };
  // Apart from the routes, so that Elysia sees no use of the body there and leaves it unread.
  async function put(
    kind: TextureKind,
    { params, caller, request, query }: Asked & { request: Request; query: { model?: string } },
  ): Promise<Response> {
    const place = { userId: requireCaller(caller).userId, playerId: params.id, kind };
    const { bytes, model } = await readTexture(request);
    await setTexture(api, { ...place, bytes, model: query.model ?? model });
    return Response.json(await getOwnPlayer(api, { userId: place.userId, id: params.id }), { headers: closed });
  }

  async function remove(kind: TextureKind, { params, caller }: Asked): Promise<Response> {
    await removeTexture(api, { userId: requireCaller(caller).userId, playerId: params.id, kind });
    return new Response(null, { status: 204 });
  }

  function takeChange({ userId }: Caller): Promise<void> {
    const perMinute = api.config.LIMIT_PLAYER_CHANGES_PER_MINUTE;
    return api.rateLimits.take([{ name: "players", perMinute, key: userId }]);
  }
}
