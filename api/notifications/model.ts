import { Type as t } from "@sinclair/typebox";
import { chosenKinds, type Medium } from "../../notification-kinds.ts";
import { Subscription } from "../../web-push.ts";
import { PageQuery } from "../pages.ts";

const strict = { additionalProperties: false } as const;
const Time = t.String({ description: "RFC 3339" });
const Id = t.String({ format: "uuid" });
const oneOf = <Word extends string>(words: readonly Word[]) =>
  t.Unsafe<Word>(t.Union(words.map((word) => t.Literal(word))));
const State = oneOf(["queued", "sent", "failed", "skipped"]);
const Nullable = <Schema extends ReturnType<typeof t.String>>(schema: Schema) => t.Union([schema, t.Null()]);

export const InboxQuery = t.Object({ ...PageQuery, unread: t.Optional(t.Boolean()) }, strict);
export const Notification = t.Object({
  id: Id,
  kind: t.String(),
  title: t.String({ description: "In the language of your profile, times at the clock of your zone" }),
  body: t.String(),
  path: t.String({ description: "Of the page about it, on this server" }),
  reason: t.String({
    description: "Why you were told: follow, registered, organizer, manager, invited, admin, reporter",
  }),
  critical: t.Boolean(),
  subject: t.Record(t.String(), t.String(), { description: "Ids of what it is about" }),
  fields: t.Array(t.String(), { description: "What was changed" }),
  readAt: Nullable(Time),
  createdAt: Time,
});
export type Notification = typeof Notification.static;
export const Inbox = t.Object({
  items: t.Array(Notification),
  unread: t.Integer({ description: "How many are unread, counted up to 100" }),
  nextCursor: Nullable(t.String()),
});

export const Reading = t.Union([
  t.Object({ ids: t.Array(Id, { minItems: 1, maxItems: 200 }) }, strict),
  t.Object({ all: t.Literal(true) }, strict),
]);
export const Read = t.Object({ read: t.Integer(), unread: t.Integer() });

export const NotificationParams = t.Object({ id: Id });
export const Delivery = t.Object({
  id: Id,
  kind: t.String(),
  medium: t.String(),
  targetId: Nullable(t.String()),
  state: State,
  why: Nullable(t.String()),
  digest: t.Boolean(),
  dueAt: Time,
  attempts: t.Integer(),
  status: t.Union([t.Integer(), t.Null()], { description: "What the other side answered last" }),
  createdAt: Time,
  settledAt: Nullable(Time),
});
export const Deliveries = t.Object({ items: t.Array(Delivery) });
export const DeliveryPage = t.Object({ items: t.Array(Delivery), nextCursor: Nullable(t.String()) });
export const AllDeliveriesQuery = t.Object(
  {
    ...PageQuery,
    state: t.Optional(State),
    medium: t.Optional(oneOf(["inbox", "mail", "webhook", "discord", "telegram", "push"])),
  },
  strict,
);
export const AllDeliveries = t.Object({
  items: t.Array(t.Object({ ...Delivery.properties, login: Nullable(t.String()) })),
  nextCursor: Nullable(t.String()),
});

const Choice = t.Object(
  { inbox: t.Boolean(), mail: t.Boolean(), telegram: t.Boolean(), push: t.Boolean() } satisfies Record<Medium, unknown>,
  strict,
);
/** Of one kind: what is given is changed. */
const SomeChoice = t.Partial(Choice, { ...strict, minProperties: 1 });
const ChoicePerKind = t.Unsafe<Partial<Record<(typeof chosenKinds)[number], typeof SomeChoice.static>>>(
  t.Object(Object.fromEntries(chosenKinds.map((kind) => [kind, t.Optional(SomeChoice)])), strict),
);
const Clock = t.String({ pattern: "^([01]\\d|2[0-3]):[0-5]\\d$", description: "Of the clock in your time zone" });
const QuietHours = t.Union([t.Object({ from: Clock, to: Clock }, strict), t.Null()]);
const Digest = t.Union([t.Literal("off"), t.Literal("daily"), t.Literal("weekly")], {
  description: "Mails, but for critical ones, gathered into one: at nine in the morning, weekly on Mondays",
});

export const NotificationPreferences = t.Object({
  kinds: t.Record(t.String(), t.Object({ critical: t.Boolean(), ...Choice.properties })),
  quietHours: QuietHours,
  digest: Digest,
  media: t.Object({ mail: t.Boolean(), telegram: t.Boolean(), push: t.Boolean() }, { description: "Which reach you" }),
  mutedEvents: t.Array(t.String()),
});
export type NotificationPreferences = typeof NotificationPreferences.static;
export const NotificationPreferencesChange = t.Object(
  {
    kinds: t.Optional(ChoicePerKind),
    quietHours: t.Optional(QuietHours),
    digest: t.Optional(Digest),
  },
  { ...strict, minProperties: 1 },
);
export type NotificationPreferencesChange = typeof NotificationPreferencesChange.static;

export const MuteParams = t.Object({ slug: t.String({ maxLength: 100 }) });
export const UnsubscribeParams = t.Object({ token: t.String({ maxLength: 200 }) });
export const NewPushSubscription = t.Object(
  {
    ...Subscription.properties,
    expirationTime: t.Optional(t.Union([t.Number(), t.Null()])),
    device: t.Optional(t.String({ maxLength: 100, pattern: "^[^\\u0000-\\u001f]*$" })),
  },
  strict,
);
export const PushSubscription = t.Object({ id: Id, device: t.String(), createdAt: Time });
export const PushSubscriptions = t.Object({
  publicKey: t.String({ description: "applicationServerKey of PushManager.subscribe()" }),
  items: t.Array(PushSubscription),
});

export const Telegram = t.Object({
  available: t.Boolean({ description: "Whether this server has a bot" }),
  linkedAt: Nullable(Time),
});
export const TelegramLink = t.Object({
  code: t.String({ description: "Say /start and this to the bot; good once" }),
  link: t.Union([t.String(), t.Null()], { description: "Opens the bot and says it" }),
  expiresAt: Time,
});
