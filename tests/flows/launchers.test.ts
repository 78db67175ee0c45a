import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join, posix } from "node:path";
import { parse as parseToml } from "smol-toml";
import { insertLink, revokeLink } from "../../db/link.ts";
import { hashToken } from "../../digest.ts";
import { makeSecret } from "../../keys.ts";
import {
  createTestFolder,
  publishPack,
  type System,
  sha256,
  startSystem,
  type TestUser,
  upload,
  waitFor,
  waitForJob,
} from "../harness.ts";

type Bytes = Uint8Array;
type Declared = {
  path: string;
  bytes: string;
  side?: string;
  optional?: boolean;
  preserve?: boolean;
  group?: string;
};

let system: System;
let author: TestUser;

beforeAll(async () => {
  system = await startSystem();
  author = await system.signUp("author");
});
afterAll(() => system?.stop());

/** Declares and publishes a version of a pack that is there. */
async function publish(slug: string, version: string, { files, ...more }: { files: Declared[]; [name: string]: any }) {
  const declared = [];
  for (const { bytes, side = "both", ...file } of files)
    declared.push({ ...file, side, sha256: await upload(author, bytes, file.path), size: Buffer.byteLength(bytes) });
  const body = { channel: "release", minecraft: "1.21.1", loader: { name: "fabric", version: "0.16.0" }, ...more };
  const draft = await author.call("POST", `/v1/packs/${slug}/versions`, {
    body: { version, ...body, files: declared },
  });
  if (draft.status !== 201) throw new Error(draft.text);
  const { json } = await author.call("POST", `/v1/packs/${slug}/versions/${version}/publish`);
  const job = await waitForJob(author, json.job.id);
  if (job.state !== "completed") throw new Error(JSON.stringify(job.problem));
}

async function makePack(slug: string, visibility = "public"): Promise<string> {
  const made = await author.call("POST", "/v1/packs", { body: { slug, name: `Pack "${slug}"`, visibility } });
  if (made.status !== 201) throw new Error(made.text);
  return slug;
}

/** A share link of a pack, as if its owner had made it. */
async function makeLink(slug: string, channel: "beta" | null = null) {
  const found = await system.db.query({
    name: "test_pack_id",
    text: `select p.id, p.owner_id as "ownerId" from pack.pack p where p.slug = $1`,
    values: [slug],
  });
  const [pack] = found.rows as { id: string; ownerId: string }[];
  const [token, id] = [makeSecret(), Bun.randomUUIDv7()];
  const link = {
    id,
    packId: pack?.id ?? "",
    tokenHash: hashToken(token),
    name: "",
    channel,
    expiresAt: null,
    most: 100,
  };
  await insertLink(system.db, { ...link, createdBy: pack?.ownerId ?? "" });
  const end = () => revokeLink(system.db, { id, packId: link.packId });
  return { token, end, base: `${system.url}/p/t/${token}/${slug}` };
}

/** A GET as launchers send it: redirects are followed, nothing else is known. */
async function get(url: string): Promise<Bytes> {
  const response = await fetch(url, { headers: { "user-agent": "packwiz-installer" } });
  if (!response.ok) throw new Error(`${response.status} for ${url}: ${await response.text()}`);
  return response.bytes();
}

const hash = (format: string, bytes: Uint8Array) =>
  new Bun.CryptoHasher(format as "sha256").update(bytes).digest("hex");
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const encode = (path: string) => path.split("/").map(encodeURIComponent).join("/");

type Installed = Map<string, { sha256: string; side: string; optional: boolean; preserve: boolean; key: string }>;

/**
 * Reads a pack as packwiz-installer does: every path is relative to the folder of pack.toml, as it was asked for, and a path
 * below that folder is the destination. Between pack.toml and the index, and between the index and the files, `pause` is called.
 */
async function readPackwiz(
  url: string,
  pause: (at: "index" | "files") => Promise<void> = async () => {},
): Promise<Installed> {
  const folder = url.slice(0, url.lastIndexOf("/") + 1);
  const pack: any = parseToml(text(await get(url)));
  expect(pack["pack-format"]).toBe("packwiz:1.1.0");
  await pause("index");
  const indexPath = pack.index.file;
  const index = await get(folder + encode(indexPath));
  expect(hash(pack.index["hash-format"], index)).toBe(pack.index.hash);
  const installed: Installed = new Map();
  await pause("files");
  const listed: any = parseToml(text(index));
  for (const entry of listed.files) {
    const path = posix.join(posix.dirname(indexPath), entry.file);
    const bytes = await get(folder + encode(path));
    expect([path, hash(entry["hash-format"] ?? listed["hash-format"], bytes)]).toEqual([path, entry.hash]);
    const common = { preserve: entry.preserve ?? false, key: path };
    if (!entry.metafile) {
      installed.set(path, { sha256: sha256(bytes), side: "both", optional: false, ...common });
      continue;
    }
    const meta: any = parseToml(text(bytes));
    const file = await get(meta.download.url);
    expect(hash(meta.download["hash-format"], file)).toBe(meta.download.hash);
    const destination = posix.join(posix.dirname(path), meta.filename);
    const optional = meta.option?.optional ?? false;
    installed.set(destination, { sha256: sha256(file), side: meta.side, optional, ...common });
  }
  return installed;
}

