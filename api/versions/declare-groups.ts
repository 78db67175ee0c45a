import { Fault, type FaultPlace } from "../../fault.ts";
import { closeOver, findClash } from "../../formats/groups.ts";
import type { ManifestGroup } from "../../formats/manifest.ts";
import type { DeclaredFile } from "./model.ts";

const maxTold = 20;

/**
 * Checks that the groups of a version name each other and its files rightly, that each of them can be taken, and that what is
 * taken without a choice goes together. Says all that is wrong at once: 422.
 */
export function requireGroups(groups: ManifestGroup[], files: DeclaredFile[]): void {
  const wrong = findWrong(groups, files);
  const places = wrong.length > 0 ? wrong : findImpossible(groups);
  if (places.length > 0)
    throw new Fault(
      "invalid",
      `Cannot accept the groups: ${places[0]?.detail}${places.length > 1 ? `, and ${places.length - 1} more` : ""}`,
      { errors: places.slice(0, maxTold) },
    );
}

function findWrong(groups: ManifestGroup[], files: DeclaredFile[]): FaultPlace[] {
  const places: FaultPlace[] = [];
  const known = new Set<string>();
  for (const [index, { id }] of groups.entries()) {
    if (known.has(id)) places.push({ pointer: `/groups/${index}/id`, detail: `there are two groups "${id}"` });
    known.add(id);
  }
  const filled = new Set(files.flatMap(({ group }) => group ?? []));
  for (const [index, group] of groups.entries()) {
    if (!filled.has(group.id))
      places.push({ pointer: `/groups/${index}`, detail: `the group "${group.id}" has no files` });
    for (const word of ["requires", "conflicts"] as const)
      for (const [place, other] of (group[word] ?? []).entries()) {
        const pointer = `/groups/${index}/${word}/${place}`;
        if (!known.has(other)) places.push({ pointer, detail: `there is no group "${other}"` });
        else if (other === group.id) places.push({ pointer, detail: `the group "${other}" names itself` });
      }
  }
  for (const [index, { group }] of files.entries())
    if (group !== undefined && !known.has(group))
      places.push({ pointer: `/files/${index}/group`, detail: `there is no group "${group}"` });
  return places;
}

/** Groups that nobody could ever take, or what would be taken without a choice and does not go together. */
function findImpossible(groups: ManifestGroup[]): FaultPlace[] {
  const known = new Map(groups.map((group) => [group.id, group]));
  const placeOf = (id: string) => `/groups/${groups.findIndex((group) => group.id === id)}`;
  const needed = groups.filter(({ required }) => required).map(({ id }) => id);
  const clash = findClash(known, closeOver(known, needed));
  if (clash) {
    const detail = `the groups "${clash[0]}" and "${clash[1]}" are both required and cannot be taken together`;
    return [{ pointer: placeOf(clash[0]), detail }];
  }
  const places = groups.flatMap(({ id }): FaultPlace[] => {
    const own = findClash(known, closeOver(known, [...needed, id]));
    if (!own) return [];
    const detail = `the group "${id}" can never be taken: "${own[0]}" and "${own[1]}" cannot be taken together`;
    return [{ pointer: placeOf(id), detail }];
  });
  if (places.length > 0) return places;
  const usual = groups.filter(({ required, recommended }) => required || recommended).map(({ id }) => id);
  const doubt = findClash(known, closeOver(known, usual));
  if (!doubt) return [];
  const detail = `the groups "${doubt[0]}" and "${doubt[1]}" are both recommended and cannot be taken together`;
  return [{ pointer: placeOf(doubt[0]), detail }];
}
