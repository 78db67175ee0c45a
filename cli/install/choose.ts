import { Fault } from "../../fault.ts";
import { resolveGroups, selectFiles } from "../../formats/groups.ts";
import type { Side } from "../../formats/manifest.ts";
import type { Manifest, ManifestFile } from "./manifest.ts";

/** What a player chose of what is optional: names of groups, and paths or names of optional files. */
export type Choice = { groups: string[]; without: string[]; allOptional: boolean };

/** Something optional, and whether it is taken. */
export type Offer = { name: string; description?: string; taken: boolean };

export const noChoice: Choice = { groups: [], without: [], allOptional: false };

type Given = { groups?: string[]; without?: string[]; allOptional?: boolean };

/**
 * The files that a player gets: what he chose before, as far as the version still has it, and what he says now; the later word
 * counts. Faults: invalid (he names what there is not), conflict (what cannot be had together).
 */
export function chooseFiles(
  manifest: Manifest,
  { side, kept, given }: { side: Side; kept: Choice; given: Given },
): { files: ManifestFile[]; offers: Offer[]; choice: Choice } {
  const named = nameOffers(manifest, side);
  const find = (name: string) => named.get(name) ?? named.get(name.toLowerCase());
  const now = { groups: toKnown(given.groups ?? []), without: toKnown(given.without ?? []) };
  const before = (names: string[], other: string[]) =>
    names.flatMap((name) => find(name) ?? []).filter((name) => !other.includes(name));
  const choice: Choice = {
    groups: [...new Set([...before(kept.groups, now.without), ...now.groups])],
    without: [...new Set([...before(kept.without, now.groups), ...now.without])],
    allOptional: given.allOptional ?? kept.allOptional,
  };

  const ids = new Set((manifest.groups ?? []).map(({ id }) => id));
  const groups = resolveGroups(
    choice.allOptional
      ? { groups: (manifest.groups ?? []).map((group) => ({ ...group, recommended: true as const })) }
      : { groups: manifest.groups ?? [] },
    {
      chosen: choice.groups.filter((name) => ids.has(name)),
      refused: choice.without.filter((name) => ids.has(name)),
    },
  );
  const wants = ({ path, recommended = false }: ManifestFile) =>
    !choice.without.includes(path) && (choice.allOptional || recommended || choice.groups.includes(path));
  const files = selectFiles(manifest, { side, groups, optional: wants });
  const offers = [
    ...(manifest.groups ?? [])
      .filter(({ required }) => !required)
      .map(({ id, description }) => ({ name: id, ...(description && { description }), taken: groups.has(id) })),
    ...listOptional(manifest, side).map((file) => ({ name: file.path, taken: wants(file) })),
  ];
  return { files, offers, choice };

  function toKnown(names: string[]): string[] {
    return names.map((name) => {
      const known = find(name);
      if (known !== undefined) return known;
      const all = [...new Set(named.values())];
      throw new Fault("invalid", `Cannot install: the pack has no group or optional file "${name}"`, {
        errors: [{ detail: all.length === 0 ? "there is nothing optional in it" : `there are ${all.join(", ")}` }],
        extra: { usage: true },
      });
    });
  }
}

/** What may be said for a group or an optional file, and what it is then: its id, or its path. */
function nameOffers(manifest: Manifest, side: Side): Map<string, string> {
  const names = new Map<string, string>();
  const add = (name: string, meaning: string) => {
    if (!names.has(name)) names.set(name, meaning);
  };
  for (const { id } of manifest.groups ?? []) add(id, id);
  const optional = listOptional(manifest, side);
  for (const { path } of optional) add(path, path);
  for (const { id, name } of manifest.groups ?? []) add(name.toLowerCase(), id);
  for (const { path } of optional) add((path.split("/").at(-1) ?? path).toLowerCase(), path);
  return names;
}

function listOptional({ files }: Manifest, side: Side): ManifestFile[] {
  return files.filter(
    (file) =>
      file.optional && file.group === undefined && (side === "both" || file.side === "both" || file.side === side),
  );
}
