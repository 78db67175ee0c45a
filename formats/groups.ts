import { Fault } from "../fault.ts";
import type { ManifestFile, ManifestGroup, Side } from "./manifest.ts";

type Grouped = { groups?: readonly ManifestGroup[] };
type Choice = {
  /** Ids of groups that the player wants. */
  chosen?: readonly string[];
  /** Ids of groups that he does not want, though they are recommended. */
  refused?: readonly string[];
};

/**
 * The groups that a player takes: what is required, what he chose and all that these require; of what is recommended, in the
 * manifest's order, what he did not refuse and what goes with the rest. Throws `invalid` when he names a group that there is
 * not, `conflict` when his choice cannot be had: it is then impossible, not only unusual.
 */
export function resolveGroups({ groups = [] }: Grouped, { chosen = [], refused = [] }: Choice): Set<string> {
  const known = new Map(groups.map((group) => [group.id, group]));
  const unknown = [...chosen, ...refused].find((id) => !known.has(id));
  if (unknown !== undefined)
    throw new Fault(
      "invalid",
      `There is no group "${unknown}" here: there are ${[...known.keys()].join(", ") || "none"}`,
    );
  const needed = groups.filter(({ required }) => required).map(({ id }) => id);
  const taken = closeOver(known, [...needed, ...chosen]);
  const unwanted = refused.find((id) => taken.has(id));
  if (unwanted !== undefined)
    throw new Fault(
      "conflict",
      `Cannot leave out the group "${unwanted}": it is required, or required by what you chose`,
    );
  const clash = findClash(known, taken);
  if (clash) throw new Fault("conflict", `Cannot take the groups "${clash[0]}" and "${clash[1]}" together`);
  for (const { id, recommended } of groups) {
    if (!recommended) continue;
    const wider = closeOver(known, [...taken, id]);
    if (findClash(known, wider) || refused.some((other) => wider.has(other))) continue;
    for (const other of wider) taken.add(other);
  }
  return taken;
}

type Said = Omit<ManifestGroup, "required" | "recommended"> & { required?: boolean; recommended?: boolean };

/** A group with its keys in the manifest's order, without those that say nothing. */
export function writeGroup(said: Said): ManifestGroup {
  const { id, name, description, required, recommended, exclusive, requires = [], conflicts = [] } = said;
  return {
    id,
    name,
    ...(description && { description }),
    ...(required && { required }),
    ...(recommended && { recommended }),
    ...(exclusive !== undefined && { exclusive }),
    ...(requires.length > 0 && { requires }),
    ...(conflicts.length > 0 && { conflicts }),
  };
}

type Known = ReadonlyMap<string, ManifestGroup>;

/** These groups and all that they require, directly or not. Ids that there are not are left out. */
export function closeOver(known: Known, ids: readonly string[]): Set<string> {
  const taken = new Set<string>();
  const waiting = [...ids];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    const group = known.get(id);
    if (!group || taken.has(id)) continue;
    taken.add(id);
    waiting.push(...(group.requires ?? []));
  }
  return taken;
}

/** Two of these groups that cannot be taken together: one conflicts with the other, or both are exclusive by the same word. */
export function findClash(known: Known, taken: ReadonlySet<string>): [string, string] | undefined {
  const exclusive = new Map<string, string>();
  for (const id of taken) {
    const { conflicts = [], exclusive: word } = known.get(id) ?? {};
    const other = conflicts.find((conflict) => conflict !== id && taken.has(conflict));
    if (other !== undefined) return [id, other];
    if (word === undefined) continue;
    const first = exclusive.get(word);
    if (first !== undefined) return [first, id];
    exclusive.set(word, id);
  }
  return undefined;
}

type Selectable = Pick<ManifestFile, "side" | "group"> & { optional?: boolean };
type Selection<File> = {
  side: Side;
  /** Ids of the groups that are taken: what `resolveGroups` answers. */
  groups: ReadonlySet<string>;
  /** Whether optional files that are in no group are wanted: all, none, or these. */
  optional: boolean | ((file: File) => boolean);
};

/** The files of a manifest that such an installation has, in the manifest's order. */
export function selectFiles<File extends Selectable>(
  { files }: { files: readonly File[] },
  { side, groups, optional }: Selection<File>,
): File[] {
  const wants = (file: File) => (typeof optional === "boolean" ? optional : optional(file));
  return files.filter(
    (file) =>
      (side === "both" || file.side === "both" || file.side === side) &&
      (file.group === undefined ? !file.optional || wants(file) : groups.has(file.group)),
  );
}