const digests = (installed: Installed) => Object.fromEntries([...installed].map(([path, file]) => [path, file.sha256]));
const wanted = (files: Declared[]) => Object.fromEntries(files.map(({ path, bytes }) => [path, sha256(bytes)]));

const files: Declared[] = [
  { path: "config/percent%20 #1.txt", bytes: "odd" },
  { path: "config/ключ [1] & co.json", bytes: "значение" },
  { path: "icon", bytes: "an icon?" },
  { path: "manifest", bytes: "not the manifest" },
  { path: "mods/a.jar", bytes: "a" },
  { path: "mods/client.jar", bytes: "client", side: "client" },
  { path: "mods/maybe.jar", bytes: "maybe", optional: true },
  { path: "mods/server.jar", bytes: "server", side: "server" },
  { path: "mods/x.pw.toml", bytes: "not a metafile" },
  { path: "options.txt", bytes: "options", preserve: true },
  { path: "pack.toml", bytes: "not the pack" },
  { path: "release/notes.txt", bytes: "notes" },
];

describe("packwiz", () => {
  beforeAll(async () => {
    await makePack("open");
    await publish("open", "1.0.0", { files });
  });

  test.each(["pack.toml", "release/pack.toml", "latest/pack.toml", "1.0.0/pack.toml"])(
    "%s leads to every file of the version with its digest, side and choice",
    async (path) => {
      const installed = await readPackwiz(`${system.url}/p/open/${path}`);
      expect(digests(installed)).toEqual(wanted(files));
      expect(installed.get("mods/client.jar")).toMatchObject({ side: "client", optional: false });
      expect(installed.get("mods/server.jar")).toMatchObject({ side: "server" });
      expect(installed.get("mods/maybe.jar")).toMatchObject({ optional: true });
      expect(installed.get("options.txt")).toMatchObject({ preserve: true, key: "options.txt" });
      expect(installed.get("mods/a.jar")?.key).toBe("mods/a.jar");
    },
  );

  test("heads say no-cache with an ETag that is answered 304, HEAD answers too, and bytes are redirects that nobody keeps", async () => {
    const head = await system.call("GET", "/p/open/pack.toml");
    expect(head.headers.get("cache-control")).toBe("public, no-cache");
    const etag = head.headers.get("etag") ?? "";
    expect((await system.call("GET", "/p/open/pack.toml", { headers: { "if-none-match": etag } })).status).toBe(304);
    const asked = await fetch(`${system.url}/p/open/pack.toml`, { method: "HEAD" });
    expect([asked.status, await asked.text()]).toEqual([200, ""]);
    for (const path of ["mods/a.jar", "1.0.0/mods/a.jar", `blobs/${sha256("a")}`]) {
      const answer = await system.call("GET", `/p/open/${path}`);
      expect([answer.status, answer.headers.get("cache-control"), answer.headers.get("referrer-policy")]).toEqual([
        307,
        "no-store",
        "no-referrer",
      ]);
      const signed = await fetch(`${system.url}/p/open/${path}`, { method: "HEAD" });
      expect([signed.status, signed.headers.get("content-length")]).toEqual([200, "1"]);
    }
  });

  test("what is not of the pack is not there", async () => {
    await makePack("other");
    await publish("other", "1.0.0", { files: [{ path: "b.jar", bytes: "of another" }] });
    const absent = [
      `blobs/${sha256("of another")}`,
      "2.0.0/pack.toml",
      "beta/pack.toml",
      "mods/none.jar",
      "1.0.0/mods/none.jar",
      "mods%5ca.jar",
      "index-9.toml",
      "9.mrpack",
      "Mods/A.jar",
    ];
    for (const path of absent)
      expect([path, (await system.call("GET", `/p/open/${path}`)).status]).toEqual([path, 404]);
    expect((await system.call("GET", "/p/open/mods/%zz")).status).toBe(400);
  });

  test("an update changes the names of what has changed only, and a publishing in the middle breaks nobody", async () => {
    await makePack("moving");
    const [v1, v2] = ["1.0.0", "2.0.0"].map((version): Declared[] => [
      { path: "config/same.txt", bytes: "same" },
      { path: "config/changed.txt", bytes: `changed in ${version}` },
      { path: `mods/mod-${version}.jar`, bytes: `jar of ${version}` },
      { path: `mods/client.jar`, bytes: `client of ${version}`, side: "client" },
      { path: "options.txt", bytes: "options", preserve: true },
    ]) as [Declared[], Declared[]];
    await publish("moving", "1.0.0", { files: v1 });
    const url = `${system.url}/p/moving/pack.toml`;
    const before = await readPackwiz(url);
    let published = false;
    const during = await readPackwiz(url, async (at) => {
      if (at !== "index" || published) return;
      published = true;
      await publish("moving", "2.0.0", { files: v2 });
      await waitFor(async () => text(await get(url)).includes("2.0.0"), "the head to move on");
    });
    expect(digests(during)).toEqual(wanted(v1));
    const after = await readPackwiz(url);
    expect(digests(after)).toEqual(wanted(v2));
    const keys = (installed: Installed) => [...installed.values()].map(({ key }) => key);
    const kept = keys(after).filter((key) => keys(before).includes(key));
    expect(kept.sort()).toEqual(["config/same.txt", "options.txt"]);
    // Another channel's history is none of this one's.
    await publish("moving", "3.0.0-b1", { channel: "beta", files: [{ path: "config/same.txt", bytes: "another" }] });
    await publish("moving", "3.0.0", { files: v2 });
    await waitFor(async () => text(await get(url)).includes("3.0.0"), "the head to move on");
    expect(keys(await readPackwiz(url)).sort()).toEqual(keys(after).sort());
    expect(digests(await readPackwiz(`${system.url}/p/moving/1.0.0/pack.toml`))).toEqual(wanted(v1));
  });

  test("groups are told with their words and what is taken when nobody says otherwise", async () => {
    await makePack("grouped");
    const groups = [
      { id: "maps", name: "Maps", description: 'Minimap "and" more', recommended: true },
      { id: "music", name: "Music" },
    ];
    const grouped = ["maps", "music"].map((group) => ({ path: `mods/${group}.jar`, bytes: group, group }));
    await publish("grouped", "1.0.0", { files: grouped, groups });
    const index: any = parseToml(text(await get(`${system.url}/p/grouped/index.toml`)));
    const options = [];
    for (const { file } of index.files)
      options.push(parseToml(text(await get(`${system.url}/p/grouped/${encode(file)}`))).option);
    expect(options).toEqual([
      { optional: true, description: 'Maps: Minimap "and" more', default: true },
      { optional: true, description: "Music", default: false },
    ]);
  });
});

