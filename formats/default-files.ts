import { resolveGroups } from "./groups.ts";
import type { Manifest, ManifestFile, ManifestGroup, Side } from "./manifest.ts";

/** The files for a side where nobody can be asked what he wants. */
export function listDefault(manifest: Manifest, side: Side): ManifestFile[] {
  return manifest.files.filter(openDefault(manifest.groups ?? [], side));
}

type Asked = { side: Side; optional: boolean; group?: string | null };

/**
 * Tells those files: all for the side but those of groups that are not taken unless somebody says so. What stands in no group
 * is taken, also when it is optional.
 */
export function openDefault(groups: readonly ManifestGroup[], side: Side): (file: Asked) => boolean {
  const taken = resolveGroups({ groups }, {});
  return (file) => isForSide(file, side) && (file.group == null || !file.optional || taken.has(file.group));
}

/** Whether a file is needed on that side; all are on both. */
export const isForSide = (file: Pick<ManifestFile, "side">, side: Side) =>
  side === "both" || file.side === "both" || file.side === side;
