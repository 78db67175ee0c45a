import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Fault } from "../../fault.ts";
import { type Choice, noChoice } from "./choose.ts";
import { type Algorithm, algorithms, type Digest } from "./digest.ts";
import { KnownKey, Source } from "./origin.ts";
import type { Claim } from "./plan.ts";

const InstalledFile = Type.Object({
  path: Type.String(),
  /** What the bytes as installed are known by; several of the same bytes, sha256 first. */
  digests: Type.Array(Type.String()),
  sizeBytes: Type.Number(),
  mtimeMs: Type.Number(),
  preserve: Type.Boolean(),
  /** The player had the same file there before. */
  adopted: Type.Boolean(),
  /** The player changed it: only the digests say what we had put there. */
  edited: Type.Boolean(),
});
export type InstalledFile = Static<typeof InstalledFile>;

const InstalledState = Type.Object({
  formatVersion: Type.Literal(1),
  server: Type.String(),
  pack: Type.String(),
  version: Type.String(),
  side: Type.Union([Type.Literal("client"), Type.Literal("server"), Type.Literal("both")]),
  /** Where the pack is, when it is no pack of `server` by its name: may hold a secret. */
  source: Type.Optional(Source),
  /** What the player chose of what is optional. */
  choice: Type.Optional(
    Type.Object({
      groups: Type.Array(Type.String()),
      without: Type.Array(Type.String()),
      allOptional: Type.Boolean(),
    }),
  ),
  /** The keys that its server signs manifests with, from the first time on. */
  manifestKeys: Type.Optional(Type.Array(KnownKey)),
  /** The manifest as it came, and its ETag: with both, an answer of 304 is enough to repair the folder. */
  etag: Type.String(),
  manifest: Type.Unknown(),
  files: Type.Array(InstalledFile),
  /** Folders that this program made. */
  folders: Type.Array(Type.String()),
});
/** What this program put into a folder, `.sunduk/installed.json`. */
export type InstalledState = Static<typeof InstalledState>;

const Journal = Type.Object({
  formatVersion: Type.Literal(1),
  claims: Type.Array(
    Type.Object({
      path: Type.String(),
      digests: Type.Array(Type.String()),
      adopted: Type.Boolean(),
      preserve: Type.Boolean(),
    }),
  ),
  folders: Type.Array(Type.String()),
});
type Journal = Static<typeof Journal>;

/** Where the installer keeps its own things inside a folder. */
export function placesOf(root: string) {
  const own = join(root, ".sunduk");
  return {
    own,
    lock: join(own, "lock"),
    state: join(own, "installed.json"),
    journal: join(own, "journal.json"),
    partial: join(own, "partial"),
    backup: join(own, "backup"),
  };
}
export type Places = ReturnType<typeof placesOf>;

/** Reads what was installed; undefined when nothing was. Faults: invalid when the file is damaged. */
export function readState(places: Places): InstalledState | undefined {
  return readJson(InstalledState, places.state);
}

/** What the player chose before. Who installed when nothing could be chosen was given all that is optional. */
export function keptChoice(state: InstalledState | undefined): Choice {
  if (state === undefined) return noChoice;
  return state.choice ?? { ...noChoice, allOptional: true };
}

/** Writes the state, all or nothing; after it the journal is history. */
export function commitState(places: Places, state: InstalledState): void {
  writeAtomically(places.state, JSON.stringify(state));
  rmSync(places.journal, { force: true });
}

/**
 * All that this program may have put into the folder: what it finished and, after a crash, what it had begun. A run
 * writes these claims joined with its own intentions before its first change, so that files which a killed run left
 * are known as ours, however many runs were killed in a row.
 */
export function readClaims(places: Places, state: InstalledState | undefined) {
  const journal = readJson(Journal, places.journal);
  const claims = new Map<string, Claim>();
  for (const file of state?.files ?? []) addClaim(claims, file);
  for (const file of journal?.claims ?? []) addClaim(claims, file);
  const folders = new Set([...(state?.folders ?? []), ...(journal?.folders ?? [])]);
  return { claims, folders, interrupted: journal !== undefined };
}

/** Joins a claim to those on the same path. */
export function addClaim(
  claims: Map<string, Claim>,
  file: { path: string; digests: Iterable<string>; adopted: boolean; preserve: boolean },
): void {
  const before = claims.get(file.path);
  claims.set(file.path, {
    digests: new Set([...(before?.digests ?? []), ...[...file.digests].filter(isDigest)]),
    adopted: (before?.adopted ?? true) && file.adopted,
    preserve: (before?.preserve ?? false) || file.preserve,
  });
}

/** Writes down what may be in the folder from now on; called before the first change. */
export function writeJournal(
  places: Places,
  intended: { claims: ReadonlyMap<string, Claim>; folders: Set<string> },
): void {
  const journal: Journal = {
    formatVersion: 1,
    claims: [...intended.claims].map(([path, claim]) => ({ ...claim, path, digests: [...claim.digests] })),
    folders: [...intended.folders],
  };
  writeAtomically(places.journal, JSON.stringify(journal));
}

/** Tells a digest of a known algorithm from any other text. */
export function isDigest(text: string): text is Digest {
  return algorithms.some((algorithm: Algorithm) => text.startsWith(`${algorithm}:`));
}

function readJson<Schema extends TSchema>(schema: Schema, path: string): Static<Schema> | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (Value.Check(schema, value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new Fault(
    "invalid",
    `Cannot read ${path}: it is damaged; delete it to start anew, files that are right will be recognised`,
  );
}

function writeAtomically(path: string, text: string): void {
  const beside = `${path}.new`;
  // The link by which a private pack was installed opens it: for its owner's eyes.
  rmSync(beside, { force: true });
  const handle = openSync(beside, "wx", 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(handle, bytes, offset);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(beside, path);
  syncFolder(dirname(path));
}

function syncFolder(path: string): void {
  // Windows cannot open a folder, and needs no such sync for a rename to last.
  if (process.platform === "win32") return;
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
