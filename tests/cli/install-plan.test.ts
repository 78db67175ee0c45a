import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Digest } from "../../cli/install/digest.ts";
import type { Wanted } from "../../cli/install/manifest.ts";
import { type Claim, type Found, type Plan, planInstall } from "../../cli/install/plan.ts";

const numRuns = process.env.SUNDUK_LONG === "1" ? 50_000 : 500;

const digest = (letter: string): Digest => `sha256:${letter}`;
const want = (path: string, letter: string, preserve = false): Wanted => {
  return { path, digest: digest(letter), sizeBytes: 1, preserve, previous: undefined, references: [] };
};
const file = (letter: string, inode = letter): Found => {
  return { kind: "file", digests: [digest(letter)], sizeBytes: 1, mtimeMs: 1, inode };
};
const claim = (letters: string, rest: Partial<Claim> = {}): Claim => {
  return { digests: new Set([...letters].map(digest)), adopted: false, preserve: false, ...rest };
};
const plan = (
  wanted: Wanted[],
  { claims = {}, found = {} }: { claims?: Record<string, Claim>; found?: Record<string, Found> },
): Plan =>
  planInstall({
    wanted,
    claims: new Map(Object.entries(claims)),
    found: new Map(Object.entries(found)),
    edited: "keep",
  });

/** A plan in few words: what happens to which path. */
const words = (made: Plan) =>
  [
    ...made.place.map(
      ({ wanted, from }) => `${from.kind} ${wanted.path}${from.kind === "fetch" ? "" : ` < ${from.path}`}`,
    ),
    ...made.remove.map((path) => `remove ${path}`),
    ...made.backUp.map((path) => `back up ${path}`),
    ...made.keep.map(({ path, reason }) => `keep ${path}: ${reason}`),
    ...made.unchanged.map(({ wanted, adopted }) => `${adopted ? "adopted" : "unchanged"} ${wanted.path}`),
  ].sort();

const cases: { name: string; made: Plan; expected: string[] }[] = [
  { name: "an absent file is fetched", made: plan([want("a", "x")], {}), expected: ["fetch a"] },
  {
    name: "our file of another version is replaced",
    made: plan([want("a", "y")], { claims: { a: claim("x") }, found: { a: file("x") } }),
    expected: ["fetch a"],
  },
  {
    name: "a file of a killed run is ours",
    made: plan([want("a", "z")], { claims: { a: claim("xy") }, found: { a: file("y") } }),
    expected: ["fetch a"],
  },
  {
    name: "an edited file is kept, also when the version changes it",
    made: plan([want("a", "y")], { claims: { a: claim("x") }, found: { a: file("e") } }),
    expected: ["keep a: edited"],
  },
  {
    name: "an edited file that the version drops is kept",
    made: plan([], { claims: { a: claim("x") }, found: { a: file("e") } }),
    expected: ["keep a: edited-and-dropped"],
  },
  {
    name: "our unchanged file that the version drops is removed",
    made: plan([], { claims: { a: claim("x") }, found: { a: file("x") } }),
    expected: ["remove a"],
  },
  {
    name: "a stranger's file is set aside",
    made: plan([want("a", "x")], { found: { a: file("s") } }),
    expected: ["back up a", "fetch a"],
  },
  {
    name: "a stranger's file with the right bytes is adopted",
    made: plan([want("a", "x")], { found: { a: file("x") } }),
    expected: ["adopted a"],
  },
  {
    name: "an adopted file that the version drops stays",
    made: plan([], { claims: { a: claim("x", { adopted: true }) }, found: { a: file("x") } }),
    expected: ["keep a: was-there-before"],
  },
  {
    name: "a preserved file that is there stays as it is",
    made: plan([want("a", "y", true)], { claims: { a: claim("x") }, found: { a: file("x") } }),
    expected: ["keep a: preserve"],
  },
  {
    name: "a preserved file that the version drops stays",
    made: plan([], { claims: { a: claim("x", { preserve: true }) }, found: { a: file("x") } }),
    expected: ["keep a: preserve"],
  },
  {
    name: "a file that moved is renamed, not fetched",
    made: plan([want("b", "x")], { claims: { a: claim("x") }, found: { a: file("x") } }),
    expected: ["move b < a", "remove a"],
  },
  {
    name: "bytes that are here and stay are copied",
    made: plan([want("a", "x"), want("b", "x")], { claims: { a: claim("x") }, found: { a: file("x") } }),
    expected: ["copy b < a", "unchanged a"],
  },
  {
    name: "two files that change places are copied",
    made: plan([want("a", "y"), want("b", "x")], {
      claims: { a: claim("x"), b: claim("y") },
      found: { a: file("x"), b: file("y") },
    }),
    expected: ["copy a < b", "copy b < a"],
  },
  {
    name: "a name that changed only its case on a case-blind disk is one file, and stays",
    made: plan([want("mods/a", "x")], {
      claims: { "Mods/a": claim("x") },
      found: { "Mods/a": file("x", "1"), "mods/a": file("x", "1") },
    }),
    expected: ["unchanged mods/a"],
  },
  {
    name: "a name that changed only its case elsewhere is two files",
    made: plan([want("mods/a", "x")], { claims: { "Mods/a": claim("x") }, found: { "Mods/a": file("x", "1") } }),
    expected: ["move mods/a < Mods/a", "remove Mods/a"],
  },
  {
    name: "our file where a folder is needed goes",
    made: plan([want("a/b", "y")], { claims: { a: claim("x") }, found: { a: file("x") } }),
    expected: ["fetch a/b", "remove a"],
  },
  {
    name: "the player's file where a folder is needed is set aside",
    made: plan([want("a/b", "y")], { found: { a: file("s") } }),
    expected: ["back up a", "fetch a/b"],
  },
  {
    name: "a link in the place of a file is set aside, not followed",
    made: plan([want("a", "x")], { claims: { a: claim("x") }, found: { a: { kind: "other" } } }),
    expected: ["back up a", "fetch a"],
  },
  {
    name: "a link in the place of a dropped file stays",
    made: plan([], { claims: { a: claim("x") }, found: { a: { kind: "other" } } }),
    expected: ["keep a: edited-and-dropped"],
  },
];

