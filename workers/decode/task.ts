import { type Static, Type as t } from "@sinclair/typebox";
import { maxTextureSide } from "../../texture.ts";

const Format = t.Union([t.Literal("webp"), t.Literal("avif")]);

/** One picture to make: at full size, fitting into a square, or cropped to one. Never enlarged. */
export const Wanted = t.Object({
  name: t.String({ pattern: "^[a-z0-9]+$" }),
  format: Format,
  /** Pixels of the square; null is full size. */
  side: t.Union([t.Integer({ minimum: 1 }), t.Null()]),
  crop: t.Boolean(),
});
export type Wanted = Static<typeof Wanted>;

/** What the decoder is asked: to make pictures of the file `input` in a folder, into the same folder. */
export const Task = t.Object({
  folder: t.String(),
  wanted: t.Array(Wanted),
  /** The point that a crop keeps in sight, 0 to 1 from the upper left corner of the upright picture. */
  focus: t.Object({ x: t.Number({ minimum: 0, maximum: 1 }), y: t.Number({ minimum: 0, maximum: 1 }) }),
  /** Of all frames together. */
  maxPixels: t.Integer(),
});
export type Task = Static<typeof Task>;

/** What it has made; or why the file is refused, for its sender to read; or that there was no room, which is nobody's fault. */
export const Outcome = t.Union([
  t.Object({ refused: t.String() }),
  t.Object({ noRoom: t.Literal(true) }),
  t.Object({
    width: t.Integer({ minimum: 1 }),
    height: t.Integer({ minimum: 1 }),
    animated: t.Boolean(),
    placeholder: t.String({ maxLength: 200 }),
    /** The same file may be several variants of a small picture. */
    made: t.Array(
      t.Object({
        name: t.String(),
        format: Format,
        file: t.String({ pattern: "^[a-z0-9]+\\.(webp|avif)$" }),
        width: t.Integer({ minimum: 1 }),
        height: t.Integer({ minimum: 1 }),
      }),
    ),
  }),
]);
export type Outcome = Static<typeof Outcome>;
export type Rendered = Exclude<Outcome, { refused: string } | { noRoom: true }>;

const Side = t.Integer({ minimum: 1, maximum: maxTextureSide });

/** What the decoder is asked about a texture: to write the PNG `input` of a folder anew, on a canvas of this size. */
export const TextureTask = t.Object({ folder: t.String(), canvas: t.Object({ width: Side, height: Side }) });
export type TextureTask = Static<typeof TextureTask>;
export const TextureOutcome = t.Union([
  t.Object({ refused: t.String() }),
  t.Object({ texture: t.Literal("texture.png") }),
]);
export type TextureOutcome = Static<typeof TextureOutcome>;
