import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";

export type Content = { path: string; sizeBytes: number };

/** Sizes as in a modpack, many small files and some large ones, the same every time: `count` of them, `totalBytes` in all. */
export function planFiles({ count, totalBytes }: { count: number; totalBytes: number }): Content[] {
  const weights = Array.from({ length: count }, (_, index) => 1.5 ** (index % 16));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight, index) => ({
    path: index % 3 === 0 ? `config/settings-${index}.toml` : `mods/mod-${index}.jar`,
    sizeBytes: Math.max(1, Math.floor((totalBytes * weight) / sum)),
  }));
}

/** Writes files of random bytes, which no compression makes smaller, as in jars. */
export async function writeFiles(folder: string, files: Content[]): Promise<void> {
  for (const { path, sizeBytes } of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await Bun.write(join(folder, path), randomBytes(sizeBytes));
  }
}

export function randomBytes(sizeBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  // getRandomValues takes 64 KiB at most.
  for (let start = 0; start < sizeBytes; start += 65_536)
    crypto.getRandomValues(bytes.subarray(start, Math.min(start + 65_536, sizeBytes)));
  return bytes;
}
