import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { slugFromName } from "../../cli/publish/names.ts";
import { readSource, type SourceFile } from "../../cli/source/index.ts";
import { Fault } from "../../fault.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sunduk-source-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const digest = (algorithm: "sha256" | "sha1", text: string) =>
  new Bun.CryptoHasher(algorithm).update(text).digest("hex");

async function writeFiles(files: Record<string, string>): Promise<string> {
  const root = join(folder, crypto.randomUUID());
  for (const [path, content] of Object.entries(files)) await Bun.write(join(root, path), content);
  return root;
}

async function refusal(path: string): Promise<Fault> {
  try {
    await readSource(path);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("the source was read");
}

const words = (fault: Fault) => [fault.message, ...fault.errors.map((place) => place.detail)].join("\n");
const terms = ({ path, side, optional, preserve }: SourceFile) => [path, side, optional === true, preserve === true];

const sha512 = "c".repeat(128);
const metafile = (download: string, more = "") =>
  `name = "Mod"\nfilename = "mod-1.jar"\n${more}\n[download]\nhash-format = "sha512"\nhash = "${sha512}"\n${download}\n`;

/** A packwiz folder whose digests are right unless told otherwise: index entries are [extra TOML, content]. */
async function writePackwiz(
  entries: Record<string, [toml: string, content: string]>,
  options: { indexHash?: string; pack?: string } = {},
): Promise<string> {
  const index = Object.entries(entries)
    .map(([file, [toml, content]]) => {
      const hash = toml.includes("hash =") ? "" : `hash = "${digest("sha256", content)}"\n`;
      return `[[files]]\nfile = ${JSON.stringify(file)}\n${hash}${toml}\n`;
    })
    .join("\n");
  const indexText = `hash-format = "sha256"\n${index}`;
  const hash = options.indexHash ?? digest("sha256", indexText);
  return writeFiles({
    "pack.toml": `name = "My Pack"\nversion = "1.0"\n${options.pack ?? ""}\n[index]\nfile = "index.toml"\nhash-format = "sha256"\nhash = "${hash}"\n[versions]\nminecraft = "1.20.1"\nneoforge = "47.1"\n`,
    "index.toml": indexText,
    ...Object.fromEntries(Object.entries(entries).map(([file, [, content]]) => [file, content])),
  });
}

test("a packwiz folder becomes files, and its metafiles references", async () => {
  const root = await writePackwiz({
    "config/a.json": ["", "{}"],
    "config/b.json": ['alias = "config/renamed.json"\npreserve = true', "{1}"],
    "config/c.json": [`hash-format = "sha1"\nhash = "${digest("sha1", "c")}"`, "c"],
    "mods/mod.pw.toml": ["metafile = true", metafile('url = "https://example.org/mod.jar"', 'side = "client"')],
    "shaders/s.pw.toml": [
      "metafile = true",
      `${metafile('url = "https://example.org/s.jar"\nmode = "url"')}[option]\noptional = true\n`,
    ],
  });
  const source = await readSource(root);
  expect(source).toMatchObject({ name: "My Pack", version: "1.0", channel: "release", minecraft: "1.20.1" });
  expect(source.loader).toEqual({ name: "neoforge", version: "47.1" });
  expect(source.files.map(terms)).toEqual([
    ["config/a.json", "both", false, false],
    ["config/c.json", "both", false, false],
    ["config/renamed.json", "both", false, true],
    ["mods/mod-1.jar", "client", false, false],
    ["shaders/mod-1.jar", "both", true, false],
  ]);
  expect(source.files[2]?.local).toEqual({ diskPath: join(root, "config/b.json"), sizeBytes: 3 });
  expect(source.files[3]?.reference).toEqual({ url: "https://example.org/mod.jar", digests: { sha512 } });
});

const badPackwiz: [what: string, write: () => Promise<string>, named: RegExp][] = [
  ["with a wrong index digest", () => writePackwiz({}, { indexHash: "0".repeat(64) }), /index\.toml: its sha256/],
  [
    "with a wrong file digest",
    () => writePackwiz({ "config/a.json": [`hash = "${"0".repeat(64)}"`, "{}"] }),
    /config\/a\.json: its sha256/,
  ],
  ["with a file without digest", () => writePackwiz({ "a.txt": ['hash = ""', "x"] }), /a\.txt: it has no hash/],
  [
    "with an unknown digest",
    () => writePackwiz({ "a.txt": ['hash-format = "crc"\nhash = "00"', "x"] }),
    /"crc" is not/,
  ],
  [
    "with a mod that only CurseForge has",
    () => writePackwiz({ "mods/m.pw.toml": ["metafile = true", metafile('mode = "metadata:curseforge"')] }),
    /CurseForge.*mods\/m\.pw\.toml/s,
  ],
  [
    "with a mod without address",
    () => writePackwiz({ "mods/m.pw.toml": ["metafile = true", metafile("")] }),
    /m\.pw\.toml: download\.url/,
  ],
  [
    "with a mod at a file address",
    () => writePackwiz({ "m.pw.toml": ["metafile = true", metafile('url = "file:///a"')] }),
    /download\.url/,
  ],
  [
    "with an alias that leaves the folder",
    () => writePackwiz({ "a.txt": ['alias = "../a.txt"', "x"] }),
    /"\.\.\/a\.txt"/,
  ],
  [
    "with two files of one destination",
    () => writePackwiz({ "a.txt": ["", "x"], "b.txt": ['alias = "A.txt"', "x"] }),
    /A\.txt|a\.txt/,
  ],
  ["with a broken metafile", () => writePackwiz({ "m.pw.toml": ["metafile = true", "name = "] }), /m\.pw\.toml/],
];

for (const [what, write, named] of badPackwiz) {
  test(`a packwiz folder ${what} is refused and the message names it`, async () => {
    const fault = await refusal(await write());
    expect(fault.code).toBe("invalid");
    expect(words(fault)).toMatch(named);
  });
}

test("a packwiz folder without internal digests is read when it says so", async () => {
  const root = await writePackwiz({ "a.txt": ['hash = ""', "x"] }, { pack: "options = { no-internal-hashes = true }" });
  expect((await readSource(root)).files.map(terms)).toEqual([["a.txt", "both", false, false]]);
});

test("a packwiz file that links to outside of the pack is refused, even with the right digest", async () => {
  const root = await writePackwiz({ "config/secret.txt": ["", "secret"] });
  const outside = await writeFiles({ "secret.txt": "secret" });
  await rm(join(root, "config/secret.txt"));
  await symlink(join(outside, "secret.txt"), join(root, "config/secret.txt"));
  expect(words(await refusal(root))).toMatch(/config\/secret\.txt: it is a link to outside/);
});

test("a plain folder gives all but hidden and excluded files, later patterns win", async () => {
  const root = await writeFiles({
    "sunduk.toml": `slug = "plain"\nname = "Plain"\nversion = "2"\nchannel = "beta"\nminecraft = "1.21"\nexclude = ["**/*.bak"]\n
[loader]\nname = "fabric"\nversion = "0.16"\n
[[files]]\npattern = "config/**"\npreserve = true\n[[files]]\npattern = "config/server/*"\nside = "server"\npreserve = false\n
[[files]]\npattern = "mods/extra-*.jar"\noptional = true\nside = "client"\n`,
    "mods/core.jar": "core",
    "mods/extra-map.jar": "map",
    "config/a.cfg": "a",
    "config/a.cfg.bak": "old",
    "config/server/b.cfg": "b",
    ".git/HEAD": "ref",
    "mods/.cache": "x",
  });
  const source = await readSource(root);
  expect(source).toMatchObject({ slug: "plain", name: "Plain", version: "2", channel: "beta", minecraft: "1.21" });
  expect(source.files.map(terms)).toEqual([
    ["config/a.cfg", "both", false, true],
    ["config/server/b.cfg", "server", false, false],
    ["mods/core.jar", "both", false, false],
    ["mods/extra-map.jar", "client", true, false],
  ]);
});

test("a plain folder says how it is started and which files belong together", async () => {
  const root = await writeFiles({
    "sunduk.toml": `name = "P"\nminecraft = "1.21"\njava = "21"\nmemoryMb = 4096\nserverAddress = "play.example.org"\n
[[groups]]\nid = "maps"\nname = "Maps"\nrecommended = true\nrequires = ["libs"]\n[[groups]]\nid = "libs"\nname = "Libraries"\n
[[files]]\npattern = "mods/**"\ngroup = "libs"\n[[files]]\npattern = "mods/map-*.jar"\ngroup = "maps"\n`,
    "mods/map-1.jar": "map",
    "mods/lib.jar": "lib",
    "a.txt": "a",
  });
  const { settings, files } = await readSource(root);
  const groups = [
    { id: "maps", name: "Maps", recommended: true, requires: ["libs"] },
    { id: "libs", name: "Libraries" },
  ];
  expect(settings).toEqual({ java: "21", memoryMb: 4096, serverAddress: "play.example.org", groups });
  expect(files.map(({ path, group }) => [path, group])).toEqual([
    ["a.txt", undefined],
    ["mods/lib.jar", "libs"],
    ["mods/map-1.jar", "maps"],
  ]);
});

test("a plain folder with a link, an idle pattern or a misspelt key is refused by name", async () => {
  const base = 'name = "P"\nminecraft = "1.21"\n';
  const linked = await writeFiles({ "sunduk.toml": base, "a.txt": "a" });
  await symlink("/etc/hostname", join(linked, "link.txt"));
  expect(words(await refusal(linked))).toMatch(/link\.txt/);
  const idle = await writeFiles({ "sunduk.toml": `${base}[[files]]\npattern = "nope/*"\n`, "a.txt": "a" });
  expect(words(await refusal(idle))).toMatch(/nope\/\*/);
  const misspelt = await writeFiles({ "sunduk.toml": `${base}chanel = "beta"\n`, "a.txt": "a" });
  expect(words(await refusal(misspelt))).toMatch(/chanel/);
});

test("what is no pack is told apart from what is not there", async () => {
  expect((await refusal(join(folder, "nothing"))).code).toBe("not-found");
  expect(words(await refusal(await writeFiles({ "a.txt": "a" })))).toMatch(/neither pack\.toml/);
});

test("a name gives an address only when no letter of it is lost", () => {
  const slugs = ["Fabulously Optimized", "  Ünïque -- Pack! ", "Сундук Pack", "X", "a".repeat(80)].map(slugFromName);
  expect(slugs).toEqual(["fabulously-optimized", "unique-pack", undefined, undefined, "a".repeat(64)]);
});

test("real packs are read file by file as their index tells", async () => {
  const packs = join(import.meta.dir, "../../../shared/packs/fabulously-optimized");
  if (!(await Bun.file(join(packs, "LICENSE.md")).exists())) {
    console.warn("skipped: the real packs are not here");
    return;
  }
  for (const version of ["12.1.1", "12.1.2", "12.2.2"]) {
    const root = join(packs, version);
    const source = await readSource(root);
    const index = await Bun.file(join(root, "index.toml")).text();
    const named = [...index.matchAll(/^file = "(.*)"$/gm)].map((match) => match[1] ?? "");
    const raw = named.filter((name) => !name.endsWith(".pw.toml"));
    expect(source.version).toBe(version);
    expect(source.files.flatMap((file) => (file.local ? [file.path] : [])).toSorted()).toEqual(raw.toSorted());
    expect(source.files.filter((file) => file.reference)).toHaveLength(named.length - raw.length);
  }
});
