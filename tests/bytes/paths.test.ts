import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { checkPath, findPathClashes, foldPath } from "../../paths.ts";

const refused: [path: string, reason: RegExp][] = [
  ["", /empty/],
  [".", /not a name/],
  ["..", /not a name/],
  ["a/../b", /not a name/],
  ["./a", /not a name/],
  ["a/./b", /not a name/],
  ["a//b", /empty/],
  ["a/", /empty/],
  ["/a", /absolute/],
  ["//s/h/a", /absolute/],
  ["\\\\s\\h", /backslash/],
  ["a\\b", /backslash/],
  ["C:a", /drive "C:"/],
  ["C:/a", /drive/],
  ["x:ads", /drive/],
  ["mods/x:ads", /Windows/],
  ["x::$DATA", /drive/],
  ["config/xy::$DATA", /Windows/],
  ["a?b", /Windows/],
  ["a*", /Windows/],
  ["%2e%2e/a", /percent-escape %2e/],
  ["%2E%2E/a", /percent-escape/],
  ["..%c0%af", /percent-escape/],
  ["a%252eb", /percent-escape %25/],
  ["a%2fb", /percent-escape/],
  ["a%5Cb", /percent-escape/],
  ["a%00", /percent-escape/],
  ["CON", /component "CON" is a reserved name on Windows/],
  ["con.txt", /reserved/],
  ["con .txt", /reserved/],
  ["NUL.tar.gz", /reserved/],
  ["AUX/x", /reserved/],
  ["mods/prn", /reserved/],
  ...Array.from({ length: 10 }, (_, digit): [string, RegExp] => [`COM${digit}`, /reserved/]),
  ...Array.from({ length: 10 }, (_, digit): [string, RegExp] => [`a/lpt${digit}.jar`, /reserved/]),
  ["COM¹", /reserved/],
  ["COM²", /reserved/],
  ["lpt³.txt", /reserved/],
  ["CONIN$", /reserved/],
  ["conout$", /reserved/],
  ["ＣＯＮ", /reserved/],
  ["a.", /dot or a space/],
  ["a ", /dot or a space/],
  ["a. ", /dot or a space/],
  ["a /b", /dot or a space/],
  ["a\u00a0", /dot or a space/],
  ["...", /dot or a space/],
  ["‥/a", /dot or a space/],
  ["~1", /short/],
  ["PROGRA~1", /short/],
  ["git~1", /short/],
  ["mods/sodium~2.jar", /short/],
  ["a\u202egpj.exe", /U\+202E/],
  ["a\u200bb", /U\+200B/],
  ["a\u2028b", /U\+2028/],
  ["a\u007f", /U\+007F/],
  ["a\uf03ab", /U\+F03A/],
  ["a\ud800", /surrogate/],
  ["\udc00a", /surrogate/],
  ["a／b", /separator/],
  ["℀", /separator/],
  ["\ufe0f", /nothing visible/],
  [".git/x", /git/],
  [".GIT/config", /git/],
  ["a/.Git", /git/],
  ["a".repeat(256), /256 characters/],
  ["ж".repeat(128), /256 bytes/],
  [`${"a/".repeat(120)}b`, /241 characters/],
  ...Array.from({ length: 0x20 }, (_, code): [string, RegExp] => [`a${String.fromCharCode(code)}b`, /U\+00[01]/]),
];

const accepted = [
  "a",
  "mods/animatica-0.6.1+1.21.5.jar",
  "Mod Menu Helper.zip",
  "config/ключ.json",
  "resourcepacks/[1.20] pack (x).zip",
  "resourcepacks/§6Faithful & friends' 32x!.zip",
  "config/.hidden",
  ".gitignore",
  ".github/x.yml",
  "config/com10.txt",
  "config/console.json",
  "config/aux-x.toml",
  "nullscape.jar",
  "mods/Just Enough%20Items.jar",
  "100%.txt",
  "a..b",
  "mods/mod-1.20~1.21-pre.jar",
  "backup~.json",
  "shaderpacks/日本語 ❤️.zip",
  "é",
  "e\u0301",
  "a".repeat(240),
  "ж".repeat(127),
  `${"a/".repeat(119)}bc`,
];

