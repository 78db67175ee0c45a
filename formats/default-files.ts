import { resolveGroups } from "./groups.ts";
import type { Manifest, ManifestFile, Side } from "./manifest.ts";

/**
 * The files for a side where nobody can be asked what he wants: all but those of groups that are not taken unless somebody
 * says so. What stands in no group is taken, also when it is optional.
 */
export function listDefault(manifest: Manifest, side: Side): ManifestFile[] {
  const taken = resolveGroups(manifest, {});
  return manifest.files.filter(
    (file) => isForSide(file, side) && (file.group === undefined || !file.optional || taken.has(file.group)),
  );
}

/** Whether a file is needed on that side; all are on both. */
export const isForSide = (file: Pick<ManifestFile, "side">, side: Side) =>
  side === "both" || file.side === "both" || file.side === side;
