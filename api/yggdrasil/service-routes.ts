import { Type as t } from "@sinclair/typebox";
import { Elysia } from "elysia";
import type { PlayerRow } from "../../db/player.ts";
import { Fault } from "../../fault.ts";
import { answerGame, readBody, readGameId, toGameId } from "./answer.ts";
import type { Game } from "./game.ts";
import { Names } from "./model.ts";
import { findPlayer, listNamed } from "./player-routes.ts";
import { requireGameKey, textureUrl } from "./profiles.ts";

/** A game asks once when it starts. */
const certificatesPerMinute = 10;
const allowed = { enabled: true };
const refused = { enabled: false };
/** Everything that there is here, and nothing that is sent to others. */
const privileges = {
  onlineChat: allowed,
  multiplayerServer: allowed,
  multiplayerRealms: refused,
  telemetry: refused,
  optionalTelemetry: refused,
};
const attributes = {
  privileges,
  profanityFilterPreferences: { profanityFilterOn: false },
  banStatus: { bannedScopes: {} },
};

/** What games since 1.16 ask of "minecraftservices" besides. */
export function services({ api, keys, certificates, admit, requireBearer }: Game) {
  const unknown = (what: string) => new Fault("not-found", `Couldn't find any profile with ${what}`);
  /** The player of a token: 401 without one, 404 when it is nobody's yet. */
  const requirePlayer = async (request: Request) => {
    const { sessionId, playerId } = await requireBearer(request);
    const player = await findPlayer(api, playerId ?? undefined);
    if (!player) throw unknown("this token: choose one first");
    return { player, sessionId };
  };
  return new Elysia({ prefix: "/minecraftservices" })
    .get("/publickeys", () => answerGame(async () => listKeys(requireGameKey(keys.gameKey).publicDer)), {
      detail: { summary: "The keys that properties and certificates of players are signed with" },
    })
    .post(
      "/player/certificates",
      ({ request, server }) =>
        answerGame(async () => {
          await admit({ request, server });
          const { player, sessionId } = await requirePlayer(request);
          const allowance = { name: "certificates", perMinute: certificatesPerMinute, key: player.id, alone: true };
          await api.rateLimits.take([allowance]);
          return certificates.get({ sessionId, playerId: player.id });
        }),
      { detail: { summary: "A key pair for signing chat, of the player of a token" } },
    )
    .get("/player/attributes", ({ request }) => answerGame(async () => (await requireBearer(request)) && attributes), {
      detail: { summary: "What a player may do" },
    })
    .post("/player/attributes", ({ request }) => answerGame(async () => (await requireBearer(request)) && attributes), {
      detail: { summary: "The same; what is sent is not kept" },
    })
    .get("/privileges", ({ request }) => answerGame(async () => (await requireBearer(request)) && { privileges }), {
      detail: { summary: "What a player may do, as older games ask it" },
    })
    .get(
      "/privacy/blocklist",
      ({ request }) => answerGame(async () => (await requireBearer(request)) && { blockedProfiles: [] }),
      { detail: { summary: "Whom a player has blocked: nobody" } },
    )
    .get(
      "/minecraft/profile",
      ({ request }) => answerGame(async () => describeOwn((await requirePlayer(request)).player, api.publicUrl())),
      { detail: { summary: "The player of a token" } },
    )
    .get(
      "/minecraft/profile/lookup/name/:name",
      ({ params, request, server }) =>
        answerGame(async () => {
          await admit({ request, server });
          const [player] = await listNamed(api, [params.name]);
          if (!player) throw unknown(`name ${params.name}`);
          return player;
        }),
      { params: t.Object({ name: t.String() }), detail: { summary: "The player of a name, or 404" } },
    )
    .get(
      "/minecraft/profile/lookup/:uuid",
      ({ params, request, server }) =>
        answerGame(async () => {
          await admit({ request, server });
          const player = await findPlayer(api, readGameId(params.uuid));
          if (!player) throw unknown(`id ${params.uuid}`);
          return { id: toGameId(player.id), name: player.name };
        }),
      { params: t.Object({ uuid: t.String() }), detail: { summary: "The name of a player, or 404" } },
    )
    .post(
      "/minecraft/profile/lookup/bulk/byname",
      ({ request, server }) =>
        answerGame(async () => {
          await admit({ request, server });
          return listNamed(api, await readBody(request, Names));
        }),
      { detail: { summary: "Players of these names, up to 100; unknown ones are left out" } },
    );
}

function listKeys(der: Buffer) {
  const keys = [{ publicKey: der.toString("base64") }];
  return { profilePropertyKeys: keys, playerCertificateKeys: keys };
}

function describeOwn({ id, name, model, skin, cape }: PlayerRow, base: string) {
  const variant = model === "slim" ? "SLIM" : "CLASSIC";
  return {
    id: toGameId(id),
    name,
    skins: skin ? [{ id: skin, state: "ACTIVE", url: textureUrl(base, skin), variant }] : [],
    capes: cape ? [{ id: cape, state: "ACTIVE", url: textureUrl(base, cape), alias: "cape" }] : [],
  };
}
