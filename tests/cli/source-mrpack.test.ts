import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSource } from "../../cli/source/index.ts";
import { Fault } from "../../fault.ts";
import { type CraftedEntry, craftZip, mrpackIndex } from "./source-zip.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sunduk-source-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function write(bytes: Uint8Array): Promise<string> {
  const path = join(folder, `${crypto.randomUUID()}.mrpack`);
  await Bun.write(path, bytes);
  return path;
}

const unpackedFolders = async () => (await readdir(tmpdir())).filter((name) => name.startsWith("sunduk-mrpack-"));

async function refusal(path: string): Promise<Fault> {
  try {
    const source = await readSource(path);
    await source.close();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("the archive was read");
}

const hashes = { sha1: "a".repeat(40), sha512: "b".repeat(128) };
const listed = (path: string, env?: object) => ({
  path,
  hashes,
  downloads: [`https://example.org/${path}`],
  fileSize: 7,
  ...(env ? { env } : {}),
});

test("an mrpack becomes references and overrides with their sides, and closing it leaves nothing behind", async () => {
  const path = await write(
    craftZip([
      mrpackIndex([
        listed("mods/both.jar"),
        listed("mods/client.jar", { client: "required", server: "unsupported" }),
        listed("mods/server.jar", { client: "unsupported", server: "optional" }),
        listed("mods/maybe.jar", { client: "optional", server: "optional" }),
        listed("mods/half.jar", { client: "required", server: "optional" }),
      ]),
      { name: "overrides/" },
      { name: "overrides/config/a.txt", data: "a".repeat(5000), deflate: true },
      { name: "client-overrides/options.txt", data: "client" },
      { name: "server-overrides/server.properties", data: "" },
      { name: "README.md", data: "not part of the pack" },
    ]),
  );
  const source = await readSource(path);
  expect(source).toMatchObject({ name: "Crafted", version: "1.2.0", minecraft: "1.21.11" });
  expect(source.loader).toEqual({ name: "fabric", version: "0.19.2" });
  const seen = await Promise.all(
    source.files.map(async (file) => [
      file.path,
      file.side,
      file.optional === true,
      file.local ? (await Bun.file(file.local.diskPath).text()).length : file.reference.sizeBytes,
    ]),
  );
  expect(seen).toEqual([
    ["config/a.txt", "both", false, 5000],
    ["mods/both.jar", "both", false, 7],
    ["mods/client.jar", "client", false, 7],
    ["mods/half.jar", "both", false, 7],
    ["mods/maybe.jar", "both", true, 7],
    ["mods/server.jar", "server", true, 7],
    ["options.txt", "client", false, 6],
    ["server.properties", "server", false, 0],
  ]);
  const diskPath = source.files[0]?.local?.diskPath ?? "";
  expect(diskPath).not.toBe("");
  await source.close();
  expect(await Bun.file(diskPath).exists()).toBe(false);
});

const override = (name: string, more: Partial<CraftedEntry> = {}): CraftedEntry => ({
  name: `overrides/${name}`,
  data: "x",
  ...more,
});
const end = Buffer.from("PK\x05\x06".padEnd(22, "\0"), "latin1");
const zeros = new Uint8Array(8 * 1024 * 1024);

const refused: [what: string, bytes: () => Uint8Array, detail: RegExp][] = [
  ["no zip at all", () => Buffer.from("hello"), /not a zip/],
  ["a zip cut in the middle", () => craftZip([mrpackIndex(), override("a")]).slice(0, -30), /not a zip|cut/],
  ["a zip without an index", () => craftZip([override("a")]), /modrinth\.index\.json is missing/],
  ["an index that is no JSON", () => craftZip([{ name: "modrinth.index.json", data: "{" }]), /is not JSON/],
  ["an index of another game", () => craftZip([mrpackIndex([], { game: "chess" })]), /\/game/],
  ["a listed file without sha512", () => craftZip([mrpackIndex([{ ...listed("a"), hashes: { sha1: "" } }])]), /hashes/],
  ["a listed path that leaves the folder", () => craftZip([mrpackIndex([listed("../a.jar")])]), /cannot be in a pack/],
  ["an entry that leaves the folder", () => craftZip([mrpackIndex(), override("../../a")]), /unsafe|Unsafe|filename/],
  ["an absolute entry", () => craftZip([mrpackIndex(), { name: "/etc/a", data: "x" }]), /unsafe|filename/i],
  ["a backslash entry", () => craftZip([mrpackIndex(), override("a\\b")]), /unsafe|filename/i],
  ["names that differ only in case", () => craftZip([mrpackIndex(), override("A"), override("a")]), /cannot be in/],
  [
    "one path from two folders",
    () => craftZip([mrpackIndex(), override("a"), { name: "client-overrides/a", data: "y" }]),
    /cannot be in/,
  ],
  ["duplicate entries", () => craftZip([mrpackIndex(), override("a"), override("a")]), /./],
  ["an encrypted entry", () => craftZip([mrpackIndex(), override("a", { flags: 0x801 })]), /encrypted/],
  ["a symbolic link", () => craftZip([mrpackIndex(), override("a", { unixMode: 0o120777 })]), /link or a special/],
  ["a device", () => craftZip([mrpackIndex(), override("a", { unixMode: 0o060644 })]), /link or a special/],
  [
    "a local name unlike the central one",
    () => craftZip([mrpackIndex(), override("a", { localName: "overrides/b" })]),
    /./,
  ],
  ["local flags unlike the central ones", () => craftZip([mrpackIndex(), override("a", { localFlags: 0 })]), /./],
  [
    "overlapping entries",
    () =>
      craftZip([
        mrpackIndex(),
        override("a", { data: zeros.slice(0, 999), deflate: true }),
        override("b", { data: zeros.slice(0, 999), deflate: true, sameDataAs: 1 }),
      ]),
    /overlap/i,
  ],
  ["a wrong CRC", () => craftZip([mrpackIndex(), override("a", { crc: 1 })]), /./],
  [
    "a size declared too small",
    () => craftZip([mrpackIndex(), override("a", { data: zeros, deflate: true, declaredBytes: 1024 })]),
    /./,
  ],
  ["a size declared too big", () => craftZip([mrpackIndex(), override("a", { data: "x", declaredBytes: 1024 })]), /./],
  ["a bomb", () => craftZip([mrpackIndex(), override("a", { data: zeros, deflate: true })]), /200 times/],
  ["data before the first header", () => craftZip([mrpackIndex()], { before: Buffer.from("#!/bin/sh\n") }), /./],
  ["data after the end", () => Buffer.concat([craftZip([mrpackIndex()]), Buffer.from("tail")]), /ambiguous/],
  ["an end inside the comment", () => craftZip([mrpackIndex()], { comment: end }), /./],
  ["two ends", () => Buffer.concat([craftZip([mrpackIndex()]), end]), /./],
  ["a name not marked as UTF-8", () => craftZip([mrpackIndex(), override("\u00e9", { flags: 0 })]), /UTF-8/],
  ["fewer entries declared than written", () => craftZip([mrpackIndex(), override("a")], { declaredEntries: 1 }), /./],
  ["a file where a folder is needed", () => craftZip([mrpackIndex(), override("a"), override("a/b")]), /cannot be in/],
];

for (const [what, bytes, detail] of refused) {
  test(`an mrpack with ${what} is refused and leaves nothing unpacked`, async () => {
    const before = await unpackedFolders();
    const fault = await refusal(await write(bytes()));
    expect(fault.code).toBe("invalid");
    expect([fault.message, ...fault.errors.map((place) => place.detail)].join("\n")).toMatch(detail);
    expect(await unpackedFolders()).toEqual(before);
  });
}

test("an archive of a million empty entries is refused before they are listed", async () => {
  const entry = Buffer.from(craftZip([{ name: "overrides/aaaaaaa" }])).subarray(47, 47 + 46 + 17);
  const directory = Buffer.alloc(entry.length * 1_000_000, entry);
  const plain = Buffer.from(craftZip([]));
  plain.writeUInt16LE(0xffff, 8);
  plain.writeUInt16LE(0xffff, 10);
  plain.writeUInt32LE(directory.length, 12);
  const path = await write(Buffer.concat([directory, plain]));
  expect((await refusal(path)).message).toMatch(/more than 20000 entries/);
});

test("a mutated mrpack is refused, or read as Python's zipfile reads it", async () => {
  const python = Bun.which("python3");
  if (!python) {
    console.warn("skipped: python3 is not installed");
    return;
  }
  const rounds = process.env.SUNDUK_LONG === "1" ? 20_000 : 200;
  const good = craftZip([
    mrpackIndex(),
    override("a.txt", { data: "alpha ".repeat(40), deflate: true }),
    override("b/c.txt", { data: "gamma" }),
  ]);
  const mutants = join(folder, "mutants");
  const ours: Record<string, Record<string, string>> = {};
  for (let round = 0; round < rounds; round += 1) {
    const bytes = Buffer.from(good);
    for (let flips = 1 + (round % 3); flips > 0; flips -= 1) {
      bytes[Math.floor(Math.random() * bytes.length)] = Math.floor(Math.random() * 256);
    }
    const path = join(mutants, `${round}.mrpack`);
    await Bun.write(path, bytes);
    try {
      const source = await readSource(path);
      const found: Record<string, string> = {};
      for (const { path: name, local } of source.files) {
        if (local)
          found[name] = new Bun.CryptoHasher("sha256").update(await Bun.file(local.diskPath).bytes()).digest("hex");
      }
      ours[`${round}.mrpack`] = found;
      await source.close();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    }
  }
  const script = `
import sys, json, zipfile, hashlib
for name in json.loads(sys.stdin.read()):
    try:
        with zipfile.ZipFile(sys.argv[1] + "/" + name) as z:
            found = {i.filename.split("/", 1)[1]: hashlib.sha256(z.read(i)).hexdigest()
                for i in z.infolist() if i.filename.split("/")[0] in ("overrides", "client-overrides", "server-overrides")}
    except Exception as e:
        found = {"error": str(e)}
    print(json.dumps([name, found]))
`;
  const child = Bun.spawn([python, "-c", script, mutants], { stdin: new Blob([JSON.stringify(Object.keys(ours))]) });
  const lines = (await new Response(child.stdout).text()).trim().split("\n").filter(Boolean);
  expect(lines).toHaveLength(Object.keys(ours).length);
  for (const line of lines) {
    const [name, theirs] = JSON.parse(line);
    expect({ name, found: ours[name] }).toEqual({ name, found: theirs });
  }
}, 120_000);