describe("a private pack", () => {
  test("is not there without its link; by the link all formats read it, until the link ends, within two seconds", async () => {
    await makePack("hidden", "private");
    await publish("hidden", "1.0.0", { files });
    const asked = ["pack.toml", "index.toml", "1.0.0/pack.toml", "manifest", "latest.mrpack", "mods/a.jar"];
    for (const path of [...asked, `blobs/${sha256("a")}`])
      expect([path, (await system.call("GET", `/p/hidden/${path}`)).status]).toEqual([path, 404]);
    expect((await system.call("GET", "/hmcl/hidden/server-manifest.json")).status).toBe(404);
    expect((await system.call("GET", "/v1/packs/hidden/files.json")).status).toBe(404);
    expect((await author.call("GET", "/p/hidden/pack.toml")).headers.get("cache-control")).toBe("private, no-cache");

    const { base, token, end } = await makeLink("hidden");
    const head = await system.call("GET", `/p/t/${token}/hidden/pack.toml`);
    expect(head.headers.get("cache-control")).toBe("private, no-cache");
    expect(head.text).not.toContain(token);
    expect(digests(await readPackwiz(`${base}/pack.toml`))).toEqual(wanted(files));
    expect(digests(await readPackwiz(`${base}/1.0.0/pack.toml`))).toEqual(wanted(files));
    const manifest = JSON.parse(text(await get(`${base}/manifest`)));
    expect(manifest).toEqual((await author.call("GET", "/v1/packs/hidden/versions/1.0.0/manifest")).json);
    const list = JSON.parse(text(await get(`${base}/files.json`)));
    for (const { url, hash: digest } of list) expect(sha256(await get(url))).toBe(digest);
    expect(list.length).toBe(files.length);
    expect((await system.call("GET", `/p/t/${token}/open/pack.toml`)).status).toBe(404);
    expect((await system.call("GET", `/p/t/${makeSecret()}/hidden/pack.toml`)).status).toBe(404);

    await end();
    const endedAt = performance.now();
    for (const path of asked)
      await waitFor(async () => (await system.call("GET", `/p/t/${token}/hidden/${path}`)).status === 404, path, 2_000);
    expect(performance.now() - endedAt).toBeLessThan(2_000);
    expect((await system.call("GET", `/p/t/${token}/hidden/blobs/${sha256("a")}`)).status).toBe(404);
  });

  test("a link for a channel opens that channel only", async () => {
    await makePack("channels", "private");
    await publish("channels", "1.0.0", { files: [{ path: "a.jar", bytes: "of the release" }] });
    await publish("channels", "2.0.0-b1", { channel: "beta", files: [{ path: "a.jar", bytes: "of the beta" }] });
    const { base } = await makeLink("channels", "beta");
    expect(digests(await readPackwiz(`${base}/pack.toml`))).toEqual({ "a.jar": sha256("of the beta") });
    for (const path of ["1.0.0/pack.toml", "release/pack.toml", `blobs/${sha256("of the release")}`])
      expect([path, (await fetch(`${base}/${path}`)).status]).toEqual([path, 404]);
  });
});

