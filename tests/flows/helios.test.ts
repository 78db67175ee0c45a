import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DistributionAPI, type HeliosDistribution } from "helios-core/common";
import { DistributionIndexProcessor, downloadQueue } from "helios-core/dl";
import { createTestFolder, publishPack, type System, sha256, startSystem, type TestUser, waitFor } from "../harness.ts";
import { makeProfile } from "../loader-profiles.ts";
import { readDigests } from "./sunduk.ts";

let system: System;
let author: TestUser;
/** Stands in for those who tell about loaders, and for their repository; away at first. */
let outside: Bun.Server<undefined>;
let isAway = true;
const loader = {
  "libraries/net/fabricmc/fabric-loader/0.16.0/fabric-loader-0.16.0.jar": "the loader",
  "libraries/org/ow2/asm/asm/9.6/asm-9.6.jar": "a library",
  "versions/fabric-loader-0.16.0-1.21.1/fabric-loader-0.16.0-1.21.1.json": `{"id":"fabric-loader-0.16.0-1.21.1"}`,
};
const files = { ...loader, "config/deep/a.json": "{}", "mods/sodium-0.5.jar": "sodium", "mods/lithium.jar": "lithium" };

beforeAll(async () => {
  outside = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) => {
      const { origin, pathname } = new URL(url);
      if (pathname.endsWith(".jar")) return new Response(pathname.slice(pathname.lastIndexOf("/") + 1));
      const [, minecraft = "", version = ""] =
        /^\/v2\/versions\/loader\/([^/]+)\/([^/]+)\/profile\/json$/.exec(pathname) ?? [];
      if (version === "8.8.8") return new Promise<Response>(() => undefined); // never
      if (isAway) return new Response(null, { status: 503 });
      if (version === "9.9.9") return new Response("no such loader", { status: 400 });
      return Response.json(makeProfile({ name: "fabric", version, minecraft }, `${origin}/maven/`));
    },
  });
  const { host, origin } = outside.url;
  system = await startSystem({ apis: 1, environment: { FABRIC_META_URL: origin, OUTBOUND_ALLOW: host } });
  author = await system.signUp("author");
  await publishPack(author, { slug: "open", version: "1.0.0", files });
  await publishPack(author, { slug: "bare", version: "1.0.0", files: { "mods/a.jar": "a" }, loader: null });
  await publishPack(author, { slug: "hidden", version: "1.0.0", files, visibility: "private" });
});
afterAll(async () => {
  await outside?.stop(true); // first: a pod that stops lets its jobs end
  await system?.stop();
});

type Launcher = { root: string; distribution: HeliosDistribution };

/** The launcher's own core, which reads a distribution from an address; in a folder that is there, as if started again. */
async function openLauncher(address: string, folder?: string): Promise<Launcher> {
  const root = folder ?? (await createTestFolder());
  await mkdir(join(root, "launcher"), { recursive: true });
  const api = new DistributionAPI(
    join(root, "launcher"),
    join(root, "common"),
    join(root, "instances"),
    address,
    false,
  );
  return { root, distribution: await api.getDistribution() };
}

/** Installs a server as the launcher does, and answers with how many files it downloaded. */
async function install({ root, distribution }: Launcher, id: string): Promise<number> {
  const processor = new DistributionIndexProcessor(join(root, "common"), distribution, id);
  const look = async () => Object.values(await processor.validate(async () => {})).flat();
  const assets = await look();
  await downloadQueue(assets, () => {});
  expect(await look()).toEqual([]);
  expect((await processor.loadModLoaderVersionJson()).id).toBe("fabric-loader-0.16.0-1.21.1");
  return assets.length;
}

/** Where the launcher keeps what: libraries and versions for all servers, other files in the instance. */
function expectFiles(id: string, found: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    const place = path.startsWith("mods/") ? undefined : path in loader ? `common/${path}` : `instances/${id}/${path}`;
    if (place !== undefined) expect([path, found[place]]).toEqual([path, sha256(text)]);
  }
  const mods = Object.entries(found).filter(([path]) => path.startsWith(`common/mods/fabric/sunduk/${id}/`));
  expect(mods.map(([, digest]) => digest).sort()).toEqual([sha256("lithium"), sha256("sodium")].sort());
}

