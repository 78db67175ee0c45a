import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { craftZip, mrpackIndex } from "../cli/source-zip.ts";
import { type System, sha256, startSystem, type TestUser } from "../harness.ts";
import { type Person, readDigests, seat, writeFiles } from "./sunduk.ts";

/** Serves the bytes of references on loopback, and counts who comes for them. */
function serveReferences() {
  const files = new Map<string, Uint8Array>();
  const asked: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname } = new URL(request.url);
      asked.push(pathname);
      const bytes = files.get(pathname);
      return bytes ? new Response(bytes) : new Response(null, { status: 404 });
    },
  });
  return { files, asked, url: `http://127.0.0.1:${server.port}`, port: server.port, stop: () => server.stop(true) };
}

const digest = (algorithm: "sha1" | "sha256" | "sha512", bytes: string | Uint8Array) =>
  new Bun.CryptoHasher(algorithm).update(bytes).digest("hex");

const password = "a long test password";
let system: System;
let references: ReturnType<typeof serveReferences>;
let user: TestUser;
let author: Person;
let signedIn: { XDG_CONFIG_HOME?: string };
let numbered = 0;
let slug = "";

beforeAll(async () => {
  references = serveReferences();
  const environment = { OUTBOUND_ALLOW: `127.0.0.1:${references.port}`, MIRROR_HOSTS: "127.0.0.1" };
  system = await startSystem({ environment });
  user = await system.signUp();
});
afterAll(async () => {
  await system?.stop();
  references?.stop();
});
beforeEach(async () => {
  author = await seat();
  numbered += 1;
  slug = `pack-${numbered}`;
  references.asked.length = 0;
  signedIn = {};
  const login = await author.sunduk(["login", system.url, "--login", user.login, "--password-stdin"], {
    stdin: `${password}\n`,
  });
  expect(login.code).toBe(0);
});
afterEach(() => author.close());

const run = (...words: string[]) => author.sunduk([...words, "--json"], { env: signedIn });
const ok = async (...words: string[]) => {
  const outcome = await run(...words);
  if (outcome.code !== 0) throw new Error(`${words.join(" ")}: ${outcome.stderr}`);
  expect(outcome.json.ok).toBe(true);
  return outcome.json;
};

type Files = Record<string, string | Uint8Array>;
const source = () => join(author.folder, "source");
const target = () => join(author.folder, "target");
const sunduktoml = (version: string, more = "") =>
  `slug = "${slug}"\nname = "Test pack"\nversion = "${version}"\nminecraft = "1.21.1"\n${more}`;
const writePack = (version: string, files: Files, more = "") =>
  writeFiles(source(), { "sunduk.toml": sunduktoml(version, more), ...files });
const digestsOf = (files: Files) =>
  Object.fromEntries(
    Object.entries(files)
      .map(([path, bytes]) => [path, sha256(bytes)] as const)
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  );

