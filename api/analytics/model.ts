import { type Static, Type as t } from "@sinclair/typebox";
import { Slug } from "../packs/model.ts";
import { VersionName } from "../versions/model.ts";

const strict = { additionalProperties: false } as const;
const Word = t.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,39}$" });
const about = {
  pack: Slug,
  version: VersionName,
  launcher: t.Optional(t.String({ ...Word, description: "In small letters; else the first word of User-Agent" })),
  at: t.Optional(
    t.String({ format: "date-time", description: "Within the last day: send it, and a repeated event counts once" }),
  ),
};

/** What a launcher may tell. */
export const NewEvent = t.Union([
  t.Object({ kind: t.Literal("install"), ...about, format: t.Optional(Word) }, strict),
  t.Object({ kind: t.Literal("update"), ...about, from: VersionName, format: t.Optional(Word) }, strict),
  t.Object({ kind: t.Literal("launch"), ...about }, strict),
]);
export type NewEvent = Static<typeof NewEvent>;
export const NewEvents = t.Object({ events: t.Array(NewEvent, { minItems: 1, maxItems: 100 }) }, strict);

const Outcome = t.Union([
  t.Literal("recorded"),
  t.Literal("unknown-subject"),
  t.Literal("out-of-time"),
  t.Literal("not-counted"),
]);
export type Outcome = Static<typeof Outcome>;
export const Outcomes = t.Object({
  results: t.Array(t.Object({ status: Outcome }), {
    description: "In the order of the events: not-counted when the request carries DNT: 1 or Sec-GPC: 1",
  }),
});