describe("planInstall()", () => {
  for (const { name, made, expected } of cases) {
    test(name, () => expect(words(made)).toEqual([...expected].sort()));
  }

  test("never loses the player's bytes, ends with the version's files, and is then done", () => {
    const paths = ["a", "b", "c/d", "c/e", "f"];
    const letters = fc.constantFrom("u", "v", "w", "x");
    const somePaths = <Value>(value: fc.Arbitrary<Value>) => fc.dictionary(fc.constantFrom(...paths), value);
    const claimed = fc.record({
      letters: fc.uniqueArray(letters, { minLength: 1, maxLength: 2 }),
      adopted: fc.boolean(),
      preserve: fc.boolean(),
    });
    const input = fc.record({
      wanted: somePaths(fc.record({ letter: letters, preserve: fc.boolean() })),
      claims: somePaths(claimed),
      disk: somePaths(letters),
    });
    fc.assert(
      fc.property(input, ({ wanted, claims, disk }) => {
        const files = Object.entries(wanted).map(([path, { letter, preserve }]) => want(path, letter, preserve));
        const owned = Object.fromEntries(
          Object.entries(claims).map(([path, rest]) => [path, claim(rest.letters.join(""), rest)]),
        );
        const found = Object.fromEntries(Object.entries(disk).map(([path, letter]) => [path, file(letter, path)]));
        const made = plan(files, { claims: owned, found });

        const after = new Map<string, string>(Object.entries(disk));
        for (const path of [...made.backUp, ...made.remove]) after.delete(path);
        for (const { wanted: one } of made.place) after.set(one.path, one.digest.slice("sha256:".length));

        for (const [path, letter] of Object.entries(disk)) {
          const ours = owned[path]?.digests.has(digest(letter)) ?? false;
          if (!ours) expect(after.get(path) === letter || made.backUp.includes(path)).toBeTrue();
          if (wanted[path]?.preserve) expect(after.get(path)).toBe(letter);
          if (made.remove.includes(path)) expect(ours && !owned[path]?.adopted && !owned[path]?.preserve).toBeTrue();
        }
        const onDisk = new Set<string>(Object.values(disk));
        for (const { wanted: one, from } of made.place) {
          expect(from.kind === "fetch").toBe(!onDisk.has(one.digest.slice("sha256:".length)));
        }
        const kept = new Set(made.keep.map(({ path }) => path));
        for (const one of files) {
          if (!kept.has(one.path)) expect(after.get(one.path)).toBe(one.digest.slice("sha256:".length));
        }

        // The next run, knowing what this one did, has nothing to do.
        const claimsAfter = Object.fromEntries(
          files.flatMap((one) => {
            const old = owned[one.path];
            const is = kept.has(one.path) ? old : claim(one.digest.slice("sha256:".length));
            return is === undefined ? [] : [[one.path, is]];
          }),
        );
        const foundAfter = Object.fromEntries([...after].map(([path, letter]) => [path, file(letter, path)]));
        const again = plan(files, { claims: claimsAfter, found: foundAfter });
        expect([again.place, again.remove, again.backUp]).toEqual([[], [], []]);
      }),
      { numRuns },
    );
  });
});
