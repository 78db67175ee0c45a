import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  createTestFolder,
  openCall,
  publishPack,
  type System,
  sha256,
  startSystem,
  type TestUser,
  waitFor,
} from "../harness.ts";
import { readDigests } from "./sunduk.ts";

let system: System;
let author: TestUser;
let folder = "";
let installs = 0;
const files = {
  "bin/version.json": `{"id":"fabric"}`,
  "config/a.json": "{}",
  "mods/Sodium-0.5.jar": "sodium",
  "mods/lithium-1.2.jar": "lithium",
};
const client = "0190a0a0-1111-4222-8333-444455556666";

beforeAll(async () => {
  system = await startSystem({ apis: 1 });
  author = await system.signUp("author");
  folder = await createTestFolder();
  await publishPack(author, { slug: "open", version: "1.0.0", files });
  await publishPack(author, { slug: "hidden", version: "1.0.0", files, visibility: "private" });
});
afterAll(() => system?.stop());

type Mod = { name: string; version: string; md5: string; filesize: number; url: string };
type Build = { minecraft: string; mods: Mod[] };

/** As a launcher asks: no header of ours, and no redirect is followed but to files. */
async function get(address: string): Promise<{ status: number; json: any; headers: Headers }> {
  const response = await fetch(address.startsWith("http") ? address : `${system.url}${address}`, {
    redirect: "manual",
  });
  return { status: response.status, headers: response.headers, json: await response.json().catch(() => undefined) };
}

/** Installs a build as launchers do: each zip is fetched, its MD5 compared, and extracted at the root. */
async function install({ mods }: Build): Promise<Record<string, string>> {
  const root = join(folder, String(++installs));
  await mkdir(root);
  for (const { name, md5, filesize, url } of mods) {
    const answer = await fetch(url);
    expect([name, answer.status]).toEqual([name, 200]);
    const bytes = await answer.bytes();
    expect([new Bun.CryptoHasher("md5").update(bytes).digest("hex"), bytes.length]).toEqual([md5, filesize]);
    await Bun.write(`${root}.zip`, bytes);
    expect(await Bun.spawn(["unzip", "-qo", `${root}.zip`, "-d", root]).exited).toBe(0);
  }
  return readDigests(root);
}

async function manifestOf(slug: string, version: string): Promise<Record<string, string>> {
  const { json } = await author.call("GET", `/v1/packs/${slug}/versions/${version}/manifest`);
  return Object.fromEntries(json.files.map((file: any) => [file.path, file.digests.sha256]));
}

