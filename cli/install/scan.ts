import type { Stats } from "node:fs";
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { algorithmOf, createDigester, digestFile } from "./digest.ts";
import type { Wanted } from "./manifest.ts";
import { type Claim, type Found, listParents } from "./plan.ts";
import { type InstalledState, isDigest } from "./state.ts";

type ScanInput = {
  wanted: Wanted[];
  claims: ReadonlyMap<string, Claim>;
  state: InstalledState | undefined;
  /** Hash every file, also those whose size and time say that nothing happened. */
  full: boolean;
  signal: AbortSignal;
  onRead?: (sizeBytes: number) => void;
};

const statsAtOnce = 256;

/**
 * Looks at every path that the plan is about, and at the folders above. Files whose size and time are as installed are
 * not read, unless they are to be replaced or removed: what is destroyed is always looked at. Faults: not-allowed when a
 * folder on the way is a symbolic link.
 */
export async function scanFolder(root: string, input: ScanInput): Promise<Map<string, Found>> {
  const { wanted, claims, state, signal } = input;
  const wantedByPath = new Map(wanted.map((file) => [file.path, file]));
  const parents = new Set(wanted.flatMap((file) => listParents(file.path)));
  const oldParents = new Set([...claims.keys()].flatMap(listParents));
  const stats = await statAll(root, [...wantedByPath.keys(), ...claims.keys(), ...parents, ...oldParents]);

  const linked = [...parents].filter((folder) => stats.get(folder)?.isSymbolicLink());
  if (linked.length > 0) {
    throw new Fault("not-allowed", `Cannot install: ${linked.join(", ")} is a symbolic link; put a real folder there`);
  }
  // Behind an old folder that became a link there may be anything: it is not ours.
  const behindLink = (path: string) => listParents(path).some((folder) => stats.get(folder)?.isSymbolicLink());
  const installed = new Map(state?.files.map((file) => [file.path, file]));
  const found = new Map<string, Found>();
  for (const [path, stat] of stats) {
    signal.throwIfAborted();
    if (stat.isDirectory()) found.set(path, { kind: "folder" });
    else if (!stat.isFile() || behindLink(path)) found.set(path, { kind: "other" });
    else {
      const want = wantedByPath.get(path);
      const before = installed.get(path);
      const same = before !== undefined && before.sizeBytes === stat.size && before.mtimeMs === stat.mtimeMs;
      const known = before?.digests.filter(isDigest) ?? [];
      const settled = want !== undefined && (want.preserve || known.includes(want.digest));
      const quick = !input.full && same && settled && before.edited === false;
      const about = {
        kind: "file",
        sizeBytes: stat.size,
        mtimeMs: stat.mtimeMs,
        inode: `${stat.dev}:${stat.ino}`,
      } as const;
      // A file to preserve stays whatever it is, and a parent that is a file is in the way whatever it holds.
      const asked = want === undefined ? claims.has(path) : !want.preserve;
      if (quick || !asked) {
        found.set(path, { ...about, digests: quick ? known : [] });
        continue;
      }
      const digests = [...(claims.get(path)?.digests ?? []), ...(want === undefined ? [] : [want.digest])];
      const digester = createDigester(digests.map(algorithmOf));
      await digestFile(join(root, path), { digester, signal });
      input.onRead?.(stat.size);
      found.set(path, { ...about, digests: digester.digests() });
    }
  }
  return found;
}

async function statAll(root: string, paths: string[]): Promise<Map<string, Stats>> {
  const stats = new Map<string, Stats>();
  const left = [...new Set(paths)];
  for (let start = 0; start < left.length; start += statsAtOnce) {
    await Promise.all(
      left.slice(start, start + statsAtOnce).map(async (path) => {
        const stat = await lstat(join(root, path)).catch(absent);
        if (stat !== undefined) stats.set(path, stat);
      }),
    );
  }
  return stats;
}

function absent(error: unknown): undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  // ENOTDIR: a file stands where the path has a folder, so nothing can be below it.
  if (code === "ENOENT" || code === "ENOTDIR") return undefined;
  throw error;
}