describe("a plain folder", () => {
  const preserve = '[[files]]\npattern = "options.txt"\npreserve = true\n';
  const first = { "mods/a.jar": "jar a", "mods/b.jar": "jar b", "config/c.txt": "c", "options.txt": "fov:70" };
  const second = {
    "mods/a.jar": "jar a, newer",
    "config/c.txt": "c, newer",
    "options.txt": "fov:90",
    "new.txt": "new",
  };

  test("goes from publishing over an update that keeps the player's files to a repair", async () => {
    await writePack("1.0.0", first, preserve);
    const dry = await ok("pack", "publish", source(), "--dry-run");
    expect(dry).toMatchObject({ dryRun: true, files: 4, uploadBytes: 17 });
    expect((await run("pack", "show", slug)).code).toBe(3);

    const published = await ok("pack", "publish", source(), "--visibility", "public");
    expect(published).toMatchObject({ slug, version: "1.0.0", files: 4, uploadedBytes: 17, alreadyPublished: false });
    expect(await ok("pack", "publish", source())).toMatchObject({ alreadyPublished: true, uploadedBytes: 0 });
    expect(await ok("pack", "install", slug, target())).toMatchObject({ version: "1.0.0", fetched: 4, kept: [] });
    expect(await readDigests(target())).toEqual(digestsOf(first));

    await Bun.write(join(target(), "options.txt"), "fov:110");
    await Bun.write(join(target(), "config/c.txt"), "c, by the player");
    await Bun.write(join(target(), "saves/world.dat"), "the player's");
    await writePack("1.1.0", second, preserve);
    expect((await ok("pack", "publish", source())).changes).toEqual({
      added: ["new.txt"],
      changed: ["config/c.txt", "mods/a.jar", "options.txt"],
      removed: ["mods/b.jar"],
    });
    const updated = await ok("pack", "install", `${slug}@release`, target());
    expect(updated).toMatchObject({ version: "1.1.0", fetched: 2, removed: 1 });
    expect(updated.kept).toEqual(
      expect.arrayContaining([
        { path: "config/c.txt", reason: "edited" },
        { path: "options.txt", reason: "preserve" },
      ]),
    );
    const players = { "options.txt": "fov:110", "config/c.txt": "c, by the player", "saves/world.dat": "the player's" };
    expect(await readDigests(target())).toEqual(digestsOf({ ...second, ...players }));

    await Bun.write(join(target(), "mods/a.jar"), "damaged");
    const broken = await run("pack", "verify", target());
    expect(broken).toMatchObject({
      code: 1,
      json: { ok: false, changed: ["config/c.txt", "mods/a.jar"], missing: [] },
    });
    await ok("pack", "verify", target(), "--repair");
    expect((await readDigests(target()))["mods/a.jar"]).toBe(sha256(second["mods/a.jar"]));
    expect(await ok("pack", "verify", target())).toMatchObject({ changed: [], missing: [], extra: [] });
    expect(await ok("pack", "install", slug, target())).toMatchObject({ upToDate: true, fetched: 0 });
  });

  test("is shown, listed, compared and yanked", async () => {
    await writePack("1.0.0", first);
    await ok("pack", "publish", source(), "--visibility", "public");
    await writePack("1.1.0", second);
    await ok("pack", "publish", source());
    const changelog = join(author.folder, "changes.md");
    await Bun.write(changelog, "# what is new");
    await writePack("2.0.0-beta", { "only.txt": "only" });
    await ok("pack", "publish", source(), "--channel", "beta", "--changelog", changelog);

    expect((await ok("pack", "list", "--query", "Test")).items).toEqual(
      expect.arrayContaining([expect.objectContaining({ slug, visibility: "public" })]),
    );
    const shown = await ok("pack", "show", slug);
    expect(shown.versions.map(({ version }: { version: string }) => version)).toEqual(["2.0.0-beta", "1.1.0", "1.0.0"]);
    const diff = await ok("pack", "diff", slug, "1.0.0", "1.1.0");
    expect(diff.added.map(({ path }: { path: string }) => path)).toEqual(["new.txt"]);
    expect(diff.removed.map(({ path }: { path: string }) => path)).toEqual(["mods/b.jar"]);
    expect(diff.bytesToFetch).toBe("jar a, newerc, newerfov:90new".length);

    expect(await ok("pack", "install", `${slug}@beta`, join(author.folder, "b"))).toMatchObject({
      version: "2.0.0-beta",
    });
    await ok("pack", "yank", slug, "1.1.0");
    expect(await ok("pack", "install", slug, target())).toMatchObject({ version: "1.0.0" });
    expect(await ok("pack", "install", `${slug}@1.1.0`, target())).toMatchObject({ version: "1.1.0" });
  });
});