describe("a public pack", () => {
  test("is found, read and installed as Technic's launcher does, with slashes before its queries", async () => {
    const asked = `?cid=${client}&u=Somebody`;
    const root = await get("/solder/api/");
    expect([root.status, root.json.api]).toEqual([200, "TechnicSolder"]);
    const list = await get(`/solder/api/modpack/?include=full&cid=${client}&u=Somebody`);
    expect([list.status, typeof list.json.mirror_url]).toEqual([200, "string"]);
    expect(list.json.modpacks.open).toMatchObject({ name: "open", recommended: "1.0.0", latest: "1.0.0" });
    expect(Object.keys((await get("/solder/api/modpack/")).json.modpacks)).toEqual(["open"]);
    const pack = await get(`/solder/api/modpack/open/${asked}`);
    expect([pack.status, pack.json.builds, pack.json.url]).toEqual([200, ["1.0.0"], `${system.url}/p/open`]);
    const build = await get(`/solder/api/modpack/open/1.0.0/${asked}`);
    expect([build.status, build.json.minecraft, build.json.memory]).toEqual([200, "1.21.1", 0]);
    expect(build.json.mods.map(({ name }: Mod) => name)).toEqual(["fabric", "lithium", "open-config", "sodium"]);
    expect(await install(build.json)).toEqual(await manifestOf("open", "1.0.0"));
  });

  test("is read as Prism does, which needs texts, and zips that also lie where the mirror says", async () => {
    const { json: pack } = await get("/solder/api/modpack/open");
    for (const member of ["recommended", "latest"]) expect(typeof pack[member]).toBe("string");
    const { json: build, headers } = await get("/solder/api/modpack/open/1.0.0");
    expect(headers.get("cache-control")).toBe("public, no-cache");
    const head = await fetch(build.mods[0].url, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, String(build.mods[0].filesize)]);
    const { mirror_url } = (await get("/solder/api/modpack")).json;
    for (const { name, version, url } of build.mods)
      expect(url).toBe(`${mirror_url}mods/${name}/${name}-${version}.zip`);
    const { mods } = (await get("/solder/api/modpack/open/1.0.0?include=mods")).json;
    expect(mods[3]).toMatchObject({ pretty_name: "Sodium", author: "", description: "", link: "" });
  });

  test("was asked for once, so its next version is packed when it is published, and keeps the zips that it shares", async () => {
    const before = (await get("/solder/api/modpack/open/1.0.0")).json.mods;
    await publishPack(author, {
      slug: "open",
      version: "1.1.0",
      channel: "beta",
      files: { ...files, "mods/new.jar": "n" },
    });
    const packed = () =>
      system.db.query({
        name: "test_packed",
        text: "select m.name from pack.solder_mod m join pack.version v on v.id = m.version_id where v.version = '1.1.0'",
        values: [],
      });
    await waitFor(async () => (await packed()).rows.length === 5, "the zips of 1.1.0");
    const after: Mod[] = (await get("/solder/api/modpack/open/1.1.0")).json.mods;
    const sodium = (mods: Mod[]) => mods.find(({ name }) => name === "sodium");
    expect(sodium(after)).toEqual(sodium(before) as never);
    const shown = await waitFor(async () => {
      const { json } = await get("/solder/api/modpack/open");
      return json.builds.length === 2 && json;
    }, "the new build to be seen");
    expect([shown.recommended, shown.latest, shown.builds]).toEqual(["1.0.0", "1.1.0", ["1.0.0", "1.1.0"]]);
  });

  test("gets the same zips when they are made again", async () => {
    const before = (await get("/solder/api/modpack/open/1.1.0")).json;
    const statement = { name: "test_forget", text: "delete from pack.solder_mod", values: [] };
    expect((await system.db.query(statement)).rowCount).toBe(9);
    // As somebody who is answered from no memory.
    expect((await author.call("GET", "/solder/api/modpack/open/1.1.0")).json).toEqual(before);
    expect((await author.call("GET", "/solder/api/modpack/open/1.0.0")).status).toBe(200);
  });

  test("has mods that can be looked up by name and version", async () => {
    const { json } = await waitFor(async () => {
      const answer = await get("/solder/api/mod");
      return answer.json.mods.new && answer;
    }, "the mods of both versions");
    expect(json.mods).toMatchObject({ sodium: "Sodium", "open-config": "Open Config" });
    const mod = await get("/solder/api/mod/sodium/");
    expect(mod.json).toMatchObject({ name: "sodium", pretty_name: "Sodium" });
    expect(mod.json.versions).toHaveLength(1);
    const version = await get(`/solder/api/mod/sodium/${mod.json.versions[0]}`);
    const { mods } = (await get("/solder/api/modpack/open/1.0.0")).json;
    const { md5, filesize, url } = mods.find(({ name }: Mod) => name === "sodium");
    expect(version.json).toMatchObject({ md5, filesize, url });
    expect(await get("/solder/api/mod/none")).toMatchObject({ status: 404, json: { error: "Mod does not exist" } });
    const missing = { status: 404, json: { error: "Mod version does not exist" } };
    expect(await get("/solder/api/mod/sodium/0")).toMatchObject(missing);
    expect(await get("/solder/mods/sodium/sodium-0.zip")).toMatchObject(missing);
    expect(await get("/solder/mods/sodium/lithium-0.zip")).toMatchObject(missing);
  });

  test("says in Solder's words what is not there", async () => {
    const asked: [string, string][] = [
      ["modpack/none", "Modpack does not exist"],
      ["modpack/none/1", "Modpack does not exist"],
      ["modpack/%01", "Modpack does not exist"],
      ["modpack/open/9", "Build does not exist"],
      ["modpack/open/%01", "Build does not exist"],
      ["mod/%01", "Mod does not exist"],
      ["mod/sodium/%01", "Mod does not exist"],
    ];
    for (const [path, error] of asked)
      expect(await get(`/solder/api/${path}`)).toMatchObject({ status: 404, json: { error } });
    expect((await get("/solder/mods/a/a-%01.zip")).status).toBe(404);
  });

  test("shows no yanked version, but keeps it; a withdrawn one is gone with the zips that only it has", async () => {
    const mods: Mod[] = (await get("/solder/api/modpack/open/1.1.0")).json.mods;
    const own = mods.find(({ name }) => name === "new")?.url ?? "";
    const shared = mods.find(({ name }) => name === "sodium")?.url ?? "";
    await author.call("POST", "/v1/packs/open/versions/1.1.0/yank");
    await waitFor(async () => (await get("/solder/api/modpack/open")).json.latest === "1.0.0", "the yank to be seen");
    expect((await get("/solder/api/modpack/open/1.1.0")).status).toBe(200);
    await author.call("POST", "/v1/packs/open/versions/1.1.0/withdraw", { body: { reason: "test" } });
    await waitFor(
      async () => (await get("/solder/api/modpack/open/1.1.0")).status === 404,
      "the withdrawal to be seen",
    );
    expect([(await get(own)).status, (await get(shared)).status]).toEqual([404, 307]);
  });
});

