/** Bytes of a PNG that is taken as a texture. */
export const maxTextureBytes = 1024 ** 2;
/** Pixels of its longest side: sixteen times what the game began with. */
export const maxTextureSide = 1024;

type Size = { width: number; height: number };

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const headerBytes = 33;
/** Bits a sample that each colour type may have (PNG, third edition, 11.2.1). */
const depths: Record<number, number[]> = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] };

/**
 * Reads the size of a texture out of a PNG's header, before anything of it is decoded, and says on what canvas it goes: its
 * own size, but for capes of 22 × 17 and multiples, which are padded to 64 × 32. Skins are multiples of 64 × 64 or
 * 64 × 32. (Sizes: authlib-injector's specification of Yggdrasil servers, "textures".)
 */
export function measureTexture(
  bytes: Uint8Array,
  kind: "skin" | "cape",
): { size: Size; canvas: Size } | { refused: string } {
  if (bytes.byteLength > maxTextureBytes) return { refused: `it has more than ${maxTextureBytes} bytes` };
  const size = readPngSize(bytes);
  if (!size) return { refused: "it is no PNG" };
  const { width, height } = size;
  const canvas = kind === "skin" ? fitSkin(size) : fitCape(size);
  if (canvas) return { size, canvas };
  const allowed = kind === "skin" ? "64 × 64 or 64 × 32" : "64 × 32 or 22 × 17";
  return {
    refused: `it is ${width} × ${height} pixels; a ${kind} has ${allowed}, or a multiple of it up to ${maxTextureSide} wide`,
  };
}

function fitSkin({ width, height }: Size): Size | undefined {
  return width % 64 === 0 && width <= maxTextureSide && (height === width || height * 2 === width)
    ? { width, height }
    : undefined;
}

function fitCape({ width, height }: Size): Size | undefined {
  const times = width % 64 === 0 ? width / 64 : width / 22;
  const fits = height === times * 32 ? width === times * 64 : height === times * 17 && width === times * 22;
  const canvas = { width: times * 64, height: times * 32 };
  return Number.isInteger(times) && fits && canvas.width <= maxTextureSide ? canvas : undefined;
}

/** Width and height as the first chunk says them (PNG, 11.2.1); undefined when that is not as it has to be, to the checksum. */
function readPngSize(bytes: Uint8Array): Size | undefined {
  if (bytes.byteLength < headerBytes || signature.some((byte, index) => bytes[index] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  const isHeader = view.getUint32(8) === 13 && view.getUint32(12) === 0x49484452; // IHDR
  if (!isHeader || view.getUint32(29) !== Bun.hash.crc32(bytes.subarray(12, 29))) return undefined;
  const [depth, colour, compression, filter, interlace] = bytes.subarray(24, 29);
  const size = { width: view.getUint32(16), height: view.getUint32(20) };
  const isKnown =
    depths[colour ?? -1]?.includes(depth ?? 0) && compression === 0 && filter === 0 && (interlace ?? 2) < 2;
  return isKnown && size.width > 0 && size.height > 0 ? size : undefined;
}
