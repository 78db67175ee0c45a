import { readdir } from "node:fs/promises";
import { Fault, type FaultPlace } from "../../fault.ts";
import { checkPath, findPathClashes } from "../../paths.ts";

export type Side = "both" | "client" | "server";

/** What the author knows of bytes that lie elsewhere: lower-case hex, murmur2 as a decimal uint32. */
export type ReferenceDigests = Partial<Record<"sha1" | "sha256" | "sha512" | "md5" | "murmur2", string>>;

/** Either bytes in `local.diskPath`, or a reference to where others keep them; `others` are addresses of the same bytes. */
export type Bytes =
  | { local: { diskPath: string; sizeBytes: number }; reference?: never }
  | { reference: { url: string; others?: string[]; digests: ReferenceDigests; sizeBytes?: number }; local?: never };

/** One file of a pack; `recommended`: optional, and taken unless the player says otherwise. */
export type SourceFile = {
  path: string;
  side: Side;
  optional?: true;
  recommended?: true;
  preserve?: true;
  group?: string;
} & Bytes;

export type LaunchSettings = { java?: string; memoryMb?: number; serverAddress?: string; groups?: { id: string }[] };

/** A pack as its author keeps it, whatever the form, files sorted by path. */
export type PackSource = {
  slug?: string;
  name: string;
  summary?: string;
  version?: string;
  channel: "release" | "beta" | "alpha";
  minecraft: string;
  loader: { name: string; version: string } | null;
  /** What only a sunduk.toml says: how it is started, and the groups of its optional files, as the server takes them. */
  settings?: LaunchSettings;
  files: SourceFile[];
  /** Removes what was unpacked for reading. */
  close(): Promise<void>;
};

export type SourceOptions = { signal?: AbortSignal };

/** Checks all paths of a pack, alone and beside each other, and sorts its files. Throws Fault("invalid") naming them. */
export function settleFiles(files: SourceFile[], where: string): SourceFile[] {
  const paths = files.map((file) => file.path);
  const places = [
    ...paths.flatMap((path) => {
      const reason = checkPath(path);
      return reason === undefined ? [] : [{ path, reason }];
    }),
    ...findPathClashes(paths),
  ].map(({ path, reason }): FaultPlace => ({ detail: `${JSON.stringify(path)}: ${reason}` }));
  if (places.length > 0) {
    throw new Fault("invalid", `Read ${where}: ${places.length} paths cannot be in a pack; rename or remove them`, {
      errors: places,
    });
  }
  return files.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

/** A failure to read a source, in the words of its author. */
export function sourceFault(where: string, state: string, options: { errors?: FaultPlace[]; cause?: unknown } = {}) {
  return new Fault("invalid", `Read ${where}: ${state}`, options);
}

/** Whether a folder holds an entry of this name. */
export async function holds(folder: string, name: string): Promise<boolean> {
  return (await readdir(folder)).includes(name);
}