test("a version with files that are kept elsewhere says how to publish it instead", async () => {
  const digests = { sha256: "0".repeat(64), md5: "0".repeat(32) };
  const away = { path: "mods/away.jar", url: "https://cdn.example/away.jar", size: 1, digests, side: "both" };
  await author.call("POST", "/v1/packs", { body: { slug: "away", name: "Away", visibility: "public" } });
  const body = { version: "1.0.0", channel: "release", minecraft: "1.21.1", loader: null, files: [away] };
  expect((await author.call("POST", "/v1/packs/away/versions", { body })).status).toBe(201);
  await author.call("POST", "/v1/packs/away/versions/1.0.0/publish");
  const refused = await waitFor(async () => {
    const answer = await get("/solder/api/modpack/away/1.0.0");
    return answer.status !== 404 && answer;
  }, "the version");
  expect([refused.status, refused.json.error]).toEqual([409, expect.stringContaining("--mirror: mods/away.jar")]);
});

describe("a private pack", () => {
  const hidden = "/solder/api/modpack/hidden";
  const build = `${hidden}/1.0.0`;
  const nobody = { status: 404, json: { error: "Modpack does not exist" } };

  test("is not there for anybody else", async () => {
    const other = await system.signUp("other");
    for (const path of [hidden, build, `${build}?cid=${client}`, `${build}?k=${"A".repeat(43)}`, `${build}?cid=&k=`])
      expect(await get(path)).toMatchObject(nobody);
    expect((await other.call("GET", build)).status).toBe(404);
    expect((await get("/solder/api/modpack")).json.modpacks.hidden).toBeUndefined();
  });

  test("is installed by a client that was let in, without anything but its addresses", async () => {
    const at = `/v1/packs/hidden/clients/${client}`;
    expect((await author.call("PUT", at, { body: { name: "Anna's laptop" } })).status).toBe(200);
    expect((await author.call("GET", "/v1/packs/hidden/clients")).json.items).toMatchObject([
      { uuid: client, name: "Anna's laptop" },
    ]);
    const listed = (await get(`/solder/api/modpack/?cid=${client}&u=Anna`)).json.modpacks;
    expect(Object.keys(listed)).toEqual(expect.arrayContaining(["hidden", "open"]));
    const { json, headers } = await get(`${build}/?cid=${client.toUpperCase()}&u=Anna`);
    expect(headers.get("cache-control")).toBe("private, no-cache");
    expect(await install(json)).toEqual(await manifestOf("hidden", "1.0.0"));
    const [{ url, name }] = json.mods;
    expect((await get(url.replace(/\/t\/[^/]+/, ""))).status).toBe(name === "hidden-config" ? 404 : 307); // open has the same
    const config = json.mods.find((mod: Mod) => mod.name === "hidden-config").url;
    for (const wrong of [
      config.replace(/\/t\/[^/]+/, ""),
      config.replace(/\.(\d{6})\./, (_: string, hour: string) => `.${Number(hour) + 1}.`),
    ])
      expect([wrong, (await get(wrong)).status]).toEqual([wrong, 404]);
    expect((await author.call("DELETE", at)).status).toBe(204);
    expect(await get(`${build}?cid=${client}`)).toMatchObject(nobody);
  });

  test("is seen with a key of somebody who sees it, until he ends the key", async () => {
    const made = await author.call("POST", "/v1/me/solder-keys", { body: { name: "Platform" } });
    const { key, id } = made.json;
    expect([made.status, (await author.call("GET", "/v1/me/solder-keys")).text.includes(key)]).toEqual([201, false]);
    expect((await get(`/solder/api/modpack?k=${key}`)).json.modpacks.hidden).toBe("hidden");
    expect(await install((await get(`${build}?k=${key}`)).json)).toEqual(await manifestOf("hidden", "1.0.0"));
    expect((await get(`/solder/api/verify/${key}`)).json).toEqual({ valid: "Key validated.", name: "Platform" });
    expect((await author.call("DELETE", `/v1/me/solder-keys/${id}`)).status).toBe(204);
    expect(await get(`${build}?k=${key}`)).toMatchObject(nobody);
    expect(await get(`/solder/api/verify/${key}`)).toMatchObject({
      status: 403,
      json: { error: "Invalid key provided." },
    });
  });

  test("packs of a deleted account are gone at once, and its keys for good, also when it is brought back", async () => {
    const user = await system.signUp("leaver");
    const password = "a long test password";
    const { key } = (await user.call("POST", "/v1/me/solder-keys", { body: { name: "Mine" } })).json;
    expect((await get(`/solder/api/verify/${key}`)).json.name).toBe("Mine");
    await publishPack(user, { slug: "his", version: "1.0.0", files: { "mods/his.jar": "his" }, visibility: "private" });
    const zip: string = (await get(`/solder/api/modpack/his/1.0.0?k=${key}`)).json.mods[0].url;
    expect((await get(zip)).status).toBe(307);
    expect((await user.call("DELETE", "/v1/me", { body: { password } })).status).toBe(200);
    expect((await get(zip)).status).toBe(404);
    const back = await system.call("POST", "/v1/auth/undelete", { body: { login: "leaver", password } });
    const again = openCall(system.url, back.json.accessToken);
    expect((await again("GET", "/v1/me/solder-keys")).json).toEqual({ items: [] });
    expect((await get(`/solder/api/verify/${key}`)).status).toBe(403);
    const { items } = (await again("GET", "/v1/me/activity")).json;
    expect(items).toContainEqual(expect.objectContaining({ kind: "solder-key-created", subject: "Mine" }));
  });

  test("a key never makes an admin, and a limited token makes no keys", async () => {
    const admin = await system.signUp("admin", ["admin"]);
    const { key } = (await admin.call("POST", "/v1/me/solder-keys", { body: { name: "x" } })).json;
    expect((await admin.call("GET", hidden)).status).toBe(200);
    expect(await get(`${hidden}?k=${key}`)).toMatchObject(nobody);
    const scopes = ["packs:read", "account:write"];
    const { token } = (await author.call("POST", "/v1/me/tokens", { body: { name: "ci", scopes, expiresInDays: 1 } }))
      .json;
    const limited = openCall(system.url, token);
    expect((await limited("GET", build)).status).toBe(200);
    expect((await limited("POST", "/v1/me/solder-keys", { body: { name: "x" } })).status).toBe(403);
  });

  test("is installed from beneath a share link, which shows no other, and ends every address when it is revoked", async () => {
    const link = (await author.call("POST", "/v1/packs/hidden/links", { body: {} })).json;
    const base = `${link.url}/solder/api`;
    expect((await get(`${base}/`)).json.api).toBe("TechnicSolder");
    expect((await get(`${base}/modpack/?cid=${client}`)).json).toEqual({
      modpacks: { hidden: "hidden" },
      mirror_url: `${link.url}/solder/`,
    });
    const { headers } = await author.call("GET", "/v1/packs/hidden");
    const change = { body: { icon: sha256("sodium") }, headers: { "if-match": headers.get("etag") ?? "" } };
    expect((await author.call("PATCH", "/v1/packs/hidden", change)).status).toBe(200);
    const { json: shown } = await get(`${base}/modpack/hidden/`);
    expect(shown).toMatchObject({ recommended: "1.0.0", url: link.url, logo: null });
    const icon = await (await fetch(shown.icon)).bytes();
    expect(new Bun.CryptoHasher("md5").update(icon).digest("hex")).toBe(shown.icon_md5);
    expect(await get(`${base}/modpack/open`)).toMatchObject(nobody);
    const { json } = await get(`${base}/modpack/hidden/1.0.0`);
    expect(await install(json)).toEqual(await manifestOf("hidden", "1.0.0"));
    expect(Object.keys((await get(`${base}/mod`)).json.mods)).toContain("hidden-config");
    expect((await get("/solder/api/mod/hidden-config")).status).toBe(404);
    expect((await author.call("DELETE", `/v1/packs/hidden/links/${link.id}`)).status).toBe(204);
    await waitFor(async () => (await get(json.mods[0].url)).status === 404, "the link to end");
    expect((await get(`${base}/modpack/hidden/1.0.0`)).status).toBe(404);
  });

  test("shows by a link for one channel no version of another, nor its zips", async () => {
    const version = { version: "1.1.0", channel: "beta", files: { ...files, "mods/secret.jar": "beta" } };
    await publishPack(author, { slug: "hidden", visibility: "private", ...version });
    const links = "/v1/packs/hidden/links";
    const all = (await author.call("POST", links, { body: {} })).json.url;
    const some = (await author.call("POST", links, { body: { channel: "release" } })).json.url;
    const mods: Mod[] = (await get(`${all}/solder/api/modpack/hidden/1.1.0`)).json.mods;
    const secret = mods.find(({ name }) => name === "secret")?.url ?? "";
    expect([(await get(secret)).status, (await get(secret.replace(all, some))).status]).toEqual([307, 404]);
    expect((await get(`${some}/solder/api/modpack/hidden`)).json).toMatchObject({ latest: "1.0.0", builds: ["1.0.0"] });
    expect((await get(`${some}/solder/api/modpack/hidden/1.1.0`)).json).toEqual({ error: "Build does not exist" });
    expect((await get(`${some}/solder/api/mod`)).json.mods.secret).toBeUndefined();
    const beta = (await author.call("POST", links, { body: { channel: "beta" } })).json.url;
    expect((await get(`${beta}/solder/api/modpack/hidden`)).json.recommended).toBe("1.1.0");
  });

  test("keys are guessed at ten times a minute at most", async () => {
    const answers: number[] = [];
    for (let tries = 0; tries < 11; tries++) answers.push((await get(`/solder/api/verify/guess-${tries}`)).status);
    expect(answers.at(0)).toBe(403);
    expect(answers.at(-1)).toBe(429);
  });
});
