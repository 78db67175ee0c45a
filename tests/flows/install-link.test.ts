import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { publishPack, type System, sha256, startSystem, type TestUser, waitFor } from "../harness.ts";
import { type Outcome, type Person, readDigests, seat } from "./sunduk.ts";

let system: System;
let author: TestUser;
let player: Person;
const first = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`config/${at}.txt`, `small file ${at}`]));
const second = { ...first, "config/3.txt": "changed", "mods/new.jar": "n".repeat(100_000) };
const third = { "config/0.txt": "of a beta" };
const digestsOf = (files: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(files)
      .map(([path, bytes]) => [path, sha256(bytes)] as const)
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  );
const publish = (slug: string, version: string, files: Record<string, string>, channel = "release") =>
  publishPack(author, { slug, version, files, channel, visibility: slug === "open" ? "public" : "private" });

beforeAll(async () => {
  system = await startSystem({ apis: 1 });
  author = await system.signUp();
  await publish("closed", "1.0.0", first);
  await publish("open", "1.0.0", first);
});
afterAll(() => system?.stop());
beforeEach(async () => {
  player = await seat();
});
afterEach(() => player.close());

const target = () => join(player.folder, "target");
const statePath = () => join(target(), ".sunduk", "installed.json");

async function makeLink(body: object = {}) {
  const { status, json } = await author.call("POST", "/v1/packs/closed/links", { body });
  expect(status).toBe(201);
  const seen: string[] = [];
  /** Runs a command; nothing that it says may hold the link's secret. */
  const sunduk = async (...words: string[]): Promise<Outcome> => {
    const outcome = await player.sunduk(words);
    seen.push(outcome.stdout, outcome.stderr);
    expect(seen.join("\n")).not.toContain(json.token);
    return outcome;
  };
  const install = async (address: string, ...words: string[]) => {
    const { code, stdout, stderr } = await sunduk("pack", "install", address, target(), "--json", ...words);
    return { code, stderr, json: JSON.parse(stdout) };
  };
  const revoke = () => author.call("DELETE", `/v1/packs/closed/links/${json.id}`);
  return { url: String(json.url), token: String(json.token), sunduk, install, revoke };
}

test("a private pack is installed, updated and repaired by its link, without an account and without telling the link", async () => {
  const { url, token, sunduk, install, revoke } = await makeLink();
  const installed = await install(url);
  expect([installed.code, installed.stderr.includes("Error")]).toEqual([0, false]);
  expect(installed.json).toMatchObject({ ok: true, pack: "closed", version: "1.0.0", fetched: 12 });
  expect(await readDigests(target())).toEqual(digestsOf(first));
  expect((await stat(statePath())).mode & 0o777).toBe(0o600);
  const state = await Bun.file(statePath()).text();
  expect(state).toContain(token);

  await publish("closed", "1.1.0", second);
  expect((await install(url)).json).toMatchObject({ version: "1.1.0", fetched: 2, unchanged: 11 });
  expect(await readDigests(target())).toEqual(digestsOf(second));
  expect((await install(url)).json).toMatchObject({ upToDate: true, fetched: 0 });
  expect((await install(url, "--version", "1.0.0")).json).toMatchObject({ version: "1.0.0" });

  await Bun.write(join(target(), "config/7.txt"), "damaged");
  await Bun.file(join(target(), "config/8.txt")).delete();
  const verified = await sunduk("pack", "verify", target(), "--repair", "--json");
  expect([verified.code, JSON.parse(verified.stdout).changed]).toEqual([0, ["config/7.txt"]]);
  expect(await readDigests(target())).toEqual(digestsOf(first));

  await revoke();
  const refused = await waitFor(async () => {
    const outcome = await install(url);
    return outcome.code !== 0 && outcome;
  }, "the link to end");
  expect([refused.code, refused.json.error.code]).toEqual([3, "not-found"]);
  expect(await readDigests(target())).toEqual(digestsOf(first));
});

test("a link to a channel gives that channel, and another link nothing of it", async () => {
  await publish("closed", "2.0.0-beta", third, "beta");
  const { url, install } = await makeLink({ channel: "beta" });
  expect((await install(url)).json).toMatchObject({ version: "2.0.0-beta" });
  expect(await readDigests(target())).toEqual(digestsOf(third));
  expect((await install(url, "--channel", "release")).code).toBe(3);
  const wrong = url.replace(/\/t\/./, (start) => `/t/${start.endsWith("A") ? "B" : "A"}`);
  expect((await install(wrong)).code).toBe(3);
});

test("what other launchers read beneath a link installs the same files", async () => {
  const { url, install } = await makeLink();
  const latest = (await install(url)).json;
  const files = await readDigests(target());
  await player.close();
  player = await seat();
  expect((await install(`${url}/pack.toml`)).json).toMatchObject({ ok: true, version: latest.version });
  expect(await readDigests(target())).toEqual(files);
  await player.close();
  player = await seat();
  expect((await install(`${url}/${latest.version}.mrpack`)).json).toMatchObject({ ok: true, version: latest.version });
  expect(await readDigests(target())).toEqual(files);
});

test("a public pack is installed from its page's address", async () => {
  const { install } = await makeLink();
  expect((await install(`${system.url}/p/open`)).json).toMatchObject({ ok: true, pack: "open", fetched: 12 });
  expect(await readDigests(target())).toEqual(digestsOf(first));
});

test("the key that signed the first manifest has to sign the others", async () => {
  const { install } = await makeLink();
  const address = `${system.url}/p/open`;
  await install(address);
  const shown = await system.call("GET", "/.well-known/sunduk.json");
  const state = await Bun.file(statePath()).json();
  expect(state.manifestKeys).toEqual(shown.json.manifestKeys);
  expect(state.manifestKeys.length).toBeGreaterThan(0);
  const other = { ...state.manifestKeys[0], publicKey: Buffer.alloc(32, 1).toString("base64url") };
  await Bun.write(statePath(), JSON.stringify({ ...state, etag: "", manifestKeys: [other] }));
  const refused = await install(address);
  expect([refused.code, refused.json.error.code]).toEqual([5, "conflict"]);
  expect(refused.json.error.detail).toContain("--new-keys");
  expect((await install(address, "--new-keys")).code).toBe(0);
  expect((await Bun.file(statePath()).json()).manifestKeys).toEqual(shown.json.manifestKeys);
  expect((await install(address)).json).toMatchObject({ upToDate: true });
});
