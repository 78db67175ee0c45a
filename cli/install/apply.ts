import { copyFileSync, lstatSync, mkdirSync, renameSync, rmdirSync, type Stats, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { Fault } from "../../fault.ts";
import type { Digest } from "./digest.ts";
import { partialName, type Staged } from "./partial.ts";
import { type Found, listParents, type Plan } from "./plan.ts";
import type { Places } from "./state.ts";

type ApplyInput = {
  plan: Plan;
  found: ReadonlyMap<string, Found>;
  staged: Map<Digest, Staged>;
  places: Places;
  /** Folders that this program made, in this run or before. */
  made: ReadonlySet<string>;
  startedAt: Date;
};

/** Where a file was put, as the disk tells it. */
export type Placed = { digests: Digest[]; sizeBytes: number; mtimeMs: number };

/**
 * Switches the folder over to a plan whose bytes are all beside it: only renames and removals, in one go. A file that the
 * player changed since the plan was made is left alone. Faults: conflict, not-allowed; run again after either.
 */
export function applyPlan(root: string, { plan, found, staged, places, made, startedAt }: ApplyInput) {
  const aside = join(places.backup, startedAt.toISOString().replaceAll(":", "-"));
  const placed = new Map<string, Placed>();
  const [changed, removed, backedUp]: [string[], string[], string[]] = [[], [], []];

  const backUp = (path: string) => {
    const target = join(aside, path);
    mkdirSync(dirname(target), { recursive: true });
    renameSync(join(root, path), target);
    backedUp.push(path);
  };
  const untouched = (path: string, stat: Stats) => {
    const now = found.get(path);
    return now?.kind === "file" && stat.isFile() && now.sizeBytes === stat.size && now.mtimeMs === stat.mtimeMs;
  };

  for (const path of plan.backUp) if (look(root, path) !== undefined && !stillEmpties(path)) backUp(path);
  for (const { wanted, from } of plan.place) {
    if (from.kind !== "move") continue;
    const stat = look(root, from.path);
    if (stat === undefined || !untouched(from.path, stat)) {
      throw new Fault("conflict", `Cannot install: ${JSON.stringify(from.path)} changed meanwhile; run it again`);
    }
    const now = found.get(from.path);
    const file = join(places.partial, partialName(wanted.digest));
    renameSync(join(root, from.path), file);
    staged.set(wanted.digest, { file, digests: now?.kind === "file" ? now.digests : [], sizeBytes: stat.size });
  }
  for (const path of plan.remove) {
    const stat = look(root, path);
    // What was moved to a new name is gone already.
    if (stat === undefined) continue;
    if (untouched(path, stat)) {
      unlinkSync(join(root, path));
      removed.push(path);
    } else changed.push(path);
  }
  const needed = new Set(plan.place.flatMap(({ wanted }) => listParents(wanted.path)));
  for (const folder of [...made].sort((one, other) => other.length - one.length)) {
    if (!needed.has(folder)) removeEmpty(join(root, folder));
  }

  const ready = new Set<string>();
  const uses = new Map<Digest, number>();
  for (const { wanted } of plan.place) uses.set(wanted.digest, (uses.get(wanted.digest) ?? 0) + 1);
  for (const { wanted } of plan.place) {
    for (const folder of listParents(wanted.path)) if (!ready.has(folder)) ready.add(makeFolder(root, folder));
    const source = staged.get(wanted.digest);
    if (source === undefined)
      throw new Fault("internal", `Cannot install: the bytes of ${wanted.path} were not brought`);
    const stat = look(root, wanted.path);
    const planned = found.get(wanted.path);
    if (stat?.isDirectory()) backUp(wanted.path);
    else if (stat !== undefined && (planned === undefined || !untouched(wanted.path, stat))) {
      changed.push(wanted.path);
      continue;
    }
    const left = (uses.get(wanted.digest) ?? 1) - 1;
    uses.set(wanted.digest, left);
    const file = left > 0 ? `${source.file}.copy` : source.file;
    if (left > 0) copyFileSync(source.file, file);
    // The time is read before the rename: after it the player may already be at work.
    const { size, mtimeMs } = lstatSync(file);
    renameSync(file, join(root, wanted.path));
    placed.set(wanted.path, { digests: source.digests, sizeBytes: size, mtimeMs });
  }
  return { placed, removed, changed, backedUp };

  /** A folder of ours that the removals will empty needs no backup. */
  function stillEmpties(path: string): boolean {
    return found.get(path)?.kind === "folder" && made.has(path);
  }
}

function look(root: string, path: string): Stats | undefined {
  return lstatSync(join(root, path), { throwIfNoEntry: false });
}

/** Makes a folder unless it is there; one that became a link since the plan was made is refused. */
function makeFolder(root: string, folder: string): string {
  const stat = look(root, folder);
  if (stat?.isSymbolicLink()) {
    throw new Fault("not-allowed", `Cannot install: ${folder} is a symbolic link; put a real folder there`);
  }
  if (stat === undefined) mkdirSync(join(root, folder));
  return folder;
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (!["ENOENT", "ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(String(code))) throw error;
  }
}
