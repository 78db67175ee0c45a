import { Type as t } from "@sinclair/typebox";
import { describeWords, Shown } from "../language.ts";
import { CursorId, PageQuery } from "../pages.ts";

const strict = { additionalProperties: false } as const;
const orNull = <Schema extends Parameters<typeof t.Union>[0][number]>(schema: Schema) => t.Union([schema, t.Null()]);

export const Slug = t.String({ pattern: "^[a-z0-9-]{2,64}$" });
export const SlugParams = t.Object({ slug: Slug });
export const OccurrenceParams = t.Object({ slug: Slug, id: CursorId });

/** With an offset it is that instant, without one it is what clocks show in the event's zone. */
const Time = t.String({
  pattern: "^2[01]\\d\\d-[01]\\d-[0-3]\\dT[0-2]\\d:[0-5]\\d(:[0-5]\\d(\\.\\d{1,3})?)?(Z|[+-][01]\\d:[0-5]\\d)?$",
  description:
    "RFC 3339 with an offset, or local in timeZone without one: a time that a clock change skips is moved forward, of one that comes twice the first is meant",
});
const Capacity = orNull(
  t.Integer({ minimum: 0, maximum: 1_000_000, description: "Of each occurrence; null: no limit" }),
);
export const Title = describeWords(200, 1);
const Text = describeWords(50_000);
const Label = describeWords(200, 1);
const Tag = t.String({ pattern: "^[a-zа-яё0-9][a-zа-яё0-9-]{0,31}$" });
const Name = t.String({ minLength: 1, maxLength: 200 });

export const Place = t.Union([
  t.Object(
    { kind: t.Literal("online"), url: t.Optional(t.String({ pattern: "^https?://", maxLength: 2000 })) },
    strict,
  ),
  t.Object(
    {
      kind: t.Literal("server"),
      address: t.String({ pattern: "^[\\w.:\\[\\]-]{1,255}$", description: "Host and port of a game server" }),
      name: t.Optional(Name),
    },
    strict,
  ),
  t.Object(
    {
      kind: t.Literal("physical"),
      address: t.String({ minLength: 1, maxLength: 500 }),
      lat: t.Optional(t.Number({ minimum: -90, maximum: 90 })),
      lon: t.Optional(t.Number({ minimum: -180, maximum: 180 })),
    },
    strict,
  ),
]);

const Key = t.String({ pattern: "^(?!(?:constructor|prototype)$)[a-z][a-z0-9-]{0,31}$" });
/** What people are asked when they register. */
export const Question = t.Object(
  {
    id: Key,
    label: Label,
    kind: t.Union([t.Literal("text"), t.Literal("choice"), t.Literal("boolean")]),
    required: t.Boolean(),
    options: t.Optional(
      t.Array(t.Object({ id: Key, label: Label }, strict), { minItems: 1, maxItems: 50, description: "Of a choice" }),
    ),
  },
  strict,
);

export const Visibility = t.Union([t.Literal("public"), t.Literal("unlisted"), t.Literal("members")]);
export const Approval = t.Union([t.Literal("instant"), t.Literal("hand"), t.Literal("lottery")]);

const required = { title: Title, place: Place, startsAt: Time, endsAt: Time, timeZone: t.String({ maxLength: 64 }) };
const optional = {
  text: t.Optional(Text),
  rrule: t.Optional(orNull(t.String({ maxLength: 500, description: "RFC 5545, 3.3.10; null: it takes place once" }))),
  capacity: t.Optional(Capacity),
  opensAt: t.Optional(orNull(Time)),
  closesBeforeSeconds: t.Optional(t.Integer({ minimum: 0, maximum: 366 * 24 * 3600 })),
  approval: t.Optional(Approval),
  confirmByLink: t.Optional(t.Boolean()),
  offerSeconds: t.Optional(
    t.Integer({
      minimum: 0,
      maximum: 30 * 24 * 3600,
      description: "How long a seat that was offered waits; 0: it is given",
    }),
  ),
  visibility: t.Optional(Visibility),
  pack: t.Optional(orNull(t.Object({ slug: Slug, version: t.Optional(orNull(Name)) }, strict))),
  album: t.Optional(orNull(CursorId)),
  tags: t.Optional(t.Array(Tag, { maxItems: 20, uniqueItems: true })),
  questions: t.Optional(t.Array(Question, { maxItems: 20 })),
};

export const NewEvent = t.Object(
  {
    slug: t.Optional(Slug),
    organization: t.Optional(Slug),
    draft: t.Optional(t.Boolean({ description: "Shown to nobody else until it is published" })),
    ...required,
    ...optional,
  },
  strict,
);
const organization = orNull(
  t.String({
    ...Slug,
    description: "Slug of an organization that you manage: it runs the event from now on; null: you do",
  }),
);
export const EventChange = t.Partial(t.Object({ ...required, ...optional, organization }), {
  ...strict,
  minProperties: 1,
});
export type EventChange = typeof EventChange.static;
export type EventInput = Omit<EventChange, "organization">;
export const Duplicate = t.Object({ startsAt: Time, slug: t.Optional(Slug) }, strict);
export const Cancellation = t.Object({ reason: t.Optional(t.String({ maxLength: 1000 })) }, strict);
export const OccurrenceChange = t.Object(
  {
    startsAt: t.Optional(Time),
    endsAt: t.Optional(Time),
    capacity: t.Optional(Capacity),
    cancelled: t.Optional(t.Boolean()),
  },
  { ...strict, minProperties: 1 },
);

