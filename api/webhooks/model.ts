import { Type as t } from "@sinclair/typebox";
import { chosenKinds } from "../../notification-kinds.ts";
import { PageQuery } from "../pages.ts";

const strict = { additionalProperties: false } as const;
const Time = t.String({ description: "RFC 3339" });
const Id = t.String({ format: "uuid" });
const Slug = t.String({ maxLength: 100 });
const Name = t.String({ minLength: 1, maxLength: 100, pattern: "^[^\\u0000-\\u001f\\u007f]*$" });
const Url = t.String({ pattern: "^https?://[^\\s]+$", maxLength: 1000 });
const Format = t.Union([t.Literal("standard"), t.Literal("discord")], {
  description: "standard: signed as standardwebhooks.com says, with ids only; discord: a message for a channel",
});
const Locale = t.Union([t.Literal("ru"), t.Literal("en")]);
const Kinds = t.Array(t.Unsafe<string>(t.Union(chosenKinds.map((kind) => t.Literal(kind)))), {
  minItems: 1,
  uniqueItems: true,
});

export const NewWebhook = t.Object(
  { name: Name, url: Url, format: t.Optional(Format), locale: t.Optional(Locale), kinds: Kinds },
  strict,
);
export const WebhookChange = t.Object(
  {
    name: t.Optional(Name),
    url: t.Optional(Url),
    locale: t.Optional(Locale),
    kinds: t.Optional(Kinds),
    enabled: t.Optional(t.Boolean()),
  },
  { ...strict, minProperties: 1 },
);
export const Webhook = t.Object({
  id: Id,
  name: t.String(),
  url: t.String({ description: "Of Discord, the host only: the rest is its secret" }),
  format: Format,
  locale: Locale,
  kinds: t.Array(t.String()),
  enabled: t.Boolean(),
  disabledReason: t.Union([t.Literal("gone"), t.Literal("failing"), t.Literal("by-hand"), t.Null()]),
  createdAt: Time,
});
export type Webhook = typeof Webhook.static;
export const MadeWebhook = t.Object({
  ...Webhook.properties,
  secret: t.Union([t.String(), t.Null()], { description: "whsec_…, shown only now" }),
});
export const Secret = t.Object({ secret: t.String({ description: "whsec_…, shown only now" }) });
export const Webhooks = t.Object({ items: t.Array(Webhook) });

/** What an address names: one of an organization or of a pack names that too. */
export const params = {
  ofPerson: { all: t.Unknown(), one: t.Object({ id: Id }), delivery: t.Object({ id: Id, delivery: Id }) },
  ofThing: {
    all: t.Object({ slug: Slug }),
    one: t.Object({ slug: Slug, id: Id }),
    delivery: t.Object({ slug: Slug, id: Id, delivery: Id }),
  },
} as const;
export type ParamsOf = (typeof params)[keyof typeof params];
export const LogQuery = t.Object({ ...PageQuery }, strict);
export const Tested = t.Object({ deliveryId: Id });
