import type { VersionFileRow } from "../db/version-file.ts";
import { writeGroup } from "../formats/groups.ts";
import type { Manifest, ManifestFile, ManifestGroup } from "../formats/manifest.ts";

type Frozen = Omit<Manifest, "formatVersion" | "files" | "java" | "memoryMb" | "serverAddress" | "groups"> & {
  java: string | null;
  memoryMb: number | null;
  serverAddress: string | null;
  groups: ManifestGroup[] | null;
  files: VersionFileRow[];
  /** SHA-256 of the stored files of the version before, by their paths. */
  previous: ReadonlyMap<string, string>;
};

/**
 * Renders the manifest's bytes: the same model gives the same bytes for ever, also where it says nothing of what manifests
 * learnt later. `files` are sorted by path already.
 */
export function renderManifest({
  pack,
  version,
  channel,
  publishedAt,
  minecraft,
  loader,
  ...more
}: Frozen): Uint8Array {
  const { java, memoryMb, serverAddress, groups, files, previous } = more;
  const manifest: Manifest = {
    formatVersion: 1,
    pack,
    version,
    channel,
    publishedAt,
    minecraft,
    loader,
    ...(java !== null && { java }),
    ...(memoryMb !== null && { memoryMb }),
    ...(serverAddress !== null && { serverAddress }),
    ...(groups !== null && { groups: groups.map(writeGroup) }),
    files: files.map((file) => describeFile(file, previous)),
  };
  return new TextEncoder().encode(JSON.stringify(manifest));
}

function describeFile(file: VersionFileRow, previous: ReadonlyMap<string, string>): ManifestFile {
  const { path, side, optional, preserve, sizeBytes: size } = file;
  const group = file.groupId !== null && { group: file.groupId };
  if (file.blobId !== null) {
    const { sha1, sha256, sha512, md5, murmur2 } = file;
    const before = previous.get(path);
    return {
      path,
      size,
      digests: { sha1, sha256, sha512, md5, murmur2 },
      side,
      optional,
      preserve,
      url: `/v1/blobs/${sha256}`,
      ...group,
      ...(before !== undefined && before !== sha256 && { previous: before }),
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
  return { path, size, digests, side, optional, preserve, url: file.url ?? "", ...group, reference: true };
}
