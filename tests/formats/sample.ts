import { join } from "node:path";
import type { Manifest, ManifestFile } from "../../formats/manifest.ts";

const hash = (name: "md5" | "sha1" | "sha256" | "sha512", text: string) =>
  new Bun.CryptoHasher(name).update(text).digest("hex");

/** A file that a server keeps: its bytes are its path. */
export function storedFile(path: string, more: Partial<ManifestFile> = {}): ManifestFile {
  const [sha1, sha256] = [hash("sha1", path), hash("sha256", path)];
  const digests = { sha1, sha256, sha512: hash("sha512", path), md5: hash("md5", path), murmur2: 1 };
  const common = { side: "both", optional: false, preserve: false } as const;
  return { path, size: Buffer.byteLength(path), digests, ...common, url: `/v1/blobs/${sha256}`, ...more };
}

/** A file whose bytes are elsewhere, with the digests that its author knows. */
export function reference(path: string, digests: Partial<ManifestFile["digests"]>): ManifestFile {
  const unknown = { sha1: null, sha256: null, sha512: null, md5: null, murmur2: null };
  const url = `https://cdn.example.org/files/${path} [1].jar`;
  return { ...storedFile(path), size: 3, digests: { ...unknown, ...digests }, url, reference: true };
}

export const manifestOf = (files: ManifestFile[], more: Partial<Manifest> = {}): Manifest => ({
  formatVersion: 1,
  pack: { slug: "winter", name: 'Зима "26"' },
  version: "1.2.0",
  channel: "release",
  publishedAt: "2026-01-01T00:00:00.000Z",
  minecraft: "1.20.1",
  loader: { name: "fabric-loader", version: "0.15.0" },
  files,
  ...more,
});

/** One of everything that the formats tell apart, as a manifest lists it: by the bytes of the paths. */
export const everything = manifestOf(
  [
    storedFile("config/a.json"),
    storedFile("config/percent%20 #1.txt"),
    storedFile("config/ключ [1].json"),
    storedFile("manifest"),
    reference("mods/by-md5.jar", { md5: hash("md5", "x") }),
    reference("mods/by-murmur.jar", { murmur2: 4_000_000_000 }),
    reference("mods/by-sha1.jar", { sha1: hash("sha1", "x"), md5: hash("md5", "x") }),
    storedFile("mods/client.jar", { side: "client" }),
    reference("mods/far.jar", { sha1: hash("sha1", "x"), sha512: hash("sha512", "x") }),
    storedFile("mods/maybe.jar", { optional: true }),
    storedFile("mods/minimap.jar", { optional: true, group: "maps", side: "client" }),
    storedFile("mods/music.jar", { optional: true, group: "music" }),
    storedFile("mods/server.jar", { side: "server" }),
    storedFile("options.txt", { preserve: true }),
  ],
  {
    groups: [
      { id: "maps", name: "Карты", description: 'Says "where"\nyou are \\ were', recommended: true },
      { id: "music", name: "Music" },
    ],
  },
);

const fixtures = join(import.meta.dir, "../fixtures");

/** A golden file; with SUNDUK_GOLDEN=1 it is written first, by hand and never in CI. */
export async function golden(name: string, made: string): Promise<string> {
  if (process.env.SUNDUK_GOLDEN === "1") await Bun.write(join(fixtures, name), made);
  return Bun.file(join(fixtures, name)).text();
}
