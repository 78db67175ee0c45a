import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DistributionAPI, type HeliosDistribution } from "helios-core/common";
import { DistributionIndexProcessor, downloadQueue } from "helios-core/dl";
import { createTestFolder, publishPack, type System, sha256, startSystem, type TestUser, waitFor } from "../harness.ts";
import { readDigests } from "./sunduk.ts";

let system: System;
let author: TestUser;
const loader = {
  "libraries/net/fabricmc/fabric-loader/0.16.0/fabric-loader-0.16.0.jar": "the loader",
  "libraries/org/ow2/asm/asm/9.6/asm-9.6.jar": "a library",
  "versions/fabric-loader-0.16.0-1.21.1/fabric-loader-0.16.0-1.21.1.json": `{"id":"fabric-loader-0.16.0-1.21.1"}`,
};
const files = { ...loader, "config/deep/a.json": "{}", "mods/sodium-0.5.jar": "sodium", "mods/lithium.jar": "lithium" };

beforeAll(async () => {
  system = await startSystem({ apis: 1 });
  author = await system.signUp("author");
  await publishPack(author, { slug: "open", version: "1.0.0", files });
  await publishPack(author, { slug: "bare", version: "1.0.0", files: { "mods/a.jar": "a" } });
  await publishPack(author, { slug: "hidden", version: "1.0.0", files, visibility: "private" });
});
afterAll(() => system?.stop());

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
  expect(refused.json.detail).toContain("there is no jar of fabric 0.16.0 below libraries/");
  expect((await system.call("GET", "/helios/none/distribution.json")).status).toBe(404);
});

test("a distribution is told again only when it has changed", async () => {
  const first = await system.call("GET", "/helios/open/distribution.json");
  expect(first.headers.get("cache-control")).toBe("public, no-cache");
  const headers = { "if-none-match": first.headers.get("etag") ?? "" };
  expect((await system.call("GET", "/helios/open/distribution.json", { headers })).status).toBe(304);
});
