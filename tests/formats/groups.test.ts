import { expect, test } from "bun:test";
import { Fault } from "../../fault.ts";
import { resolveGroups, selectFiles } from "../../formats/groups.ts";
import type { ManifestGroup } from "../../formats/manifest.ts";
import { long } from "../harness.ts";

const group = (id: string, more: Partial<ManifestGroup> = {}): ManifestGroup => ({ id, name: id, ...more });
const resolve = (groups: ManifestGroup[], choice: { chosen?: string[]; refused?: string[] } = {}) =>
  [...resolveGroups({ groups }, choice)].sort();

test("without a choice the required and the recommended groups are taken, with what they require", () => {
  const groups = [
    group("core", { required: true, requires: ["libs"] }),
    group("libs"),
    group("shaders", { recommended: true, requires: ["libs", "iris"] }),
    group("iris", { requires: ["shaders"] }),
    group("minimap"),
  ];
  expect(resolve(groups)).toEqual(["core", "iris", "libs", "shaders"]);
  expect(resolve(groups, { refused: ["shaders"] })).toEqual(["core", "libs"]);
  expect(resolve(groups, { refused: ["iris"] })).toEqual(["core", "libs"]);
  expect(resolve(groups, { chosen: ["minimap"], refused: ["shaders"] })).toEqual(["core", "libs", "minimap"]);
  expect(resolve([], {})).toEqual([]);
});

test("what is only recommended gives way to what the player chose", () => {
  const groups = [
    group("low", { exclusive: "quality", recommended: true }),
    group("high", { exclusive: "quality" }),
    group("dark", { conflicts: ["bright"] }),
    group("bright", { recommended: true }),
  ];
  expect(resolve(groups)).toEqual(["bright", "low"]);
  expect(resolve(groups, { chosen: ["high", "dark"] })).toEqual(["dark", "high"]);
});

test("choices that cannot be had are refused, and say why", () => {
  const groups = [
    group("core", { required: true, requires: ["libs"] }),
    group("libs"),
    group("low", { exclusive: "quality" }),
    group("high", { exclusive: "quality", requires: ["extra"] }),
    group("extra", { conflicts: ["minimap"] }),
    group("minimap"),
  ];
  const cases: [{ chosen?: string[]; refused?: string[] }, string][] = [
    [{ chosen: ["nothing"] }, 'no group "nothing"'],
    [{ refused: ["nothing"] }, 'no group "nothing"'],
    [{ refused: ["core"] }, 'leave out the group "core"'],
    [{ refused: ["libs"] }, 'leave out the group "libs"'],
    [{ chosen: ["low"], refused: ["low"] }, 'leave out the group "low"'],
    [{ chosen: ["low", "high"] }, "together"],
    [{ chosen: ["high", "minimap"] }, '"extra" and "minimap" together'],
  ];
  for (const [choice, text] of cases) expect(() => resolve(groups, choice)).toThrow(text);
});

test("any choice among any groups: all that must hold holds, or no set of groups could do it", () => {
  const roll = seeded(7);
  for (let round = 0; round < (long ? 200_000 : 5_000); round++) {
    const ids = ["a", "b", "c", "d", "e", "f"].slice(0, 1 + roll(6));
    const some = (share: number) => ids.filter(() => roll(share) === 0);
    const groups = ids.map((id) =>
      group(id, {
        ...(roll(6) === 0 && { required: true as const }),
        ...(roll(3) === 0 && { recommended: true as const }),
        ...(roll(4) === 0 && { exclusive: roll(2) === 0 ? "x" : "y" }),
        requires: some(6),
        conflicts: some(10),
      }),
    );
    const chosen = some(4);
    const refused = some(5);
    const holds = (taken: ReadonlySet<string>) =>
      chosen.every((id) => taken.has(id)) &&
      !refused.some((id) => taken.has(id)) &&
      groups.every(({ id, required, requires = [], conflicts = [], exclusive }) =>
        taken.has(id)
          ? requires.every((other) => taken.has(other)) &&
            !conflicts.some((other) => other !== id && taken.has(other)) &&
            !groups.some(
              (other) => other.id !== id && taken.has(other.id) && exclusive && other.exclusive === exclusive,
            )
          : !required,
      );
    try {
      const taken = resolveGroups({ groups }, { chosen, refused });
      expect(holds(taken)).toBe(true);
      expect(resolveGroups({ groups }, { chosen: chosen.toReversed(), refused: refused.toReversed() })).toEqual(taken);
      // What is taken is a choice that gives the same again: an update does not change it.
      expect(resolveGroups({ groups }, { chosen: [...taken], refused })).toEqual(taken);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const sets = Array.from({ length: 2 ** ids.length }, (_, bits) => ids.filter((_id, at) => (bits >> at) & 1));
      expect(sets.filter((set) => holds(new Set(set)))).toEqual([]);
    }
  }
});

test("files are chosen by side, by their group, and else by whether optional ones are wanted", () => {
  const files = [
    { path: "a", side: "both" as const, optional: false },
    { path: "b", side: "client" as const, optional: true },
    { path: "c", side: "server" as const, optional: false },
    { path: "d", side: "both" as const, optional: true, group: "d" },
    { path: "e", side: "both" as const, optional: true, group: "e" },
  ];
  const pick = (side: "client" | "server", optional: boolean, ...groups: string[]) =>
    selectFiles({ files }, { side, optional, groups: new Set(groups) })
      .map(({ path }) => path)
      .join("");
  expect(pick("client", false)).toBe("a");
  expect(pick("client", true, "d")).toBe("abd");
  expect(pick("server", true, "d", "e")).toBe("acde");
});

/** Whole numbers below `limit`, the same ones for the same seed. */
function seeded(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}