describe("other forms of packs", () => {
  test("a packwiz folder: its files are uploaded, its metafiles are fetched from where they lie", async () => {
    const mod = "bytes of a mod";
    references.files.set("/mods/client-mod.jar", new TextEncoder().encode(mod));
    const metafile = [
      'name = "Client mod"',
      'filename = "client-mod.jar"',
      'side = "client"',
      "[download]",
      `url = "${references.url}/mods/client-mod.jar"`,
      'hash-format = "sha512"',
      `hash = "${digest("sha512", mod)}"`,
    ].join("\n");
    const index = [
      'hash-format = "sha256"',
      "[[files]]",
      'file = "mods/client-mod.pw.toml"',
      `hash = "${sha256(metafile)}"`,
      "metafile = true",
      "[[files]]",
      'file = "config/shared.txt"',
      `hash = "${sha256("shared")}"`,
    ].join("\n");
    const pack = [
      'name = "Packwiz pack"',
      'version = "3.1.4"',
      'pack-format = "packwiz:1.1.0"',
      "[index]",
      'file = "index.toml"',
      'hash-format = "sha256"',
      `hash = "${sha256(index)}"`,
      "[versions]",
      'minecraft = "1.21.1"',
      'fabric = "0.16.9"',
    ].join("\n");
    await writeFiles(source(), {
      "pack.toml": pack,
      "index.toml": index,
      "mods/client-mod.pw.toml": metafile,
      "config/shared.txt": "shared",
    });
    const published = await ok("pack", "publish", source(), "--slug", slug);
    expect(published).toMatchObject({ version: "3.1.4", files: 2, uploadedBytes: "shared".length });
    expect(references.asked).toEqual([]);
    await ok("pack", "install", slug, target());
    expect(await readDigests(target())).toEqual(
      digestsOf({ "config/shared.txt": "shared", "mods/client-mod.jar": mod }),
    );
    expect(references.asked).toEqual(["/mods/client-mod.jar"]);
    await ok("pack", "install", slug, join(author.folder, "server"), "--side", "server");
    expect(await readDigests(join(author.folder, "server"))).toEqual(digestsOf({ "config/shared.txt": "shared" }));
  });

  test("an mrpack with --mirror: the server keeps the bytes, and nobody goes to their host any more", async () => {
    const mods: Files = Object.fromEntries(
      Array.from({ length: 5 }, (_, index) => [
        `mods/m${index}.jar`,
        `mod ${index} ${slug}\n`.repeat(1 + index * 5_000),
      ]),
    );
    const listed = Object.entries(mods).map(([path, bytes]) => {
      references.files.set(`/${slug}/${path}`, Buffer.from(bytes));
      return {
        path,
        hashes: { sha1: digest("sha1", bytes), sha512: digest("sha512", bytes) },
        downloads: [`${references.url}/${slug}/${path}`],
        fileSize: bytes.length,
      };
    });
    const override = { name: "overrides/config/o.txt", data: "overridden" };
    const path = join(author.folder, "pack.mrpack");
    await Bun.write(path, craftZip([mrpackIndex(listed, { versionId: "5.0.0" }), override]));
    const published = await ok("pack", "publish", path, "--slug", slug, "--mirror", "--visibility", "public");
    expect(published).toMatchObject({ version: "5.0.0", files: 6, uploadedBytes: "overridden".length });
    expect(new Set(references.asked).size).toBe(5);
    references.asked.length = 0;
    const manifest = await system.call("GET", `/v1/packs/${slug}/versions/5.0.0/manifest`);
    for (const file of manifest.json.files) expect(file.url).toStartWith("/v1/blobs/");
    await ok("pack", "install", slug, target());
    expect(await readDigests(target())).toEqual(digestsOf({ ...mods, "config/o.txt": "overridden" }));
    expect(references.asked).toEqual([]);
  });

  test("bytes that are not the author's are neither mirrored nor installed", async () => {
    references.files.set("/forged.jar", Buffer.from("forged"));
    const listed = {
      path: "mods/forged.jar",
      hashes: { sha1: digest("sha1", "true"), sha512: digest("sha512", "true") },
      downloads: [`${references.url}/forged.jar`],
      fileSize: 6,
    };
    const path = join(author.folder, "pack.mrpack");
    await Bun.write(path, craftZip([mrpackIndex([listed], { versionId: "1.0.0" })]));
    const mirrored = await run("pack", "publish", path, "--slug", slug, "--mirror");
    expect(mirrored.code).toBe(1);
    expect(mirrored.stderr).toContain("mods/forged.jar");
    await ok("pack", "publish", path, "--slug", slug, "--version", "1.0.1");
    const installed = await run("pack", "install", `${slug}@1.0.1`, target());
    expect(installed.code).toBe(1);
    expect(await readDigests(target())).toEqual({});
  });
});

