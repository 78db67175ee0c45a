import { join } from "node:path";
import sharp from "sharp";
import { maxTextureSide } from "../../texture.ts";
import type { TextureOutcome, TextureTask } from "./task.ts";

/**
 * Writes a texture anew: the same pixels as 8 bits of red, green, blue and alpha, at the upper left of a transparent canvas,
 * and nothing else of the file. The same pixels are the same bytes, so that their digest names them.
 */
export async function renderTexture({ folder, canvas }: TextureTask): Promise<TextureOutcome> {
  const decoded = await decode(join(folder, "input"));
  if ("refused" in decoded) return decoded;
  const { data, info } = decoded;
  const { width, height } = info;
  if (width > canvas.width || height > canvas.height || info.channels !== 4)
    return { refused: "it is damaged: its header and its pixels differ" };
  await sharp(data, { raw: { width, height, channels: 4 } })
    .extend({
      right: canvas.width - width,
      bottom: canvas.height - height,
      background: { r: 0, g: 0, b: 0, alpha: 0 },
    })
    .png({ compressionLevel: 9, adaptiveFiltering: false, palette: false })
    .toFile(join(folder, "texture.png"));
  return { texture: "texture.png" };
}

async function decode(path: string) {
  try {
    // As the game does: colours are numbers, whatever profile or orientation the file names.
    return await sharp(path, {
      autoOrient: false,
      ignoreIcc: true,
      failOn: "error",
      limitInputPixels: maxTextureSide ** 2,
    })
      .toColourspace("srgb")
      .ensureAlpha()
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
  } catch {
    return { refused: "it is damaged: it cannot be decoded as PNG" };
  }
}