test("the launcher's core installs a public pack out of the list of all, and then needs nothing more", async () => {
  const launcher = await openLauncher(`${system.url}/helios/distribution.json`);
  expect(launcher.distribution.servers.map(({ rawServer }) => rawServer.id)).toEqual(["open"]);
  expect(launcher.distribution.getMainServer()?.rawServer.id).toBe("open");
  expect(await install(launcher, "open")).toBe(6);
  expectFiles("open", await readDigests(launcher.root));
  expect(await install(launcher, "open")).toBe(0);
});

test("an update is what has changed", async () => {
  const address = `${system.url}/helios/open/distribution.json`;
  const launcher = await openLauncher(address);
  await install(launcher, "open");
  await publishPack(author, { slug: "open", version: "1.1.0", files: { ...files, "mods/lithium.jar": "lithium 2" } });
  const updated = await waitFor(async () => {
    const again = await openLauncher(address, launcher.root);
    return again.distribution.getServerById("open")?.rawServer.version === "1.1.0" && again;
  }, "the new version");
  expect(await install(updated, "open")).toBe(1);
  const inList = () => system.call("GET", "/helios/distribution.json");
  await waitFor(async () => (await inList()).json.servers[0].version === "1.1.0", "the list of all to have it too");
});

test("a private pack is installed from beneath a share link, and is in no other distribution", async () => {
  const { json: link } = await author.call("POST", "/v1/packs/hidden/links", { body: {} });
  const launcher = await openLauncher(`${link.url}/helios/distribution.json`);
  expect(await install(launcher, "hidden")).toBe(6);
  expectFiles("hidden", await readDigests(launcher.root));
  expect((await system.call("GET", "/helios/hidden/distribution.json")).status).toBe(404);
  expect((await system.call("GET", "/helios/distribution.json")).text).not.toContain("hidden");
  expect((await author.call("DELETE", `/v1/packs/hidden/links/${link.id}`)).status).toBe(204);
  const path = `${new URL(link.url).pathname}/helios/distribution.json`;
  await waitFor(async () => (await system.call("GET", path)).status === 404, "the link to end");
});

test("a pack that the launcher could not install says why at its own address", async () => {
  const refused = await system.call("GET", "/helios/bare/distribution.json");
  expect([refused.status, refused.json.code]).toEqual([409, "conflict"]);
  expect(refused.json.detail).toContain("it knows the loaders fabric, quilt and forge, not none");
  expect((await system.call("GET", "/helios/none/distribution.json")).status).toBe(404);
});

test("a distribution is told again only when it has changed", async () => {
  const first = await system.call("GET", "/helios/open/distribution.json");
  expect(first.headers.get("cache-control")).toBe("public, no-cache");
  const headers = { "if-none-match": first.headers.get("etag") ?? "" };
  expect((await system.call("GET", "/helios/open/distribution.json", { headers })).status).toBe(304);
});

const plain = { "config/a.json": "{}", "mods/sodium-0.5.jar": "sodium" };
const findServer = (id: string) => system.call("GET", `/helios/${id}/distribution.json`);
/** As if the time had come to ask for loaders again. */
const hurryLoaders = () =>
  system.db.query({
    name: "test_hurry_loaders",
    text: "update pack.loader set next_at = now() where state <> 'known'",
    values: [],
  });

/** The loader's sub-modules in the list of all. */
const findListed = async (id: string) => {
  const { servers } = (await system.call("GET", "/helios/distribution.json")).json;
  return servers.find((server: { id: string }) => server.id === id)?.modules[0].subModules.length;
};

