import { join } from "node:path";
import sharp, { type Sharp } from "sharp";
import { acceptedKinds, type Kind, sniff, sniffedBytes } from "./sniff.ts";
import type { Outcome, Rendered, Task, Wanted } from "./task.ts";

/** WebP holds no more (RFC 9649, 2.7), and every picture becomes one. */
const maxSide = 16_383;
const maxFrames = 300;
/** Pictures of this size stand still, also those of an animation: a page full of moving ones cannot be read. */
const stillSide = 320;
/** A data: URL of so many characters is small enough for every list. */
const placeholderCharacters = 200;
const placeholderSides = [16, 12, 8, 4];

/** Lets libvips read four formats and nothing else, whatever is in its build; one thread, and nothing kept between pictures. */
export function limitDecoder(): void {
  sharp.block({ operation: ["VipsForeignLoad"] });
  const files = ["Jpeg", "Png", "Webp", "Nsgif"].map((name) => `VipsForeignLoad${name}File`);
  sharp.unblock({ operation: files });
  sharp.concurrency(1);
  sharp.cache(false);
}

type Source = { path: string; width: number; height: number; frames: number };

/** Makes the pictures of a task, or says why the file is refused. What it throws is our own failure. */
export async function render(task: Task): Promise<Outcome> {
  const path = join(task.folder, "input");
  const found = sniff(await Bun.file(path).slice(0, sniffedBytes).bytes());
  if ("looksLike" in found) return { refused: `this is ${found.looksLike}; ${acceptedKinds}` };
  const source = await inspect(path, { kind: found.kind, maxPixels: task.maxPixels });
  if ("refused" in source) return source;
  try {
    return await make(source, task);
  } catch (error) {
    // What went wrong on our side of the work is not the file's fault.
    if (!(error instanceof Error)) throw error;
    if (/no space left on device/i.test(error.message)) return { noRoom: true };
    if (error.message.includes("unable to encode")) return { refused: "it has more detail than WebP can hold" };
    if (/write|space|memory|save/i.test(error.message)) throw error;
    return { refused: `it is damaged: it cannot be decoded as ${nameOf(found.kind)}` };
  }
}

/** Reads the header only, and refuses what would take too much to decode. */
async function inspect(
  path: string,
  { kind, maxPixels }: { kind: Kind; maxPixels: number },
): Promise<Source | { refused: string }> {
  const header = await sharp(path, { limitInputPixels: false })
    .metadata()
    .catch(() => undefined);
  if (header?.format !== kind) return { refused: `it is damaged: it begins like ${nameOf(kind)}, and is none` };
  const { width, height } = header.autoOrient;
  const frames = header.pages ?? 1;
  // Of an animation one frame at a time is in memory; transparency (or CMYK) and 16 bits a channel take twice as much of it.
  const weight = (header.channels > 3 ? 2 : 1) * (header.depth === "uchar" ? 1 : 2);
  const pixels = width * height * Math.max(frames, weight);
  if (width > maxSide || height > maxSide)
    return { refused: `it is ${width} × ${height} pixels; no side may be longer than ${maxSide}` };
  if (frames > maxFrames) return { refused: `it has ${frames} frames; ${maxFrames} are allowed` };
  if (pixels > maxPixels) {
    const size = [`${width} × ${height}`, ...(frames > 1 ? [`${frames} frames`] : [])].join(" × ");
    const twice = frames < weight ? ", where transparency and 16 bits a channel count twice" : "";
    return { refused: `it is ${size}; ${millions(maxPixels)} million pixels in all are allowed${twice}` };
  }
  return { path, width, height, frames };
}

async function make(source: Source, { folder, wanted, focus, maxPixels }: Task): Promise<Rendered> {
  const open = (animated = false) =>
    sharp(source.path, { animated, autoOrient: true, failOn: "error", limitInputPixels: maxPixels });
  const { width, height } = source;
  const animated = source.frames > 1;
  const sides = wanted.flatMap(({ side }) => side ?? []);
  const crop = wanted.some((each) => each.crop) && cropAround(focus, source);
  // Small pictures are made of the largest small one: the file is decoded for that one and the full size only.
  const base = await shrink(crop ? open().extract(crop) : open(), Math.max(...sides, ...placeholderSides));
  const files = new Map<string, Picture>();
  const made: Rendered["made"] = [];
  for (const each of wanted) {
    const { name, format, side } = each;
    const full = !each.crop && (side ?? maxSide) >= Math.max(width, height);
    const moves = animated && format === "webp" && !each.crop && side !== stillSide;
    const key = `${format} ${full || side} ${moves}`;
    const picture = files.get(key) ?? (await write(each, { full, moves }));
    files.set(key, picture);
    made.push({ name, format, ...picture });
  }
  return { width, height, animated, placeholder: await makePlaceholder(base), made };

  async function write({ name, format, side }: Wanted, { full, moves }: Shape): Promise<Picture> {
    const file = `${name}.${format}`;
    const picture = full || moves ? open(moves) : base.clone();
    if (!full && side !== null) picture.resize(side, side, { fit: "inside", withoutEnlargement: true });
    const info = await encode(picture, { format, full, moves }).toFile(join(folder, file));
    return { file, width: info.width, height: info.pageHeight ?? info.height };
  }
}

type Picture = { file: string; width: number; height: number };
type Shape = { full: boolean /** Keeps its frames. */; moves: boolean };

function encode(picture: Sharp, { format, full, moves }: Shape & Pick<Wanted, "format">): Sharp {
  if (format === "avif") return picture.avif({ quality: 55, effort: 3 });
  // At full size more effort takes up to ten times as long, for the same number of bytes.
  return picture.webp({ quality: full ? 90 : 80, effort: full || moves ? 2 : 4 });
}

/** The upright picture, no larger than a square, as pixels in memory. */
async function shrink(picture: Sharp, side: number): Promise<Sharp> {
  const { data, info } = await picture
    .resize(side, side, { fit: "inside", withoutEnlargement: true })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } });
}

/** The largest square, as near to the focal point as the picture's edges allow. */
function cropAround(focus: Task["focus"], { width, height }: Source) {
  const side = Math.min(width, height);
  const start = (share: number, length: number) =>
    Math.round(Math.min(Math.max(share * length - side / 2, 0), length - side));
  return { left: start(focus.x, width), top: start(focus.y, height), width: side, height: side };
}

async function makePlaceholder(base: Sharp): Promise<string> {
  for (const side of placeholderSides) {
    const bytes = await base.clone().resize(side, side, { fit: "inside" }).webp({ quality: 20, effort: 6 }).toBuffer();
    const url = `data:image/webp;base64,${bytes.toString("base64")}`;
    if (url.length <= placeholderCharacters) return url;
  }
  throw new Error("no placeholder is small enough");
}

const nameOf = (kind: Kind) => (kind === "webp" ? "WebP" : kind.toUpperCase());
const millions = (pixels: number) => Math.round(pixels / 100_000) / 10;
