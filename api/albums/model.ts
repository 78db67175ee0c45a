import { Type as t } from "@sinclair/typebox";
import { Image } from "../images/model.ts";
import { Line } from "../me/model.ts";
import { Slug } from "../packs/model.ts";
import { PageQuery } from "../pages.ts";
import { JobLink } from "../uploads/model.ts";

const strict = { additionalProperties: false } as const;
const Id = t.String({ format: "uuid" });
const Time = t.String({ format: "date-time" });
const Title = Line({ minLength: 1, maxLength: 200 });
const Description = t.String({ maxLength: 10_000 });
const orNull = <Schema extends ReturnType<typeof t.String>>(schema: Schema) => t.Union([schema, t.Null()]);

export const AlbumVisibility = t.Union(
  [t.Literal("private"), t.Literal("page"), t.Literal("unlisted"), t.Literal("public")],
  { description: "page: whoever may see the pack, organization or event whose gallery it is" },
);
export const AlbumParams = t.Object({ id: Id });
export const AlbumImageParams = t.Object({ id: Id, image: Id });
export const ShareParams = t.Object({ id: Id, share: Id });
export const ListQuery = t.Object(PageQuery, strict);

export const NewAlbum = t.Object(
  {
    title: Title,
    description: t.Optional(Description),
    visibility: t.Optional(AlbumVisibility),
    pack: t.Optional({ ...Slug, description: "Makes it a gallery of this pack: for its owner and maintainers" }),
    organization: t.Optional({ ...Slug, description: "Makes it a gallery of this organization: for its managers" }),
    event: t.Optional({ ...Slug, description: "Makes it a gallery of this event: for those who run it" }),
  },
  strict,
);
export type NewAlbum = typeof NewAlbum.static;

export const AlbumChange = t.Object(
  { title: t.Optional(Title), description: t.Optional(Description), visibility: t.Optional(AlbumVisibility) },
  { ...strict, minProperties: 1 },
);
export type AlbumChange = typeof AlbumChange.static;

export const DeleteAlbumQuery = t.Object(
  {
    images: t.Optional(
      t.Union([t.Literal("keep"), t.Literal("delete")], {
        default: "keep",
        description: "delete: also the images in it; of a gallery, the caller's own",
      }),
    ),
  },
  strict,
);

export const Album = t.Object({
  id: t.String(),
  title: t.String(),
  description: t.String(),
  visibility: AlbumVisibility,
  owner: orNull(t.String({ description: "Who made it; null while the account is hidden" })),
  pack: orNull(t.String()),
  organization: orNull(t.String()),
  event: orNull(t.String()),
  role: t.Union([t.Literal("editor"), t.Literal("contributor"), t.Literal("member"), t.Literal("reader")], {
    description:
      "The caller's: an editor changes it, a contributor puts images of his own in, a member works on the page, a reader looks",
  }),
  cover: t.Union(
    [t.Object({ id: t.String(), url: t.String(), alt: t.String(), placeholder: orNull(t.String()) }), t.Null()],
    { description: "The first image that the caller may see" },
  ),
  images: t.String({ description: "Address of the list of its images" }),
  createdAt: t.String(),
  updatedAt: t.String(),
});
export type Album = typeof Album.static;
export const Albums = t.Object({ items: t.Array(Album), nextCursor: orNull(t.String()) });

export const NewShare = t.Object(
  {
    expiresAt: t.Optional(Time),
    password: t.Optional(t.String({ minLength: 4, maxLength: 256 })),
  },
  strict,
);
export type NewShare = typeof NewShare.static;
export const MadeShare = t.Object({
  id: t.String(),
  token: t.String({ description: "Shown once" }),
  url: t.String({ description: "The link: the token stands behind the #" }),
  expiresAt: orNull(Time),
});
export const Share = t.Object({
  id: t.String(),
  password: t.Boolean({ description: "Whether it asks for one" }),
  uses: t.Integer(),
  createdAt: Time,
  expiresAt: orNull(Time),
  revokedAt: orNull(Time),
  usedAt: orNull(Time),
});
export type Share = typeof Share.static;
export const Shares = t.Object({ items: t.Array(Share), nextCursor: orNull(t.String()) });

export const OpenShare = t.Object(
  { token: t.String({ minLength: 1, maxLength: 300 }), password: t.Optional(t.String({ maxLength: 256 })) },
  strict,
);
export const OpenedShare = t.Object({
  album: Album,
  images: t.Array(Image),
  nextCursor: orNull(t.String({ description: "For GET /v1/albums/{id}/images" })),
  grant: t.String({ description: "For the header `Share` of requests for this album and its images" }),
  grantExpiresAt: Time,
});

export const AskedArchive = t.Object({
  state: t.Union([t.Literal("ready"), t.Literal("packing")]),
  url: t.String({ description: "Where it is once it is ready" }),
  job: t.Optional(JobLink),
});
