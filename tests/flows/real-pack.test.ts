import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parse as parseToml } from "smol-toml";
import { chooseFiles, noChoice } from "../../cli/install/choose.ts";
import { listWanted, parseManifest } from "../../cli/install/manifest.ts";
import { packwizPack } from "../../cli/install/packwiz.ts";
import { type Claim, type Found, planInstall } from "../../cli/install/plan.ts";
import { type System, startSystem, type TestUser } from "../harness.ts";
import { type Person, readDigests, seat } from "./sunduk.ts";

// A real pack as its authors keep it, read here by other code than the product's.
const packs = join(import.meta.dir, "../../../shared/packs/fabulously-optimized");
const versions = ["12.1.1", "12.1.2", "12.2.2"];
const there = existsSync(packs);
if (!there) console.warn(`skipped: there are no real packs in ${packs}`);

type Known = { digest: string; side: string; reference: boolean };
let system: System;
let user: TestUser;
let author: Person;
const sources = new Map<string, Map<string, Known>>();

/** What a packwiz folder says, file by file: sha256 of its own files, the digest that a metafile names for the others. */
async function readPackwiz(folder: string): Promise<Map<string, Known>> {
  const index: any = parseToml(await Bun.file(join(folder, "index.toml")).text());
  const files = new Map<string, Known>();
  for (const entry of index.files) {
    const file = Bun.file(join(folder, entry.file));
    if (!entry.metafile) {
      const sha256 = new Bun.CryptoHasher("sha256").update(await file.bytes()).digest("hex");
      files.set(entry.file, { digest: `sha256:${sha256}`, side: "both", reference: false });
      continue;
    }
    const metafile: any = parseToml(await file.text());
    const path = join(entry.file, "..", metafile.filename);
    const { "hash-format": format, hash } = metafile.download;
    files.set(path, { digest: `${format}:${hash}`, side: metafile.side || "both", reference: true });
  }
  return files;
}

const sourceOf = (version: string) => sources.get(version) ?? new Map<string, Known>();
const sunduk = async (...words: string[]) => {
  const env = { SUNDUK_URL: system.url, SUNDUK_TOKEN: user.token };
  const outcome = await author.sunduk([...words, "--json"], { env });
  if (outcome.code !== 0) throw new Error(`${words.join(" ")}: ${outcome.stderr}`);
};
const readManifest = async (version: string) =>
  (await user.call("GET", `/v1/packs/fabulously-optimized/versions/${version}/manifest`)).json;

