import { type Static, Type as t } from "@sinclair/typebox";
import { PageQuery } from "../pages.ts";

const Text = t.Object({ ru: t.Optional(t.String()), en: t.Optional(t.String()) });

/** What an event asks of whoever registers. */
export const Question = t.Object({
  id: t.String(),
  label: Text,
  kind: t.Union([t.Literal("text"), t.Literal("choice"), t.Literal("boolean")]),
  required: t.Optional(t.Boolean()),
  options: t.Optional(t.Array(t.Unknown())),
});
export type Question = Static<typeof Question>;

export const State = t.Union([
  t.Literal("pending"),
  t.Literal("confirmed"),
  t.Literal("waitlisted"),
  t.Literal("offered"),
  t.Literal("declined"),
  t.Literal("cancelled"),
  t.Literal("checked-in"),
  t.Literal("no-show"),
]);

export const EventParams = t.Object({ slug: t.String({ maxLength: 100 }) });
export const Params = t.Object({ slug: t.String({ maxLength: 100 }), id: t.String({ format: "uuid" }) });

const Answer = t.Union([t.String({ maxLength: 2_000 }), t.Boolean()]);

export const NewRegistration = t.Object(
  {
    occurrence: t.Optional(t.String({ format: "uuid", description: "Which time; the next one when not given" })),
    answers: t.Optional(t.Record(t.String({ maxLength: 100 }), Answer, { description: "By the questions' ids" })),
  },
  { additionalProperties: false },
);
export type NewRegistration = Static<typeof NewRegistration>;

export const Registration = t.Object({
  id: t.String(),
  event: t.String({ description: "Slug" }),
  occurrence: t.String(),
  state: State,
  place: t.Union([t.Integer(), t.Null()], { description: "Among those who wait, from 1" }),
  offeredUntil: t.Union([t.String(), t.Null()]),
});
export type Registration = Static<typeof Registration>;

const Person = t.Object({ id: t.String(), login: t.String(), displayName: t.String() });
const Change = t.Object({
  from: t.Union([State, t.Null()]),
  to: State,
  reason: t.String(),
  by: t.Union([t.String(), t.Null()], { description: "Login; null: it happened by itself" }),
  note: t.String(),
  at: t.String(),
});

export const FullRegistration = t.Intersect([
  Registration,
  t.Object({
    title: Text,
    startsAt: t.String(),
    person: Person,
    answers: t.Record(t.String(), t.Unknown()),
    createdAt: t.String(),
    updatedAt: t.String(),
    changes: t.Optional(t.Array(Change, { description: "What became of it, oldest first" })),
  }),
]);
export type FullRegistration = Static<typeof FullRegistration>;

export const Registrations = t.Object({
  items: t.Array(FullRegistration),
  nextCursor: t.Union([t.String(), t.Null()]),
});
export type Registrations = Static<typeof Registrations>;

const occurrence = t.Optional(t.String({ format: "uuid" }));
export const RegistrationQuery = t.Object({ state: t.Optional(State), occurrence, ...PageQuery });
export const OccurrenceQuery = t.Object({ occurrence });
export const OwnQuery = t.Object(PageQuery);

export const Note = t.Object(
  { note: t.Optional(t.String({ maxLength: 500, description: "Kept with the change; the person reads it" })) },
  { additionalProperties: false },
);
export const Actions = t.Object({
  slug: t.String({ maxLength: 100 }),
  id: t.String({ format: "uuid" }),
  action: t.Union([
    t.Literal("cancel"),
    t.Literal("confirm"),
    t.Literal("approve"),
    t.Literal("decline"),
    t.Literal("check-in"),
    t.Literal("no-show"),
    t.Literal("undo"),
  ]),
});
export type Action = Static<typeof Actions>["action"];

export const Draw = t.Object({ occurrence: t.String({ format: "uuid" }) }, { additionalProperties: false });
export const Drawn = t.Object({ seated: t.Integer() });
export const Confirmation = t.Object(
  { token: t.String({ minLength: 20, maxLength: 200 }) },
  { additionalProperties: false },
);
export const Confirmed = t.Object({ event: t.String(), state: State });
export const Code = t.Object({ code: t.String(), svg: t.String({ description: "The code as a QR code" }) });
export const CheckIn = t.Object({ code: t.String({ maxLength: 300 }) }, { additionalProperties: false });
export const Join = t.Object(
  { token: t.String({ minLength: 20, maxLength: 200 }), login: t.String({ maxLength: 100 }) },
  { additionalProperties: false },
);
export const Joined = t.Object({ state: State, changed: t.Boolean() });

export const NewServer = t.Object(
  { name: t.String({ minLength: 1, maxLength: 100 }) },
  { additionalProperties: false },
);
const Server = t.Object({
  id: t.String(),
  name: t.String(),
  createdAt: t.String(),
  usedAt: t.Union([t.String(), t.Null()]),
});
export const MadeServer = t.Object({ id: t.String(), name: t.String(), token: t.String() });
export const Servers = t.Object({ items: t.Array(Server) });