describe("who may do what", () => {
  test("a private pack is there for its author alone", async () => {
    await writePack("1.0.0", { "secret.txt": "secret" });
    await ok("pack", "publish", source());
    const stranger = (await system.signUp()).token;
    const strangers = [{}, { SUNDUK_TOKEN: stranger }];
    for (const env of strangers) {
      const options = { env: { SUNDUK_URL: system.url, ...env }, home: "stranger" };
      const refused = await author.sunduk(["pack", "install", slug, target(), "--json"], options);
      expect(refused).toMatchObject({ code: 3, json: { ok: false, error: { code: "not-found" } } });
      expect((await author.sunduk(["pack", "list", "--json"], options)).stdout).not.toContain(slug);
    }
    expect(await stat(join(target(), "secret.txt")).catch(() => undefined)).toBeUndefined();

    const own = { env: { SUNDUK_URL: system.url, SUNDUK_TOKEN: user.token }, home: "ci" };
    expect(await author.sunduk(["pack", "install", slug, target(), "--json"], own)).toMatchObject({ code: 0 });
    expect(await readDigests(target())).toEqual(digestsOf({ "secret.txt": "secret" }));
    expect(await stat(join(author.folder, "ci")).catch(() => undefined)).toBeUndefined();
  });

  test("every failure has its exit code, and one JSON object on standard output", async () => {
    const files = { "a.txt": `a of ${slug}` };
    await writePack("1.0.0", files);
    await ok("pack", "publish", source(), "--visibility", "public");
    await writePack("1.0.0", { "a.txt": "other bytes" });
    const stranger = { SUNDUK_URL: system.url, SUNDUK_TOKEN: (await system.signUp()).token };
    const away = { SUNDUK_URL: "http://127.0.0.1:1" };
    const cases: [code: number, words: string[], env?: Record<string, string>][] = [
      [2, ["pack", "publish"]],
      [2, ["pack", "publish", source(), "--channel", "nightly"]],
      [2, ["pack", "install", `${slug}@`, target()]],
      [3, ["pack", "show", "no-such-pack"]],
      [3, ["pack", "install", `${slug}@9.9.9`, target()]],
      [3, ["pack", "verify", join(author.folder, "nowhere")]],
      [4, ["pack", "yank", slug, "1.0.0"], stranger],
      [4, ["pack", "publish", source(), "--version", "1.0.1"], stranger],
      [4, ["pack", "publish", source(), "--version", "1.0.1"], { SUNDUK_URL: system.url, SUNDUK_TOKEN: "nonsense" }],
      [5, ["pack", "publish", source()]],
      [6, ["pack", "list"], away],
      [1, ["pack", "publish", author.folder]],
    ];
    for (const [code, words, env] of cases) {
      const outcome = await author.sunduk([...words, "--json"], { env: env ?? {} });
      expect([words, outcome.code]).toEqual([words, code]);
      expect(outcome.json.ok).toBe(false);
      expect(outcome.stdout.trim().split("\n")).toHaveLength(1);
      expect(outcome.stderr).toContain(outcome.json.error.detail);
    }
    const other = join(author.folder, "other");
    await ok("pack", "install", slug, other);
    expect(await readDigests(other)).toEqual(digestsOf(files));
  });
});
