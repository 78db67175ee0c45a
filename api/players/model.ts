import { Type as t } from "@sinclair/typebox";

const strict = { additionalProperties: false } as const;

export const PlayerName = t.String({
  pattern: "^[A-Za-z0-9_]{3,16}$",
  description: "As the game allows it; unique on this server in any case",
});
const Model = t.Union([t.Literal("default"), t.Literal("slim")], {
  description: "Arms of four pixels (Steve), or of three (Alex)",
});

const uuidKinds = t.Union([t.Literal("random"), t.Literal("offline")], {
  description: "offline: the one that a server in offline mode gives this name, which keeps what its player has there",
});
export const NewPlayer = t.Object({ name: PlayerName, uuid: t.Optional(uuidKinds) }, strict);
export type NewPlayer = typeof NewPlayer.static;

export const PlayerChange = t.Object(
  { name: t.Optional(PlayerName), model: t.Optional(Model) },
  { ...strict, minProperties: 1 },
);
export type PlayerChange = typeof PlayerChange.static;

export const Texture = t.Object({
  sha256: t.String(),
  url: t.String({ description: "A PNG that never changes" }),
});
export const PublicPlayer = t.Object({
  id: t.String({ description: "The UUID that the game knows" }),
  name: t.String(),
  model: Model,
  skin: t.Union([Texture, t.Null()]),
  cape: t.Union([Texture, t.Null()]),
});
export type PublicPlayer = typeof PublicPlayer.static;
export const Player = t.Object({ ...PublicPlayer.properties, uuid: uuidKinds, createdAt: t.String() });
export type Player = typeof Player.static;
export const Players = t.Object({ items: t.Array(Player) });

export const PlayerParams = t.Object({ id: t.String({ format: "uuid" }) });
export const KnownPlayerParams = t.Object({
  player: t.String({
    pattern: "^([A-Za-z0-9_]{3,16}|[0-9A-Fa-f-]{32,36})$",
    description: "A name in any case, or an id",
  }),
});
/** What launchers call the two models. */
export const models = {
  "": "default",
  default: "default",
  classic: "default",
  steve: "default",
  slim: "slim",
} as const;
export const TextureQuery = t.Object(
  {
    model: t.Optional(
      t.String({ maxLength: 20, description: "slim, or default, classic, steve or nothing; as before when not given" }),
    ),
  },
  strict,
);
export const TextureParams = t.Object({ sha256: t.String({ pattern: "^[0-9a-f]{64}$" }) });
