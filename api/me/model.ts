import { Type as t } from "@sinclair/typebox";
import { type ActivityKind, activityKinds } from "../../db/activity.ts";
import { Avatar } from "../avatars/model.ts";
import { Gallery } from "../images/gallery.ts";
import { PageQuery } from "../pages.ts";
import { type Scope, scopes } from "../scopes.ts";

const strict = { additionalProperties: false } as const;
const Time = t.String({ description: "RFC 3339" });
/** One line that people read: no control characters, and nothing that turns the direction of what follows. */
export const Line = (options: { minLength?: number; maxLength: number; description?: string }) =>
  t.String({ pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028-\\u202e\\u2066-\\u2069]*$", ...options });

export const Locale = t.Union([t.Literal("ru"), t.Literal("en")]);
export const Links = t.Record(
  t.String({ pattern: "^(?!(?:constructor|prototype)$)[a-z][a-z0-9-]{0,31}$" }),
  t.String({ pattern: "^https?://[^\\u0000-\\u0020]+$", maxLength: 2000 }),
  { maxProperties: 20, additionalProperties: false },
);

export const PublicProfile = t.Object({
  id: t.String(),
  login: t.String(),
  displayName: t.String({ description: "Empty: show the login" }),
  bio: t.String(),
  links: t.Record(t.String(), t.String()),
  avatar: t.Union([Avatar, t.Null()]),
  images: Gallery,
  createdAt: Time,
});
export type PublicProfile = typeof PublicProfile.static;

export const Profile = t.Object({
  ...PublicProfile.properties,
  email: t.Union([t.String(), t.Null()]),
  emailVerified: t.Boolean(),
  locale: Locale,
  timeZone: t.String(),
  roles: t.Array(t.String()),
  secondFactor: t.Boolean(),
  hasPassword: t.Boolean({ description: "false: signs in through a provider only" }),
});
export type Profile = typeof Profile.static;

export const ProfileChange = t.Object(
  {
    displayName: t.Optional(Line({ maxLength: 64 })),
    bio: t.Optional(t.String({ maxLength: 2000, pattern: "^[^\\u0000]*$" })),
    locale: t.Optional(Locale),
    timeZone: t.Optional(t.String({ maxLength: 64, description: "Of the IANA database, such as Europe/Moscow" })),
    links: t.Optional(Links),
  },
  { additionalProperties: false, minProperties: 1 },
);

/** What a person chooses for himself. What he did not is as in `defaultPreferences`, so that a new one needs no migration. */
export const Preferences = t.Object(
  {
    theme: t.Union([t.Literal("system"), t.Literal("light"), t.Literal("dark")]),
    packList: t.Union([t.Literal("tiles"), t.Literal("table")]),
    mailEvents: t.Boolean({ description: "Mails about events that he registered for" }),
    mailNews: t.Boolean({ description: "Mails about news of this server" }),
  },
  strict,
);
export type Preferences = typeof Preferences.static;
/** Not in the schema, which would fill them into every change. */
export const defaultPreferences: Preferences = {
  theme: "system",
  packList: "tiles",
  mailEvents: true,
  mailNews: false,
};
export const PreferencesChange = t.Partial(Preferences, { additionalProperties: false, minProperties: 1 });

export const ActivityQuery = t.Object({ ...PageQuery }, strict);
export const Activity = t.Object({
  id: t.String(),
  kind: t.Unsafe<ActivityKind>(t.Union(activityKinds.map((kind) => t.Literal(kind)))),
  subject: t.String({ description: "To what: a device, a version, the name of a token" }),
  at: Time,
});
export const Activities = t.Object({ items: t.Array(Activity), nextCursor: t.Union([t.String(), t.Null()]) });

export const maxTokenDays = 366;
export const NewToken = t.Object(
  {
    name: Line({ minLength: 1, maxLength: 100, description: "By which you will know it" }),
    scopes: t.Array(t.Unsafe<Scope>(t.Union(scopes.map((scope) => t.Literal(scope)))), {
      minItems: 1,
      maxItems: scopes.length,
      uniqueItems: true,
    }),
    expiresInDays: t.Integer({ minimum: 1, maximum: maxTokenDays }),
  },
  strict,
);
export const Token = t.Object({
  id: t.String(),
  name: t.String(),
  scopes: t.Array(t.String()),
  createdAt: Time,
  expiresAt: Time,
  usedAt: t.Union([Time, t.Null()], { description: "Last use, to the minute" }),
});
export type Token = typeof Token.static;
export const MadeToken = t.Object({ ...Token.properties, token: t.String({ description: "Shown only now" }) });
export const Tokens = t.Object({ items: t.Array(Token) });
export const TokenParams = t.Object({ id: t.String({ format: "uuid" }) });

export const Deletion = t.Object(
  { password: t.Optional(t.String({ minLength: 1, maxLength: 256, description: "Not for accounts without one" })) },
  strict,
);
export const Deleted = t.Object({
  eraseAfter: t.String({ description: "RFC 3339: until then POST /v1/auth/undelete brings the account back" }),
  organizations: t.Array(t.Object({ slug: t.String(), heir: t.Union([t.String(), t.Null()]) }), {
    description:
      "Which you own, and who will own each when the account is erased, as things stand; null: it is deleted",
  }),
});
