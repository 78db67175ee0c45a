import type { VersionFileRow } from "../db/version-file.ts";
import type { Manifest, ManifestFile } from "../formats/manifest.ts";

type Frozen = Omit<Manifest, "formatVersion" | "files"> & { files: VersionFileRow[] };

/** Renders the manifest's bytes: the same model gives the same bytes for ever. `files` are sorted by path already. */
export function renderManifest({ files, pack, version, channel, publishedAt, minecraft, loader }: Frozen): Uint8Array {
  const manifest: Manifest = {
    formatVersion: 1,
    pack,
    version,
    channel,
    publishedAt,
    minecraft,
    loader,
    files: files.map(describeFile),
  };
  return new TextEncoder().encode(JSON.stringify(manifest));
}

function describeFile(file: VersionFileRow): ManifestFile {
  const { path, side, optional, preserve, sizeBytes: size } = file;
  if (file.blobId !== null) {
    const { sha1, sha256, sha512, md5, murmur2 } = file;
    return {
      path,
      size,
      digests: { sha1, sha256, sha512, md5, murmur2 },
      side,
      optional,
      preserve,
      url: `/v1/blobs/${sha256}`,
    };
  }
  const said = file.digests ?? {};
  const digests = {
    sha1: said.sha1 ?? null,
    sha256: said.sha256 ?? null,
    sha512: said.sha512 ?? null,
    md5: said.md5 ?? null,
    murmur2: said.murmur2 === undefined ? null : Number(said.murmur2),
  };
  return { path, size, digests, side, optional, preserve, url: file.url ?? "", reference: true };
}
