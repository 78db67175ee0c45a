import type { applyPlan } from "./apply.ts";
import type { Plan } from "./plan.ts";
import type { scanFolder } from "./scan.ts";
import type { InstalledFile, InstalledState, readClaims } from "./state.ts";

type ListInput = {
  plan: Plan;
  found: Awaited<ReturnType<typeof scanFolder>>;
  claims: ReturnType<typeof readClaims>["claims"];
  state: InstalledState | undefined;
  applied: ReturnType<typeof applyPlan>;
};

/** The new list of what is ours: placed, unchanged, and what the player edited, so that it stays known as edited. */
export function listInstalled({ plan, found, claims, state, applied }: ListInput): InstalledFile[] {
  const before = new Map(state?.files.map((file) => [file.path, file]));
  const files: InstalledFile[] = [];
  for (const { wanted } of plan.place) {
    const put = applied.placed.get(wanted.path);
    if (put === undefined) continue;
    files.push({ path: wanted.path, ...put, preserve: wanted.preserve, adopted: false, edited: false });
  }
  for (const { wanted, adopted } of plan.unchanged) {
    const now = found.get(wanted.path);
    if (now?.kind !== "file") continue;
    const { digests, sizeBytes, mtimeMs } = now;
    files.push({ path: wanted.path, digests, sizeBytes, mtimeMs, preserve: wanted.preserve, adopted, edited: false });
  }
  const keptPaths = plan.keep.filter((kept) => kept.wanted).map((kept) => kept.path);
  for (const path of [...keptPaths, ...applied.changed]) {
    const claim = claims.get(path);
    const old = before.get(path);
    if (claim?.preserve && old !== undefined) files.push(old);
    else if (claim !== undefined) {
      const { adopted, preserve } = claim;
      files.push({ path, digests: [...claim.digests], sizeBytes: 0, mtimeMs: 0, preserve, adopted, edited: true });
    }
  }
  return files.sort((one, other) => (one.path < other.path ? -1 : 1));
}
