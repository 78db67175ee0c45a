import { Type as t } from "@sinclair/typebox";
import { Slug } from "../packs/model.ts";
import { PageQuery } from "../pages.ts";
import { Channel } from "../versions/model.ts";

const strict = { additionalProperties: false } as const;
const Time = t.String({ format: "date-time" });
const orNull = <Schema extends typeof Time | typeof Channel>(schema: Schema) => t.Union([schema, t.Null()]);

export const LinkParams = t.Object({ slug: Slug, id: t.String({ format: "uuid" }) });
export const LinksQuery = t.Object(PageQuery, strict);

export const NewLink = t.Object(
  {
    name: t.Optional(
      t.String({
        maxLength: 200,
        pattern: "^[^\\u0000-\\u001f\\u007f]*$",
        description: "For whom it is, to tell it from others",
      }),
    ),
    channel: t.Optional({ ...Channel, description: "Shows versions of this channel only; all when not given" }),
    expiresAt: t.Optional(Time),
  },
  strict,
);
export type NewLink = typeof NewLink.static;

export const MadeLink = t.Object({
  id: t.String(),
  token: t.String({ description: "Shown once" }),
  url: t.String({ description: "For browsers, launchers and chats" }),
});
export type MadeLink = typeof MadeLink.static;

export const Link = t.Object({
  id: t.String(),
  name: t.String(),
  channel: orNull(Channel),
  createdBy: t.Union([t.String(), t.Null()], { description: "Login; null when the account is gone" }),
  createdAt: Time,
  expiresAt: orNull(Time),
  revokedAt: orNull(Time),
  usedAt: orNull(Time),
  uses: t.Integer(),
});
export type Link = typeof Link.static;
export const Links = t.Object({ items: t.Array(Link), nextCursor: t.Union([t.String(), t.Null()]) });
