import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Fault } from "../../fault.ts";
import { ManifestGroup } from "../../formats/manifest.ts";
import { checkPath, findPathClashes } from "../../paths.ts";
import { algorithms, type Digest } from "./digest.ts";

const digest = (length: number) =>
  Type.Optional(Type.Union([Type.String({ pattern: `^[0-9a-fA-F]{${length}}$` }), Type.Null()]));

const ManifestFile = Type.Object({
  path: Type.String(),
  size: Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.Null()])),
  digests: Type.Object({ sha256: digest(64), sha512: digest(128), sha1: digest(40), md5: digest(32) }),
  side: Type.Union([Type.Literal("both"), Type.Literal("client"), Type.Literal("server")]),
  optional: Type.Optional(Type.Boolean()),
  /** Optional, and taken unless the player says otherwise. */
  recommended: Type.Optional(Type.Boolean()),
  preserve: Type.Optional(Type.Boolean()),
  group: Type.Optional(Type.String()),
  previous: Type.Optional(Type.String()),
  reference: Type.Optional(Type.Boolean()),
  url: Type.String(),
  /** Other addresses of the same bytes. */
  others: Type.Optional(Type.Array(Type.String())),
});
export type ManifestFile = Static<typeof ManifestFile>;

/** The native manifest, as far as an installer reads it; members it does not know are left alone. */
export const Manifest = Type.Object({
  formatVersion: Type.Literal(1),
  pack: Type.Object({ slug: Type.String(), name: Type.String() }),
  version: Type.String(),
  channel: Type.String(),
  groups: Type.Optional(Type.Array(ManifestGroup)),
  files: Type.Array(ManifestFile),
});
export type Manifest = Static<typeof Manifest>;

/** A file that the pack wants in the folder. */
export type Wanted = {
  path: string;
  digest: Digest;
  /** Null when a reference does not tell its size. */
  sizeBytes: number | null;
  preserve: boolean;
  /** What lay there in the version before, and may be replaced without asking. */
  previous: Digest | undefined;
  /** Where a reference is fetched from, tried in turn; none for bytes that the server itself keeps. */
  references: string[];
};

/** Parses a native manifest and checks every path in it, before anything is written. Faults: invalid. */
export function parseManifest(body: unknown): Manifest {
  if (!Value.Check(Manifest, body)) {
    const place = Value.Errors(Manifest, body).First();
    throw new Fault("invalid", "Cannot read the manifest: this program does not know its form, update sunduk", {
      errors: place === undefined ? [] : [{ pointer: place.path, detail: place.message }],
    });
  }
  const paths = body.files.map((file) => file.path);
  const bad = [
    ...paths.flatMap((path) => ({ path, reason: checkPath(path) ?? ownFolder(path) })),
    ...findPathClashes(paths),
  ].flatMap(({ path, reason }) => (reason === undefined ? [] : [{ detail: `${JSON.stringify(path)}: ${reason}` }]));
  if (bad.length > 0) {
    throw new Fault("invalid", `Cannot install: ${bad.length} path(s) of the pack are not safe, nothing was written`, {
      errors: bad,
    });
  }
  return body;
}

/** What has to be in the folder for these files of a manifest. Faults: invalid (a file that no digest vouches for). */
export function listWanted(files: readonly ManifestFile[]): Wanted[] {
  return files.map((file) => {
    const reference = file.reference === true || /^https?:\/\//i.test(file.url);
    const algorithm = algorithms.find((name) => typeof file.digests[name] === "string");
    if (algorithm === undefined || (!reference && algorithm !== "sha256")) {
      throw new Fault("invalid", `Cannot install: the pack gives no digest to check ${JSON.stringify(file.path)} with`);
    }
    return {
      path: file.path,
      digest: `${algorithm}:${String(file.digests[algorithm]).toLowerCase()}`,
      sizeBytes: file.size ?? null,
      preserve: file.preserve ?? false,
      previous: file.previous === undefined ? undefined : `sha256:${file.previous}`,
      references: reference ? [file.url, ...(file.others ?? [])] : [],
    };
  });
}

function ownFolder(path: string): string | undefined {
  return path.split("/")[0]?.toLowerCase() === ".sunduk" ? "this folder belongs to the installer" : undefined;
}
