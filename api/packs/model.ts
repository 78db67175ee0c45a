import { Type as t } from "@sinclair/typebox";
import { Login } from "../accounts/model.ts";
import { PageQuery } from "../pages.ts";
import { Sha256 } from "../uploads/model.ts";

const Name = t.String({ minLength: 1, maxLength: 512 });
const Summary = t.String({ maxLength: 2048 });
const Tag = t.String({ pattern: "^[a-z0-9][a-z0-9-]{0,31}$" });
const HttpUrl = t.String({ pattern: "^https?://", maxLength: 2000 });
const strict = { additionalProperties: false } as const;

const Picture = t.Optional(
  t.Union([Sha256, t.Null()], { description: "Digest of bytes that you may read; null removes the picture" }),
);
const port = "[1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d\\d|655[0-2]\\d|6553[0-5]";

export const Java = t.String({ pattern: "^([89]|[1-9]\\d)$", description: "Major version of Java, such as 21" });
export const MemoryMb = t.Integer({ minimum: 256, maximum: 262_144, description: "That the game should have, MiB" });
export const ServerAddress = t.String({
  pattern: `^([A-Za-z0-9_-]{1,63}(\\.[A-Za-z0-9_-]{1,63}){0,30}|\\[[0-9A-Fa-f:.]{2,45}\\])(:(${port}))?$`,
  maxLength: 260,
  description: "Of the game server: host or host:port",
});
/** How a pack is started; of a version, null says: as the pack. */
export const launchSettings = {
  java: t.Optional(t.Union([Java, t.Null()])),
  memoryMb: t.Optional(t.Union([MemoryMb, t.Null()])),
  serverAddress: t.Optional(t.Union([ServerAddress, t.Null()])),
};

export const Slug = t.String({ pattern: "^[a-z0-9-]{2,64}$" });
export const SlugParams = t.Object({ slug: Slug });
export const Visibility = t.Union([t.Literal("private"), t.Literal("unlisted"), t.Literal("public")]);
export const MemberRole = t.Union([t.Literal("maintainer"), t.Literal("publisher")]);

export const NewPack = t.Object(
  {
    slug: Slug,
    name: Name,
    summary: t.Optional(Summary),
    visibility: t.Optional(Visibility),
    organization: t.Optional(t.String({ ...Slug, description: "Slug of the organization that is to own it" })),
  },
  strict,
);

export const PackChange = t.Object(
  {
    name: t.Optional(Name),
    summary: t.Optional(Summary),
    description: t.Optional(t.String({ maxLength: 100_000, description: "Markdown" })),
    licence: t.Optional(t.String({ maxLength: 200 })),
    tags: t.Optional(t.Array(Tag, { maxItems: 20, uniqueItems: true })),
    links: t.Optional(
      t.Record(t.String({ pattern: "^(?!(?:constructor|prototype)$)[a-z][a-z0-9-]{0,31}$" }), HttpUrl, {
        maxProperties: 20,
        additionalProperties: false,
      }),
    ),
    visibility: t.Optional(Visibility),
    ...launchSettings,
    icon: Picture,
    logo: Picture,
    background: Picture,
    owner: t.Optional(
      t.String({ minLength: 1, maxLength: 64, description: "Login of the new owner: hands the pack over" }),
    ),
    organization: t.Optional(
      t.Union([Slug, t.Null()], {
        description: "Slug of an organization that you manage: it owns the pack from now on; null: you do",
      }),
    ),
  },
  { additionalProperties: false, minProperties: 1 },
);

export const DeletePack = t.Object({ slug: Slug }, strict);
export const Access = t.Object(
  {
    users: t.Array(Login, { maxItems: 1000 }),
    roles: t.Array(t.String({ pattern: "^[a-z][a-z0-9-]{0,31}$" }), { maxItems: 50 }),
  },
  strict,
);
/** The same with the members of organizations. */
export const WideAccess = t.Object(
  {
    ...Access.properties,
    organizations: t.Optional(
      t.Array(Slug, { maxItems: 100, description: "Slugs: their members; none when not given" }),
    ),
  },
  strict,
);
export const ShownAccess = t.Object({
  users: t.Array(t.String()),
  roles: t.Array(t.String()),
  organizations: t.Array(t.String()),
});
export const Member = t.Object({ login: Login, role: MemberRole }, strict);
const MaybeOwner = t.Union([t.String(), t.Null()], { description: "Login; null where an organization owns it" });
const MaybeOrganization = t.Union([t.Object({ slug: t.String(), name: t.String() }), t.Null()]);
export const Members = t.Object({
  owner: MaybeOwner,
  organization: MaybeOrganization,
  items: t.Array(t.Object({ login: t.String(), role: t.String() })),
});
export const MemberParams = t.Object({ slug: Slug, login: Login });

export const PackQuery = t.Object(
  {
    query: t.Optional(t.String({ maxLength: 200 })),
    tag: t.Optional(t.String({ maxLength: 64 })),
    minecraft: t.Optional(t.String({ maxLength: 64 })),
    loader: t.Optional(t.String({ maxLength: 64 })),
    organization: t.Optional(Slug),
    ...PageQuery,
  },
  strict,
);

const ShownPicture = t.Union([t.Object({ sha256: t.String(), url: t.String() }), t.Null()]);
export const Pack = t.Object({
  slug: t.String(),
  name: t.String(),
  summary: t.String(),
  description: t.String(),
  licence: t.String(),
  tags: t.Array(t.String()),
  links: t.Record(t.String(), t.String()),
  icon: ShownPicture,
  logo: ShownPicture,
  background: ShownPicture,
  java: t.Union([Java, t.Null()]),
  memoryMb: t.Union([MemoryMb, t.Null()]),
  serverAddress: t.Union([ServerAddress, t.Null()]),
  visibility: Visibility,
  owner: MaybeOwner,
  organization: MaybeOrganization,
  role: t.Union([t.Literal("owner"), MemberRole, t.Null()], { description: "The caller's" }),
  minecraft: t.Array(t.String()),
  loaders: t.Array(t.String()),
  createdAt: t.String(),
  updatedAt: t.String(),
});
export type Pack = typeof Pack.static;
/** A pack's page: the pack, who follows it, and how often it was downloaded. */
export const PackPage = t.Object({
  ...Pack.properties,
  followers: t.Integer(),
  following: t.Boolean(),
  downloads: t.Object({ count: t.Integer(), asOf: t.String({ description: "All before this hour are counted" }) }),
});
export const Packs = t.Object({ items: t.Array(Pack), nextCursor: t.Union([t.String(), t.Null()]) });
