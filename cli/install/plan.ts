import { foldPath } from "../../paths.ts";
import type { Digest } from "./digest.ts";
import type { Wanted } from "./manifest.ts";

/** What stands at a path now. `digests` are all of the same bytes. */
export type Found =
  | { kind: "file"; digests: Digest[]; sizeBytes: number; mtimeMs: number; inode: string }
  | { kind: "folder" }
  | { kind: "other" };

/** What this program may have put at a path: any of these digests is its work, everything else is the player's. */
export type Claim = { digests: Set<Digest>; adopted: boolean; preserve: boolean };

export type KeepReason = "edited" | "edited-and-dropped" | "preserve" | "was-there-before";

export type Plan = {
  /** Files to put in place, each with where its bytes come from: `move` and `copy` name a path in the folder. */
  place: { wanted: Wanted; from: { kind: "fetch" } | { kind: "move" | "copy"; path: string } }[];
  /** Files of ours that the version no longer has. */
  remove: string[];
  /** What stands in the way and was never ours: set aside, not lost. */
  backUp: string[];
  keep: { path: string; reason: KeepReason; wanted: boolean }[];
  /** Already as wanted; `adopted` when the player had put it there. */
  unchanged: { wanted: Wanted; adopted: boolean }[];
};

type PlanInput = {
  wanted: Wanted[];
  claims: ReadonlyMap<string, Claim>;
  found: ReadonlyMap<string, Found>;
  /** What to do with a wanted file that the player edited. */
  edited: "keep" | "back-up";
};

/** Decides what an install does, from what is wanted, what this program did before and what is on disk; touches nothing. */
export function planInstall({ wanted, claims, found, edited }: PlanInput): Plan {
  const plan: Plan = { place: [], remove: [], backUp: [], keep: [], unchanged: [] };
  const renamedByCase = findCaseRenames({ wanted, claims, found });
  const backUp = new Set<string>();
  const missing: Wanted[] = [];

  for (const file of wanted) {
    const now = found.get(file.path);
    const claim = claims.get(file.path) ?? claims.get(renamedByCase.byWanted.get(file.path) ?? "");
    if (now === undefined) missing.push(file);
    else if (now.kind === "file" && now.digests.includes(file.digest)) {
      plan.unchanged.push({ wanted: file, adopted: claim === undefined || claim.adopted });
    } else if (file.preserve) plan.keep.push({ path: file.path, reason: "preserve", wanted: true });
    // What the version before had there is the pack's too, whoever put it there.
    else if (now.kind === "file" && (isOurs(now, claim) || isPrevious(now, file))) missing.push(file);
    else if (now.kind === "file" && claim !== undefined && edited === "keep") {
      plan.keep.push({ path: file.path, reason: "edited", wanted: true });
    } else {
      backUp.add(file.path);
      missing.push(file);
    }
  }

  const wantedPaths = new Set(wanted.map((file) => file.path));
  const neededFolders = new Set(missing.flatMap((file) => listParents(file.path)));
  for (const [path, claim] of claims) {
    const now = found.get(path);
    if (now === undefined || wantedPaths.has(path) || renamedByCase.dropped.has(path)) continue;
    const removable = isOurs(now, claim) && !claim.adopted && !claim.preserve;
    if (removable) plan.remove.push(path);
    // A folder where our file was is as good as our file gone.
    else if (now.kind !== "folder" && !neededFolders.has(path)) {
      const reason = claim.preserve ? "preserve" : isOurs(now, claim) ? "was-there-before" : "edited-and-dropped";
      plan.keep.push({ path, reason, wanted: false });
    }
  }

  const removed = new Set(plan.remove);
  for (const folder of neededFolders) {
    const now = found.get(folder);
    if (now !== undefined && now.kind !== "folder" && !removed.has(folder)) backUp.add(folder);
  }
  plan.backUp = [...backUp];
  plan.place = chooseSources(missing, { found, removed });
  return plan;
}

/** All folders above a path, outermost first. */
export function listParents(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
}

function isOurs(now: Found, claim: Claim | undefined): boolean {
  return now.kind === "file" && claim !== undefined && now.digests.some((digest) => claim.digests.has(digest));
}

function isPrevious(now: Found, { previous }: Wanted): boolean {
  return now.kind === "file" && previous !== undefined && now.digests.includes(previous);
}

/** Where letter case does not count, `Mods/a.jar` that became `mods/a.jar` is one file: removing the old name would remove the new. */
function findCaseRenames({ wanted, claims, found }: Omit<PlanInput, "edited">) {
  const droppedByFold = new Map<string, string>();
  const wantedPaths = new Set(wanted.map((file) => file.path));
  for (const path of claims.keys()) if (!wantedPaths.has(path)) droppedByFold.set(foldPath(path), path);
  const byWanted = new Map<string, string>();
  for (const { path } of wanted) {
    const old = droppedByFold.get(foldPath(path));
    const [before, now] = [found.get(old ?? ""), found.get(path)];
    if (old === undefined || before?.kind !== "file" || now?.kind !== "file") continue;
    if (before.inode === now.inode) byWanted.set(path, old);
  }
  return { byWanted, dropped: new Set(byWanted.values()) };
}

function chooseSources(
  missing: Wanted[],
  { found, removed }: { found: PlanInput["found"]; removed: ReadonlySet<string> },
): Plan["place"] {
  const onDisk = new Map<Digest, string>();
  for (const [path, now] of found) {
    if (now.kind !== "file") continue;
    // A file that goes away anyway is the best source: it is renamed, not copied.
    for (const digest of now.digests) if (!onDisk.has(digest) || removed.has(path)) onDisk.set(digest, path);
  }
  const moved = new Set<string>();
  return missing.map((file) => {
    const path = onDisk.get(file.digest);
    if (path === undefined) return { wanted: file, from: { kind: "fetch" } };
    const kind = removed.has(path) && !moved.has(path) ? "move" : "copy";
    if (kind === "move") moved.add(path);
    return { wanted: file, from: { kind, path } };
  });
}
