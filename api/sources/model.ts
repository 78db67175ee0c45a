import { type Static, Type as t } from "@sinclair/typebox";
import { CursorId } from "../pages.ts";

const strict = { additionalProperties: false } as const;
const Visibility = t.Union([t.Literal("public"), t.Literal("unlisted"), t.Literal("members")]);
const Name = t.String({ maxLength: 100 });
const EverySeconds = t.Integer({ minimum: 900, maximum: 7 * 24 * 3600 });

export const OrganizationParams = t.Object({ slug: t.String({ maxLength: 100 }) });
export const SourceParams = t.Object({ slug: t.String({ maxLength: 100 }), id: CursorId });

export const NewSource = t.Object(
  {
    url: t.String({ pattern: "^(https?|webcal)://", maxLength: 2000 }),
    format: t.Optional(t.Union([t.Literal("ics"), t.Literal("json")])),
    name: t.Optional(Name),
    timeZone: t.Optional(t.String({ maxLength: 64, description: "IANA; of times that name none" })),
    everySeconds: t.Optional(EverySeconds),
    visibility: t.Optional(Visibility),
    enabled: t.Optional(t.Boolean({ description: "false: nothing is taken over before it is true" })),
  },
  strict,
);
export const SourceChange = t.Object(
  {
    name: t.Optional(Name),
    everySeconds: t.Optional(EverySeconds),
    visibility: t.Optional(Visibility),
    enabled: t.Optional(t.Boolean()),
  },
  { ...strict, minProperties: 1 },
);
export type NewSource = Static<typeof NewSource>;
export type SourceChange = Static<typeof SourceChange>;

export const Source = t.Object({
  id: t.String(),
  url: t.String(),
  format: t.String(),
  name: t.String(),
  timeZone: t.String(),
  everySeconds: t.Integer(),
  visibility: Visibility,
  enabled: t.Boolean(),
  events: t.Integer({ description: "That it has brought" }),
  fetchedAt: t.Union([t.String(), t.Null()], { description: "When its feed was last understood" }),
  failures: t.Integer({ description: "In a row" }),
  problem: t.Union([t.String(), t.Null()]),
  report: t.Unknown({ description: "What the last sync did, and what it left out and why" }),
});
export type Source = Static<typeof Source>;
export const Sources = t.Object({ items: t.Array(Source) });