describe("other formats", () => {
  test("HMCL's manifest is the client's files by SHA-1, each at its address", async () => {
    const {
      files: listed,
      fileApi,
      addons,
      version,
    } = JSON.parse(text(await get(`${system.url}/hmcl/open/server-manifest.json`)));
    expect([version, addons]).toEqual([
      "1.0.0",
      [
        { id: "game", version: "1.21.1" },
        { id: "fabric", version: "0.16.0" },
      ],
    ]);
    const own = files.filter(({ side }) => side !== "server");
    expect(listed.map(({ path }: { path: string }) => path)).toEqual(own.map(({ path }) => path));
    const other = JSON.parse(text(await get(`${system.url}/p/open/hmcl/server-manifest.json`)));
    expect([fileApi, other.fileApi]).toEqual([`${system.url}/hmcl/open`, `${system.url}/p/open/hmcl`]);
    for (const { path, hash: digest } of listed)
      expect(hash("sha1", await get(`${fileApi}/overrides/${encode(path)}`))).toBe(digest);
  });

  test("HMCL gets what its manifest says as soon as a version is published, other than who is still installing", async () => {
    await makePack("fresh");
    for (const version of ["1.0.0", "2.0.0"])
      await publish("fresh", version, { files: [{ path: "config/a.txt", bytes: `of ${version}` }] });
    const manifest = `${system.url}/hmcl/fresh/server-manifest.json`;
    const read = async () => JSON.parse(text(await get(manifest)));
    const { files: listed, fileApi } = await waitFor(async () => {
      const found = await read();
      return found.version === "2.0.0" && found;
    }, "the head to move on");
    expect(hash("sha1", await get(`${fileApi}/overrides/config/a.txt`))).toBe(listed[0].hash);
  });

  test("the flat list has SHA-256 and absolute addresses, of a channel or a version, and of one side", async () => {
    const { json, headers } = await system.call("GET", "/v1/packs/open/files.json");
    expect(headers.get("cache-control")).toBe("public, no-cache");
    expect(json.map(({ path, hash: digest }: any) => [path, digest])).toEqual(
      files.map(({ path, bytes }) => [path, sha256(bytes)]),
    );
    for (const { url, hash: digest } of json) expect(sha256(await get(url))).toBe(digest);
    const ask = async (query: string) => (await system.call("GET", `/v1/packs/open/files.json?${query}`)).json;
    expect(await ask("version=1.0.0")).toEqual(json);
    expect(await ask("channel=release")).toEqual(json);
    expect((await ask("side=client")).length).toBe(json.length - 1);
    expect((await ask("channel=beta")).status).toBe(404);
    expect((await ask("channel=beta&version=1.0.0")).status).toBe(400);
  });

  test("an mrpack without https holds its files inside, the server's none for clients alone", async () => {
    const folder = await createTestFolder();
    const read = async (name: string) => {
      const path = join(folder, name);
      await Bun.write(
        path,
        await waitFor(async () => {
          const response = await fetch(`${system.url}/p/open/${name}`);
          if (response.status === 503) expect(response.headers.get("retry-after")).toBe("2");
          return response.ok && response.bytes();
        }),
      );
      const child = Bun.spawn(["unzip", "-Z1", path], { env: { ...process.env, LC_ALL: "C.UTF-8" } });
      return (await new Response(child.stdout).text()).trim().split("\n");
    };
    const names = await read("latest.mrpack");
    expect(names).toContain("client-overrides/mods/client.jar");
    expect(names.length).toBe(files.length + 1);
    const server = await read("1.0.0-server.mrpack");
    expect(server).toEqual(names.filter((name) => !name.startsWith("client-overrides/")));
    expect(server).toContain("server-overrides/mods/server.jar");
    expect((await fetch(`${system.url}/p/open/latest.mrpack`, { method: "HEAD" })).status).toBe(200);
  });

  test("a version that was withdrawn is gone in every format", async () => {
    await publishPack(author, { slug: "gone", version: "1.0.0", files: { "a.jar": "of what is gone" } });
    await author.call("POST", "/v1/packs/gone/versions/1.0.0/withdraw", { body: { reason: "broken" } });
    const paths = [
      "1.0.0/pack.toml",
      "1.0.0/manifest",
      "1.0.0.mrpack",
      "1.0.0/a.jar",
      `blobs/${sha256("of what is gone")}`,
    ];
    for (const path of paths)
      await waitFor(async () => (await system.call("GET", `/p/gone/${path}`)).status === 410, path);
    expect((await system.call("GET", "/v1/packs/gone/files.json?version=1.0.0")).status).toBe(410);
    await waitFor(async () => (await system.call("GET", "/p/gone/pack.toml")).status === 404, "no newest version");
  });
});

