import type { Manifest, ManifestFile } from "../../formats/manifest.ts";

const hash = (name: "md5" | "sha1" | "sha256" | "sha512", text: string) =>
  new Bun.CryptoHasher(name).update(text).digest("hex");

/** A stored file whose bytes are its path. */
export function storedFile(path: string, more: Partial<ManifestFile> = {}): ManifestFile {
  const digests = {
    sha1: hash("sha1", path),
    sha256: hash("sha256", path),
    sha512: hash("sha512", path),
    md5: hash("md5", path),
    murmur2: 1,
  };
  const url = `/v1/blobs/${digests.sha256}`;
  return { path, size: path.length, digests, side: "both", optional: false, preserve: false, url, ...more };
}

/** A manifest of these files, which are sorted by path as everywhere. */
export const makeManifest = (files: ManifestFile[], more: Partial<Manifest> = {}): Manifest => ({
  formatVersion: 1,
  pack: { slug: "winter", name: "Зима" },
  version: "1.2.0",
  channel: "release",
  publishedAt: "2026-01-01T00:00:00.000Z",
  minecraft: "1.20.1",
  loader: { name: "fabric", version: "0.15.0" },
  files,
  ...more,
});
