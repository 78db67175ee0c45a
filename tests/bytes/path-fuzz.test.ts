import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checkPath, findPathClashes, foldPath } from "../../paths.ts";

const long = process.env.SUNDUK_LONG === "1";
const names = long ? 1_000_000 : 10_000;
const python = Bun.which("python3");
const skipped = python === null ? " (skipped: no python3)" : "";

/** What Windows and macOS do to names, by Python's Unicode tables and not by ours: canonical forms, full folding, trimming. */
const pythonFold = `
import sys, json, unicodedata
def fold(part):
    part = unicodedata.normalize("NFC", unicodedata.normalize("NFD", unicodedata.normalize("NFC", part).casefold()).casefold())
    return part.rstrip(". ")
for line in sys.stdin:
    print(json.dumps("/".join(fold(part) for part in json.loads(line).split("/"))))
`;

async function foldByPython(paths: string[]): Promise<string[]> {
  const child = Bun.spawn([python ?? "python3", "-c", pythonFold], {
    stdin: new Blob([paths.map((path) => `${JSON.stringify(path)}\n`).join("")]),
    stdout: "pipe",
  });
  const lines = (await new Response(child.stdout).text()).trimEnd().split("\n");
  expect(await child.exited).toBe(0);
  return lines.map((line) => String(JSON.parse(line)));
}

/** Few letters, so that names meet: capitals, ligatures, marks, Turkish and Greek letters, dots, spaces, escapes. */
const letters =
  "a A b B i I ı İ ß ẞ s S ſ ss SS é É e\u0301 E\u0301 e \u0301 \u0307 \u0345 ﬁ fi K \u212a Å \u212b å σ ς Σ ᾳ ΑΙ ŉ \u02bcn й и\u0306 к К 각 가\u11a8 ǆ ǅ Ǆ ❤ \ufe0f \u200d \u3164 . ~1 / / % %2e : \\ con NUL \u0001 \u202e Ａ ¹ 1 \ud800".split(
    " ",
  );
const unit = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...letters, " ") },
  { weight: 1, arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 1 }) },
);
const name = fc.array(unit, { minLength: 1, maxLength: 5 }).map((units) => units.join(""));

describe("the accepted set of paths", () => {
  test.skipIf(python === null)(
    `is injective under another folding, over ${names} fuzzed names${skipped}`,
    async () => {
      let clashing = 0;
      let left = 0;
      const batch = 10_000;
      for (let done = 0; done < names; done += batch) {
        const sample = fc.sample(name, { numRuns: batch, seed: 20 + done });
        const paths = new Set(sample.filter((path) => checkPath(path) === undefined));
        const clashes = findPathClashes(paths);
        for (const clash of clashes) paths.delete(clash.path);
        const kept = [...paths];
        const folded = await foldByPython(kept);
        const seen = new Map<string, string>();
        for (const [index, key] of folded.entries()) {
          const path = kept[index] ?? "";
          if (seen.has(key))
            throw new Error(
              `${JSON.stringify(path)} and ${JSON.stringify(seen.get(key))} both fold to ${JSON.stringify(key)}`,
            );
          seen.set(key, path);
        }
        for (const key of folded) {
          for (let end = key.indexOf("/"); end > 0; end = key.indexOf("/", end + 1)) {
            expect(seen.get(key.slice(0, end))).toBeUndefined();
          }
        }
        clashing += clashes.length;
        left += kept.length;
      }
      // The fuzz is worth something only when it both clashes and accepts.
      expect(clashing).toBeGreaterThan(names / 100);
      expect(left).toBeGreaterThan(names / 10);
    },
    long ? 600_000 : 60_000,
  );

  test.skipIf(python === null)(`folds every code point at least as far as Python's casefold()${skipped}`, async () => {
    const script = `
import json, unicodedata
for code in range(0x110000):
    if 0xd800 <= code < 0xe000: continue
    one = chr(code)
    for other in {one.casefold(), unicodedata.normalize("NFC", one), unicodedata.normalize("NFD", one)} - {one}:
        print(json.dumps([one, other]))
`;
    const child = Bun.spawn([python ?? "python3", "-c", script], { stdout: "pipe" });
    const lines = (await new Response(child.stdout).text()).trimEnd().split("\n");
    expect(lines.length).toBeGreaterThan(10_000);
    const apart = lines.filter((line) => {
      const [one, other] = JSON.parse(line);
      return ["", "i", "Σ"].some((around) => foldPath(around + one + around) !== foldPath(around + other + around));
    });
    expect(apart).toEqual([]);
  });

  test("holds nothing that leaves the folder, and folding a folded path changes nothing", () => {
    fc.assert(
      fc.property(fc.oneof(name, fc.string({ unit: "binary" })), (path) => {
        const folded = foldPath(path);
        expect(foldPath(folded)).toBe(folded);
        if (checkPath(path) !== undefined) return;
        const url = new URL(`http://h/root/${path.split("/").map(encodeURI).join("/")}`);
        expect(url.pathname.startsWith("/root/")).toBe(true);
        expect(path.split("/").every((part) => part !== "" && part !== "." && part !== "..")).toBe(true);
        expect(path).not.toMatch(/[\\\p{Cc}]/u);
      }),
      { numRuns: names },
    );
  }, 600_000);
});