describe.if(there)("a real pack", () => {
  beforeAll(async () => {
    system = await startSystem();
    user = await system.signUp("author");
    author = await seat();
    for (const version of versions) {
      const folder = join(packs, version);
      sources.set(version, await readPackwiz(folder));
      await sunduk("pack", "publish", folder, "--slug", "fabulously-optimized", "--version", version);
    }
  });
  afterAll(async () => {
    await author?.close();
    await system?.stop();
  });

  test.each(versions)("version %s is published as its source says, file by file", async (version) => {
    const manifest = await readManifest(version);
    const source = sourceOf(version);
    expect(source.size).toBeGreaterThan(50);
    expect((await readdir(packs)).includes(version)).toBe(true);
    const found = new Map<string, Known>();
    for (const file of manifest.files) {
      const reference = file.reference === true;
      const format = reference ? (source.get(file.path)?.digest.split(":")[0] ?? "") : "sha256";
      expect(file.url.startsWith("https://")).toBe(reference);
      found.set(file.path, { digest: `${format}:${file.digests[format]}`, side: file.side, reference });
    }
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(source));
  });

  test.each([...versions, "latest"])("version %s is read as packwiz as its source says it", async (version) => {
    const folder = version === "latest" ? "" : `${version}/`;
    const read = async (path: string) => {
      const answer = await user.call("GET", `/p/fabulously-optimized/${folder}${encodeURI(path)}`, {
        redirect: "follow",
      });
      expect([path, answer.status]).toEqual([path, 200]);
      return answer.text;
    };
    const sha256 = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("hex");
    const pack: any = parseToml(await read("pack.toml"));
    const index = await read(pack.index.file);
    expect(sha256(index)).toBe(pack.index.hash);
    const found = new Map<string, Known>();
    const parsed: any = parseToml(index);
    await Promise.all(
      parsed.files.map(async ({ file, hash, metafile }: { file: string; hash: string; metafile?: boolean }) => {
        if (!metafile) return found.set(file, { digest: `sha256:${hash}`, side: "both", reference: false });
        const text = await read(file);
        expect(sha256(text)).toBe(hash);
        const meta: any = parseToml(text);
        const { "hash-format": format, hash: digest, url } = meta.download;
        const isKept = url.startsWith(system.url);
        const path = join(file, "..", meta.filename);
        // What is kept here is at an address by its SHA-256.
        const known = isKept ? `sha256:${url.slice(url.lastIndexOf("/") + 1)}` : `${format}:${digest}`;
        return found.set(path, { digest: known, side: meta.side, reference: !isKept });
      }),
    );
    const source = sourceOf(version === "latest" ? (versions.at(-1) ?? "") : version);
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(source));
  });

  test.each([
    ["12.1.1", "12.1.2"],
    ["12.1.2", "12.2.2"],
    ["12.1.1", "12.2.2"],
  ])("the difference from %s to %s is the one between the sources", async (from, to) => {
    const [before, after] = [sourceOf(from), sourceOf(to)];
    const fresh = [...after].filter(([path]) => !before.has(path));
    const gone = [...before].filter(([path]) => !after.has(path));
    const changed = [...after].filter(([path, file]) => before.has(path) && before.get(path)?.digest !== file.digest);
    const { json } = await user.call("GET", `/v1/packs/fabulously-optimized/diff/${from}/${to}`);
    const paths = (list: { path: string }[]) => list.map(({ path }) => path);
    const moves: { from: string; to: string }[] = json.moved;
    expect(new Set([...paths(json.added), ...moves.map((move) => move.to)])).toEqual(
      new Set(fresh.map(([path]) => path)),
    );
    expect(new Set([...paths(json.removed), ...moves.map((move) => move.from)])).toEqual(
      new Set(gone.map(([path]) => path)),
    );
    expect(new Set(paths(json.changed))).toEqual(new Set(changed.map(([path]) => path)));
    for (const move of moves) expect(after.get(move.to)?.digest).toBe(before.get(move.from)?.digest ?? "");
    expect(changed.length + fresh.length).toBeGreaterThan(0);
  });

  // The mods lie on hosts that a test may not reach, and nothing else has their digests. So the installer's plans are
  // followed here in memory, with every fetch granted; the bytes that a server keeps are installed for real below.
  test.each(["client", "server"] as const)(
    "updates planned over all versions end in the source's files (%s)",
    async (side) => {
      const found = new Map<string, Found>();
      const claims = new Map<string, Claim>();
      for (const version of versions) {
        const manifest = parseManifest(await readManifest(version));
        const kept = { ...noChoice, allOptional: true };
        const wanted = listWanted(chooseFiles(manifest, { side, kept, given: {} }).files);
        const plan = planInstall({ wanted, claims, found, edited: "keep" });
        expect([plan.backUp, plan.keep]).toEqual([[], []]);
        for (const path of plan.remove) found.delete(path);
        for (const { wanted: file } of plan.place) {
          found.set(file.path, { kind: "file", digests: [file.digest], sizeBytes: 0, mtimeMs: 0, inode: file.path });
        }
        claims.clear();
        for (const file of wanted)
          claims.set(file.path, { digests: new Set([file.digest]), adopted: false, preserve: false });
        const expected = [...sourceOf(version)].filter(([, file]) => file.side === "both" || file.side === side);
        const held = [...found].map(([path, now]) => [path, now.kind === "file" ? now.digests[0] : now.kind]);
        expect(Object.fromEntries(held)).toEqual(
          Object.fromEntries(expected.map(([path, file]) => [path, file.digest])),
        );
      }
    },
  );

  test.each(versions)("version %s, read over HTTP as packwiz packs are, names the same bytes", async (version) => {
    const { signal } = new AbortController();
    const read = async (address: string) => {
      const release = await packwizPack(address).readRelease({ side: "both", known: undefined, signal });
      const kept = { ...noChoice, allOptional: true };
      return chooseFiles(parseManifest(release?.body), { side: "both", kept, given: {} }).files;
    };
    const host = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: ({ url }) => new Response(Bun.file(join(packs, version, decodeURIComponent(new URL(url).pathname)))),
    });
    const link = await user.call("POST", "/v1/packs/fabulously-optimized/links", { body: {} });
    try {
      // As its authors serve it, and as this server does beneath a link.
      for (const address of [`${host.url.origin}/pack.toml`, `${link.json.url}/${version}/pack.toml`]) {
        const chosen = await read(address);
        expect(chosen.map(({ path, side }) => [path, side]).sort()).toEqual(
          [...sourceOf(version)].map(([path, { side }]) => [path, side]).sort(),
        );
        for (const { path, digests } of chosen) {
          const [format = "", digest] = (sourceOf(version).get(path)?.digest ?? "").split(":");
          expect([path, Object.entries(digests).find(([name]) => name === format)?.[1]]).toEqual([path, digest]);
        }
      }
    } finally {
      await host.stop(true);
    }
  });

  test("the files that the server keeps are installed and updated over all versions", async () => {
    const target = join(author.folder, "installed");
    for (const version of versions) {
      const folder = join(author.folder, version);
      const own = [...sourceOf(version)].filter(([, file]) => !file.reference);
      const description = `slug = "own-files"\nname = "Own files"\nversion = "${version}"\nminecraft = "1.21.11"\n`;
      await Bun.write(join(folder, "sunduk.toml"), description);
      for (const [path] of own) await Bun.write(join(folder, path), Bun.file(join(packs, version, path)));
      await sunduk("pack", "publish", folder);
      await sunduk("pack", "install", "own-files", target);
      const installed = Object.entries(await readDigests(target)).map(([path, digest]) => [path, `sha256:${digest}`]);
      expect(Object.fromEntries(installed)).toEqual(Object.fromEntries(own.map(([path, file]) => [path, file.digest])));
    }
  });
});
