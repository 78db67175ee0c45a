import { Type as t } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { Fault } from "../../fault.ts";
import { readTexture } from "../players/body.ts";
import { removeTexture, setTexture } from "../players/textures.ts";
import { answerGame, forbiddenBecause, readGameId } from "./answer.ts";
import type { Game } from "./game.ts";
import { gameClientId } from "./sign-in.ts";

const Place = t.Object({ uuid: t.String(), kind: t.String() });
type Place = typeof Place.static;

/** Skins and capes that launchers send or take off. The address names a player; whose it is, the token says. */
export function textures({ api, requireBearer, admit }: Game) {
  const requirePlace = async (request: Request, { uuid, kind }: Place) => {
    const { userId, clientId, playerId: chosen } = await requireBearer(request);
    const playerId = readGameId(uuid);
    if (playerId === undefined || (kind !== "skin" && kind !== "cape")) throw notYours();
    // Who let a client in has chosen one player for it.
    if (clientId !== gameClientId && playerId !== chosen) throw notYours();
    return { userId, playerId, kind } as const;
  };
  return new Elysia({ prefix: "/api/user/profile/:uuid/:kind" })
    .put(
      "",
      ({ params, request, server }) =>
        answerGame(async () => {
          await admit({ request, server });
          const place = await requirePlace(request, params);
          await ofOwn(setTexture(api, { ...place, ...(await readTexture(request)) }));
          return undefined;
        }),
      { params: Place, detail: { summary: "Send a skin or a cape: a form with model and file" } },
    )
    .delete(
      "",
      ({ params, request, server }) =>
        answerGame(async () => {
          await admit({ request, server });
          await ofOwn(removeTexture(api, await requirePlace(request, params)));
          return undefined;
        }),
      { params: Place, detail: { summary: "Take a skin or a cape off" } },
    );
}

const notYours = () => forbiddenBecause("This profile is not one of yours.");

/** Somebody else's player is refused as one that there is not. */
async function ofOwn(work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    throw error instanceof Fault && error.code === "not-found" ? notYours() : error;
  });
}