test("an ordinary Fabric pack is listed at once, and complete as soon as the loader's makers have told", async () => {
  await publishPack(author, { slug: "plain", version: "1.0.0", files: plain });
  const first = await findServer("plain");
  const [loaderModule] = first.json.servers[0].modules;
  expect([loaderModule.id, loaderModule.subModules.length]).toEqual(["net.fabricmc:fabric-loader:0.16.0", 1]);
  expect((await openLauncher(`${system.url}/helios/plain/distribution.json`)).distribution.servers).toHaveLength(1);
  await waitFor(async () => (await findListed("plain")) === 1, "the list of all to have it");
  isAway = false;
  const address = `${system.url}/helios/plain/distribution.json`;
  const launcher = await waitFor(async () => {
    await hurryLoaders();
    const opened = await openLauncher(address);
    return (opened.distribution.servers[0]?.modules[0]?.subModules.length ?? 0) > 1 && opened;
  }, "the profile");
  expect((await findServer("plain")).headers.get("etag")).not.toBe(first.headers.get("etag"));
  expect(await install(launcher, "plain")).toBe(7);
  const found = await readDigests(launcher.root);
  const jar = "fabric-loader-0.16.0.jar";
  expect(found[`common/libraries/net/fabricmc/fabric-loader/0.16.0/${jar}`]).toBe(sha256(jar));
  expect(found["common/libraries/org/ow2/asm/asm/9.6/asm-9.6.jar"]).toBe(sha256("asm-9.6.jar"));
  expect(await install(launcher, "plain")).toBe(0);
  const [again, once] = [await findServer("plain"), await findServer("plain")];
  expect(again.text).toBe(once.text);
  await waitFor(async () => (await findListed("plain")) === 4, "the list of all to have it too");
});

test("publishing asks the makers, before anybody asks for a distribution", async () => {
  const loader = { name: "fabric-loader", version: "0.17.0" };
  await publishPack(author, { slug: "early", version: "1.0.0", files: plain, visibility: "private", loader });
  const path = "/helios/loaders/fabric/1.21.1/0.17.0.json";
  await waitFor(async () => (await system.call("GET", path)).status === 200, "the profile");
});

test("a profile is given as it came, and none that is not here", async () => {
  const { json } = await findServer("plain");
  const { artifact } = json.servers[0].modules[0].subModules[0];
  const profile = await fetch(artifact.url);
  const bytes = await profile.bytes();
  expect([profile.status, bytes.byteLength]).toEqual([200, artifact.size]);
  expect(new Bun.CryptoHasher("md5").update(bytes).digest("hex")).toBe(artifact.MD5);
  for (const path of [
    "fabric/1.21.1/0.1.json",
    "forge/1.21.1/0.16.0.json",
    "fabric/1.21.1/%2e%2e%2f.json",
    "fabric/1.21.1/0.16.0",
  ])
    expect([path, (await system.call("GET", `/helios/loaders/${path}`)).status]).toEqual([path, 404]);
});

test("a pack of a loader that there is not is left out, and says so at its own address", async () => {
  await publishPack(author, {
    slug: "odd",
    version: "1.0.0",
    files: plain,
    loader: { name: "fabric", version: "9.9.9" },
  });
  const refused = await waitFor(async () => {
    const answer = await findServer("odd");
    return answer.status === 409 && answer.json.detail;
  }, "the makers to have answered");
  expect(refused).toContain("fabric 9.9.9 for Minecraft 1.21.1 is unknown to its makers");
  const listsIt = async () => (await system.call("GET", "/helios/distribution.json")).text.includes('"odd"');
  await waitFor(async () => !(await listsIt()), "the list of all to leave it out");
});

test("nobody waits for makers who do not answer", async () => {
  await publishPack(author, {
    slug: "slow",
    version: "1.0.0",
    files: plain,
    loader: { name: "fabric", version: "8.8.8" },
  });
  const startedAt = performance.now();
  const { json } = await findServer("slow");
  expect(performance.now() - startedAt).toBeLessThan(3_000);
  expect(json.servers[0].modules[0].subModules).toHaveLength(1);
});
