import { Type as t } from "@sinclair/typebox";
import { FileName } from "../files/model.ts";
import { ShownAccess, WideAccess } from "../packs/model.ts";
import { PageQuery } from "../pages.ts";
import { JobLink, Sha256 } from "../uploads/model.ts";

const strict = { additionalProperties: false } as const;
const Id = t.String({ format: "uuid" });
const nullable = (description: string) => t.Union([Id, t.Null()], { description });

/** `album`: whoever may see the album it is in. */
export const ImageVisibility = t.Union(
  [t.Literal("private"), t.Literal("album"), t.Literal("unlisted"), t.Literal("public")],
  { description: "album: whoever may see its album" },
);
export const ImageState = t.Union([
  t.Literal("waiting"),
  t.Literal("processing"),
  t.Literal("ready"),
  t.Literal("rejected"),
]);
const Caption = t.String({ maxLength: 2000 });
const Alt = t.String({ maxLength: 1000, description: "What is to be seen, for those who cannot see it" });

export const ImageParams = t.Object({ id: Id });
/** Of a picture; an avatar has one for each of its sizes. */
export const VariantParams = t.Object({
  id: Id,
  variant: t.String({ pattern: "^(thumb|preview|large|original|64|128|256|512)$" }),
});

export const NewImage = t.Object(
  {
    name: FileName,
    sha256: Sha256,
    size: t.Integer({ minimum: 1, description: "Bytes" }),
    album: t.Optional(Id),
    visibility: t.Optional(ImageVisibility),
    caption: t.Optional(Caption),
    alt: t.Optional(Alt),
    access: t.Optional(WideAccess),
  },
  strict,
);
export type NewImage = typeof NewImage.static;

export const ImageChange = t.Object(
  {
    caption: t.Optional(Caption),
    alt: t.Optional(Alt),
    album: t.Optional(nullable("Where it goes; null takes it out of its album")),
    visibility: t.Optional(ImageVisibility),
    access: t.Optional(WideAccess),
    after: t.Optional(nullable("The image behind which it goes; null: to the front")),
    before: t.Optional(nullable("The image in front of which it goes; null: to the end")),
  },
  { ...strict, minProperties: 1 },
);
export type ImageChange = typeof ImageChange.static;

export const OwnImageQuery = t.Object({ state: t.Optional(ImageState), album: t.Optional(Id), ...PageQuery }, strict);
export const ImageQuery = t.Object(PageQuery, strict);

const Variant = t.Object({ url: t.String(), width: t.Integer(), height: t.Integer() });

export const Image = t.Object({
  id: t.String(),
  owner: t.String(),
  state: ImageState,
  reason: t.Optional(t.String({ description: "Why it was rejected" })),
  name: t.String(),
  caption: t.String(),
  alt: t.String(),
  album: t.Union([t.String(), t.Null()]),
  visibility: ImageVisibility,
  access: t.Optional(
    t.Object(ShownAccess.properties, { description: "Who else may see it: told to its owner and to admins" }),
  ),
  sha256: t.Optional(t.String({ description: "Of the bytes that were sent: told to its owner and to admins" })),
  size: t.Optional(t.Integer({ description: "Of the bytes that were sent: told to its owner and to admins" })),
  width: t.Union([t.Integer(), t.Null()]),
  height: t.Union([t.Integer(), t.Null()]),
  animated: t.Boolean(),
  placeholder: t.Union([t.String({ description: "data: URL of a few dozen bytes, to show meanwhile" }), t.Null()]),
  variants: t.Record(t.String(), Variant, {
    description: "thumb, preview, large and original: WebP, or AVIF for those who accept it and where it is there",
  }),
  createdAt: t.String(),
  updatedAt: t.String(),
  expiresAt: t.Optional(t.String()),
  method: t.Optional(t.Literal("PUT")),
  url: t.Optional(t.String({ description: "Where its bytes are to be sent, with `method` and `headers`" })),
  headers: t.Optional(t.Record(t.String(), t.String())),
});
export type Image = typeof Image.static;
export const Images = t.Object({ items: t.Array(Image), nextCursor: t.Union([t.String(), t.Null()]) });
export const ImageAccepted = t.Object({ id: t.String(), state: t.String(), job: JobLink });

export const FormAccepted = t.Object({
  id: t.String(),
  fileName: t.String({ description: "Unique on this server" }),
  url: t.String({ description: "Where it is to be seen once it is ready" }),
  state: t.String(),
  job: JobLink,
});