describe("where the public address is https", () => {
  const secure = "https://packs.example.org";
  let url = "";
  beforeAll(async () => {
    // The last API process of the system comes back with another address.
    const index = system.apis.length - 1;
    system.apis[index]?.kill("SIGTERM");
    await system.apis[index]?.exited;
    await system.startApi(index, { PUBLIC_URL: secure });
    url = system.apiUrls[index] ?? "";
  });

  /** An mrpack that lists its files, read as Prism does: the digests of what its addresses give. */
  async function readListed(path: string): Promise<Record<string, string>> {
    const response = await fetch(`${url}${path}`);
    expect([response.status, response.headers.get("content-type")]).toEqual([
      200,
      "application/x-modrinth-modpack+zip",
    ]);
    expect(response.headers.get("content-disposition")).toContain(path.slice(path.lastIndexOf("/") + 1));
    const archive = join(await createTestFolder(), "pack.mrpack");
    await Bun.write(archive, await response.bytes());
    const child = Bun.spawn(["unzip", "-p", archive, "modrinth.index.json"]);
    const index: any = await new Response(child.stdout).json();
    const found: Record<string, string> = {};
    for (const { path: to, downloads, hashes, fileSize } of index.files) {
      expect(downloads[0].startsWith(`${secure}/`)).toBe(true);
      const redirect = await fetch(downloads[0].replace(secure, url), { redirect: "manual" });
      // On embedded parts the bytes are beneath the public address too, where nobody is.
      const bytes = await get(redirect.headers.get("location")?.replace(secure, url) ?? "");
      expect([hash("sha512", bytes), hash("sha1", bytes), bytes.length]).toEqual([
        hashes.sha512,
        hashes.sha1,
        fileSize,
      ]);
      found[to] = sha256(bytes);
    }
    return found;
  }

  test("an mrpack lists its files: a few kilobytes, the same bytes each time, with an ETag", async () => {
    expect(await readListed("/p/open/latest.mrpack")).toEqual(wanted(files));
    const server = await readListed("/p/open/1.0.0-server.mrpack");
    expect(server).toEqual(wanted(files.filter(({ side }) => side !== "client")));
    const first = await fetch(`${url}/p/open/latest.mrpack`);
    const etag = first.headers.get("etag") ?? "";
    expect((await fetch(`${url}/p/open/latest.mrpack`, { headers: { "if-none-match": etag } })).status).toBe(304);
  });

  test("a private pack's lists them beneath its link, and holds them inside for who may see it without one", async () => {
    const { token } = await makeLink("hidden");
    const listed = await readListed(`/p/t/${token}/hidden/latest.mrpack`);
    expect(listed).toEqual(wanted(files));
    const headers = { authorization: `Bearer ${author.token}` };
    const own = await waitFor(async () => {
      const answer = await fetch(`${url}/p/hidden/latest.mrpack`, { headers, redirect: "manual" });
      return answer.status !== 503 && answer;
    });
    expect(own.status).toBe(307);
  });
});