export const Occurrence = t.Object({
  id: t.String(),
  startsAt: t.String(),
  endsAt: t.String(),
  startsAtLocal: t.String({ description: "The same instant with the offset of the event's zone" }),
  endsAtLocal: t.String(),
  capacity: orNull(t.Integer()),
  taken: t.Integer(),
  waiting: t.Integer(),
  edited: t.Boolean({ description: "An exception of its series" }),
  cancelled: t.Boolean(),
});
export const Occurrences = t.Object({ items: t.Array(Occurrence), nextCursor: orNull(t.String()) });

const Linked = t.Object({ slug: t.String(), name: t.String() });
const State = t.Union([t.Literal("draft"), t.Literal("published"), t.Literal("cancelled")]);
const shownTitle = { title: Title, shown: t.Object({ title: Shown, text: orNull(Shown) }) };

export const Event = t.Object({
  id: t.String(),
  slug: t.String(),
  state: State,
  cancelledReason: t.String(),
  ...shownTitle,
  text: Text,
  place: Place,
  startsAt: t.String({ description: "Of the first occurrence" }),
  endsAt: t.String(),
  startsAtLocal: t.String(),
  endsAtLocal: t.String(),
  timeZone: t.String(),
  rrule: orNull(t.String()),
  capacity: orNull(t.Integer()),
  opensAt: orNull(t.String()),
  closesBeforeSeconds: t.Integer(),
  approval: Approval,
  confirmByLink: t.Boolean(),
  offerSeconds: t.Integer(),
  visibility: Visibility,
  pack: orNull(t.Object({ slug: t.String(), name: t.String(), version: orNull(t.String()) })),
  album: orNull(t.String({ description: "An album that its organizer has put in front" })),
  albums: t.Array(t.Object({ id: t.String(), title: t.String(), visibility: t.String() }), {
    description: "Its galleries, the latest six; all of them at /albums",
  }),
  tags: t.Array(t.String()),
  questions: t.Array(Question),
  organization: orNull(Linked),
  organizer: orNull(t.String({ description: "Login" })),
  source: orNull(t.String({ description: "Name of the calendar that it came from" })),
  edited: t.Array(t.String(), { description: "Fields changed by hand, which that calendar does not touch any more" }),
  sequence: t.Integer(),
  role: orNull(t.Literal("organizer")),
  occurrences: t.Array(Occurrence, { description: "The next ten; all of them at /occurrences" }),
  registrations: t.Array(
    t.Object({ id: t.String(), occurrenceId: t.String(), state: t.String(), offeredUntil: orNull(t.String()) }),
    { description: "The caller's" },
  ),
  createdAt: t.String(),
  updatedAt: t.String(),
});
export type Event = typeof Event.static;

export const ListedEvent = t.Object({
  slug: t.String(),
  state: State,
  ...shownTitle,
  place: Place,
  timeZone: t.String(),
  rrule: orNull(t.String()),
  visibility: Visibility,
  tags: t.Array(t.String()),
  pack: orNull(Linked),
  organization: orNull(Linked),
  organizer: orNull(t.String()),
  occurrence: Occurrence,
});
export type ListedEvent = typeof ListedEvent.static;
export const Events = t.Object({ items: t.Array(ListedEvent), nextCursor: orNull(t.String()) });

const Instant = t.String({
  pattern: "^2[01]\\d\\d-\\d\\d-\\d\\d(T\\d\\d:\\d\\d(:\\d\\d(\\.\\d{1,3})?)?(Z|[+-]\\d\\d:\\d\\d))?$",
});
export const OccurrenceQuery = t.Object({ from: t.Optional(Instant), to: t.Optional(Instant), ...PageQuery }, strict);
export const EventQuery = t.Object(
  {
    query: t.Optional(
      t.String({
        maxLength: 200,
        description: 'Words in any form, "in a row", -without, or; titles also when misspelled',
      }),
    ),
    from: t.Optional(Instant),
    to: t.Optional(Instant),
    tag: t.Optional(Tag),
    organization: t.Optional(Slug),
    pack: t.Optional(Slug),
    hasSeats: t.Optional(t.Literal("true")),
    mine: t.Optional(t.Union([t.Literal("true"), t.Literal("organizing"), t.Literal("registered")])),
    sort: t.Optional(t.Union([t.Literal("startsAt"), t.Literal("-startsAt"), t.Literal("relevance")])),
    ...PageQuery,
  },
  strict,
);
export const AvailabilityQuery = t.Object({ occurrence: t.Optional(CursorId) }, strict);
export const Availability = t.Object({
  occurrence: t.String(),
  capacity: orNull(t.Integer()),
  taken: t.Integer(),
  waiting: t.Integer(),
  open: t.Boolean({ description: "Whether one may register now, for a seat or to wait" }),
  opensAt: orNull(t.String()),
  closesAt: t.String(),
  asOf: t.String(),
});
