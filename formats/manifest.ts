import { type Static, Type as t } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";

const MaybeText = t.Union([t.String(), t.Null()]);
const Side = t.Union([t.Literal("both"), t.Literal("client"), t.Literal("server")]);
export type Side = Static<typeof Side>;

/** A file of a manifest. Its bytes are at `url`: relative to the server for stored files, absolute for references. */
export const ManifestFile = t.Object({
  path: t.String(),
  size: t.Union([t.Integer(), t.Null()]),
  digests: t.Object({
    sha1: MaybeText,
    sha256: MaybeText,
    sha512: MaybeText,
    md5: MaybeText,
    murmur2: t.Union([t.Integer(), t.Null()]),
  }),
  side: Side,
  /** Installed only where the player wants it. */
  optional: t.Boolean(),
  /** Installed once, never overwritten. */
  preserve: t.Boolean(),
  url: t.String(),
  /** Id of the group of which the player takes all files or none. */
  group: t.Optional(t.String()),
  /** SHA-256 of what lay at this path in the version published before, where that was something else: the base of a three-way merge. */
  previous: t.Optional(t.String()),
  /** Only on references: these bytes are not kept here. */
  reference: t.Optional(t.Literal(true)),
});
export type ManifestFile = Static<typeof ManifestFile>;

/** Files that a player takes together. */
export const ManifestGroup = t.Object({
  id: t.String(),
  name: t.String(),
  description: t.Optional(t.String()),
  /** Always taken. */
  required: t.Optional(t.Literal(true)),
  /** Taken unless the player says otherwise. */
  recommended: t.Optional(t.Literal(true)),
  /** Of all groups that say the same word here, a player takes at most one. */
  exclusive: t.Optional(t.String()),
  /** Ids of groups that have to be taken with it. */
  requires: t.Optional(t.Array(t.String())),
  /** Ids of groups that cannot be taken with it. */
  conflicts: t.Optional(t.Array(t.String())),
});
export type ManifestGroup = Static<typeof ManifestGroup>;

/** The native manifest of a version, format 1: no host and no token in it, files sorted by path. */
export const Manifest = t.Object({
  formatVersion: t.Literal(1),
  pack: t.Object({ slug: t.String(), name: t.String() }),
  version: t.String(),
  channel: t.String(),
  publishedAt: t.String(),
  minecraft: t.String(),
  loader: t.Union([t.Object({ name: t.String(), version: t.String() }), t.Null()]),
  /** Major version of Java that it wants, such as "21". */
  java: t.Optional(t.String()),
  memoryMb: t.Optional(t.Integer()),
  /** Of the game server that the pack is for: host or host:port. */
  serverAddress: t.Optional(t.String()),
  groups: t.Optional(t.Array(ManifestGroup)),
  files: t.Array(ManifestFile),
});
export type Manifest = Static<typeof Manifest>;

const manifests = TypeCompiler.Compile(Manifest);

/** Reads the bytes of a manifest. Throws an Error when they are none. */
export function parseManifest(bytes: Uint8Array): Manifest {
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (!manifests.Check(value)) throw new Error("Cannot read the manifest: it is not of format 1");
  return value;
}

/** A file whose bytes are kept here, by their digests. */
export type StoredManifestFile = ManifestFile & {
  size: number;
  digests: { sha1: string; sha256: string; sha512: string; md5: string; murmur2: number | null };
};

/** Whether the bytes of a file are kept here: then all their digests are known. */
export function isStoredHere(file: ManifestFile): file is StoredManifestFile {
  const { sha1, sha256, sha512, md5 } = file.digests;
  return !file.reference && file.size !== null && sha1 !== null && sha256 !== null && sha512 !== null && md5 !== null;
}