describe("checkPath()", () => {
  test.each(refused)("refuses %j and says why", (path, reason) => {
    expect(checkPath(path)).toMatch(reason);
  });

  test.each(accepted)("accepts %j", (path) => {
    expect(checkPath(path)).toBeUndefined();
  });

  test("never repeats an unprintable character in its reason", () => {
    for (const [path] of refused) expect(checkPath(path) ?? "").not.toMatch(/[\p{C}]/u);
  });

  const packs = `${import.meta.dir}/../../../shared/packs`;
  const packsReason = existsSync(packs) ? "" : " (skipped: no ../shared/packs)";
  test.skipIf(packsReason !== "")(`accepts every file of the real packs, without a clash${packsReason}`, async () => {
    for await (const root of new Bun.Glob("*/*/pack.toml").scan(packs)) {
      const folder = `${packs}/${root.slice(0, root.lastIndexOf("/"))}`;
      const paths = await Array.fromAsync(new Bun.Glob("**/*").scan({ cwd: folder, dot: true }));
      expect(paths.length).toBeGreaterThan(50);
      expect(paths.filter((path) => checkPath(path) !== undefined)).toEqual([]);
      expect(findPathClashes(paths)).toEqual([]);
    }
  });
});

const same: [a: string, b: string][] = [
  ["Mods/A.jar", "mods/a.jar"],
  ["é", "e\u0301"],
  ["É.txt", "e\u0301.TXT"],
  ["ß", "SS"],
  ["ẞ", "ss"],
  ["straße/x", "STRASSE/X"],
  ["ı", "I"],
  ["İ", "i"],
  ["K", "\u212a"],
  ["ſ", "S"],
  ["ΑΣ", "ας"],
  ["ΑΣ.txt", "ασ.TXT"],
  ["ﬁ", "FI"],
  ["ŉ", "\u02bcN"],
  ["ᾳ", "ΑΙ"],
  ["ᾳ\u0307", "ΑΙ\u0307"],
  ["Å", "\u212b"],
  ["각", "\u1100\u1161\u11a8"],
  ["Ａ", "a"],
  ["ключ", "КЛЮЧ"],
  ["ꭰ", "Ꭰ"],
  ["❤", "❤\ufe0f"],
  ["a", "a. "],
  ["a /b", "A/B."],
];

describe("findPathClashes()", () => {
  test.each(same)("finds that %j and %j are the same file on some system", (a, b) => {
    expect(foldPath(a)).toBe(foldPath(b));
    expect(findPathClashes([a, "other", b])).toEqual([{ path: b, reason: expect.stringContaining("same file as") }]);
  });

  test.each([
    ["a", "b"],
    ["е", "e"],
    ["a.jar", "a_.jar"],
    ["a/b", "ab"],
    ["и", "й"],
    ["o", "ö"],
    ["a/b", "a-b"],
  ])("leaves %j and %j alone", (a, b) => {
    expect(findPathClashes([a, b])).toEqual([]);
  });

  test("finds a path that is listed twice, once for each repetition", () => {
    const twice = { path: "a", reason: "it is listed twice" };
    expect(findPathClashes(["a", "a", "a"])).toEqual([twice, twice]);
  });

  test.each([
    [["a", "a/b"], "a"],
    [["a/b", "a"], "a"],
    [["A", "a/b/c"], "A"],
    [["a/B", "x", "A/b/c/d"], "a/B"],
    [["e\u0301", "É/x"], "e\u0301"],
  ])("finds the file that is also a folder in %j", (paths, file) => {
    expect(findPathClashes(paths)).toEqual([{ path: file, reason: expect.stringContaining("folder") }]);
  });

  test("does not take folders that differ in case, or names that begin alike, for clashes", () => {
    expect(findPathClashes(["Mods/a.jar", "mods/b.jar", "mods.txt", "mods2/a.jar"])).toEqual([]);
  });
});
