import { afterAll, beforeAll, expect, test } from "bun:test";
import { createPublicKey, verify } from "node:crypto";
import { join } from "node:path";
import {
  createTestFolder,
  type System,
  sha256,
  startSystem,
  type TestUser,
  upload,
  waitFor,
  waitForJob,
} from "../harness.ts";
import { seat, writeFiles } from "./sunduk.ts";

let system: System;
let author: TestUser;
let folder = "";
const slug = "grown";
const terms = { channel: "release", minecraft: "1.21.1", loader: null };
const fileOf = (path: string, bytes: string, more: object = {}) => ({
  path,
  sha256: sha256(bytes),
  size: bytes.length,
  side: "both",
  ...more,
});
const at = (version: string) => `/v1/packs/${slug}/versions/${version}`;
const declare = (version: string, body: object) =>
  author.call("POST", `/v1/packs/${slug}/versions`, { body: { version, ...terms, ...body } });

beforeAll(async () => {
  system = await startSystem({ apis: 1, environment: { RESEND_EVERY_SECONDS: "1" } });
  folder = await createTestFolder();
  author = await system.signUp("grower");
  await author.call("POST", "/v1/packs", { body: { slug, name: "Grown", visibility: "public" } });
  for (const bytes of ["one", "two", "three"]) await upload(author, bytes);
});
afterAll(() => system?.stop());

async function publish(version: string) {
  const publishing = await author.call("POST", `${at(version)}/publish`);
  expect([publishing.status, publishing.text]).toEqual([202, expect.any(String)]);
  expect((await waitForJob(author, publishing.json.job.id)).state).toBe("completed");
  return (await system.call("GET", `${at(version)}/manifest`)).json;
}

async function change(body: object) {
  const etag = (await author.call("GET", `/v1/packs/${slug}`)).headers.get("etag") ?? "";
  return author.call("PATCH", `/v1/packs/${slug}`, { body, headers: { "if-match": etag } });
}

test("a pack's page says how it is started and which pictures it has; null removes", async () => {
  const settings = { java: "21", memoryMb: 4096, serverAddress: "play.example.org:25566" };
  const pictures = { icon: sha256("one"), logo: sha256("two"), background: sha256("two") };
  const changed = await change({ ...settings, ...pictures });
  expect(changed.json).toMatchObject({
    ...settings,
    icon: { sha256: sha256("one") },
    logo: { url: `/v1/blobs/${sha256("two")}` },
    background: { sha256: sha256("two") },
  });
  expect((await system.call("GET", `/v1/blobs/${sha256("two")}`)).status).toBe(307);
  const removed = (await change({ memoryMb: null, logo: null })).json;
  expect(removed).toMatchObject({ ...settings, memoryMb: null, logo: null, background: { sha256: sha256("two") } });
  const wrong = [
    { java: "7" },
    { java: 21 },
    { memoryMb: 100 },
    { serverAddress: "play.example.org:0" },
    { serverAddress: "play.example.org:65536" },
    { serverAddress: "https://play.example.org" },
    { serverAddress: "a b" },
    { logo: sha256("bytes of somebody else") },
  ];
  for (const body of wrong) expect([body, (await change(body)).status]).toEqual([body, 422]);
  for (const serverAddress of ["localhost", "127.0.0.1:25565", "[::1]:25565", "_minecraft._tcp.example.org"])
    expect((await change({ serverAddress })).json.serverAddress).toBe(serverAddress);
  await change({ serverAddress: "play.example.org" });
});

test("what a version does not say of how it is started comes from its pack, when it is published", async () => {
  await change({ java: "17", memoryMb: 2048, serverAddress: null });
  const files = [fileOf("a.txt", "one")];
  await declare("1.0.0", { files, java: "21" });
  expect((await author.call("GET", at("1.0.0"))).json).toMatchObject({ java: "21" });
  await change({ memoryMb: 3072 });
  const manifest = await publish("1.0.0");
  expect([manifest.java, manifest.memoryMb, "serverAddress" in manifest]).toEqual(["21", 3072, false]);
  await change({ java: "8", memoryMb: 512, serverAddress: "late.example.org" });
  expect((await system.call("GET", `${at("1.0.0")}/manifest`)).json).toEqual(manifest);
  const shown = (await system.call("GET", at("1.0.0"))).json;
  expect([shown.java, shown.memoryMb, "serverAddress" in shown]).toEqual(["21", 3072, false]);
  // The same declaration again is the same version; another Java is another one.
  expect((await declare("1.0.0", { files, java: "21" })).status).toBe(200);
  expect((await declare("1.0.0", { files, java: "17" })).status).toBe(409);
  expect((await declare("1.0.0", { files })).status).toBe(409);
});

test("a draft's settings and groups change together with what they are about, and null gives them back to the pack", async () => {
  const groups = [{ id: "extra", name: "Extra" }];
  await declare("1.1.0", { files: [fileOf("a.txt", "one", { group: "extra" })], groups, java: "21", memoryMb: 1024 });
  const patch = async (body: object) => {
    const etag = (await author.call("GET", at("1.1.0"))).headers.get("etag") ?? "";
    return author.call("PATCH", at("1.1.0"), { body, headers: { "if-match": etag } });
  };
  const changed = (await patch({ java: null, serverAddress: "localhost:25566" })).json;
  expect(["java" in changed, changed.memoryMb, changed.serverAddress]).toEqual([false, 1024, "localhost:25566"]);
  expect((await patch({ groups: [] })).json.errors).toEqual([{ pointer: "/files", detail: "is missing" }]);
  expect((await patch({ files: [fileOf("a.txt", "one")] })).status).toBe(422);
  expect((await patch({ files: [fileOf("a.txt", "one")], groups: [] })).json.groups).toBeUndefined();
});

test("groups are frozen with their files, which are optional for whoever knows no groups", async () => {
  const groups: object[] = [
    { id: "core", name: "Core", required: true, recommended: false, requires: [] },
    { name: "Low", id: "low", exclusive: "quality", recommended: true, description: "For old machines" },
    { id: "high", name: "High", exclusive: "quality", requires: ["core"] },
  ];
  const files = [
    fileOf("a.txt", "one", { group: "core", optional: true }),
    fileOf("b.txt", "two", { group: "low" }),
    fileOf("c.txt", "three", { group: "high" }),
    fileOf("d.txt", "one", { optional: true }),
  ];
  await declare("1.2.0", { files, groups });
  const manifest = await publish("1.2.0");
  expect(JSON.stringify(manifest.groups)).toBe(
    JSON.stringify([
      { id: "core", name: "Core", required: true },
      { id: "low", name: "Low", description: "For old machines", recommended: true, exclusive: "quality" },
      { id: "high", name: "High", exclusive: "quality", requires: ["core"] },
    ]),
  );
  expect(manifest.files.map(({ path, group, optional }: any) => [path, group, optional])).toEqual([
    ["a.txt", "core", false],
    ["b.txt", "low", true],
    ["c.txt", "high", true],
    ["d.txt", undefined, true],
  ]);
  expect((await system.call("GET", at("1.2.0"))).json.groups).toEqual(manifest.groups);
  const { items } = (await system.call("GET", `/v1/packs/${slug}/versions`)).json;
  expect(items.some((item: object) => "groups" in item)).toBe(false);
  expect((await declare("1.2.0", { files, groups })).status).toBe(200);
  expect((await declare("1.2.0", { files, groups: groups.with(1, { id: "low", name: "Lower" }) })).status).toBe(409);
  const diff = (await system.call("GET", `/v1/packs/${slug}/diff/1.0.0/1.2.0`)).json;
  expect(diff.groups).toEqual({ added: ["core", "low", "high"], changed: [], removed: [] });
});

test("archives leave out groups that nobody takes without a choice", async () => {
  const namesOf = async (query: string) => {
    const ask = () => author.call("GET", `${at("1.2.0")}/archive?${query}`);
    const building = await ask();
    if (building.status === 202) await waitForJob(author, building.json.job.id);
    const path = join(folder, `${query}.zip`);
    await Bun.write(path, await fetch((await ask()).headers.get("location") ?? ""));
    return (await Bun.$`unzip -Z1 ${path}`.text()).trim().split("\n").sort();
  };
  expect(await namesOf("format=zip&side=server")).toEqual(["a.txt", "b.txt", "d.txt"]);
  expect(await namesOf("format=mrpack")).toEqual([
    "modrinth.index.json",
    "overrides/a.txt",
    "overrides/b.txt",
    "overrides/d.txt",
  ]);
});

test("each channel has a newest version of its own", async () => {
  const newest = async (channel: string) =>
    (await system.call("GET", `/v1/packs/${slug}/latest?channel=${channel}`)).json;
  await declare("1.2.1-beta", { files: [fileOf("a.txt", "one")], channel: "beta" });
  await publish("1.2.1-beta");
  expect([(await newest("beta")).version, (await newest("release")).version]).toEqual(["1.2.1-beta", "1.2.0"]);
  expect((await newest("alpha")).code).toBe("not-found");
  expect((await newest("nightly")).status).toBe(400);
});

test("groups that make no sense are refused, with every place", async () => {
  const file = (path: string, group: string) => fileOf(path, "one", { group });
  const two = [file("a.txt", "a"), file("b.txt", "b")];
  const cases: [object[], object[], string[]][] = [
    [[{ id: "a", name: "A" }], two, ["/files/1/group"]],
    [
      [
        { id: "a", name: "A" },
        { id: "b", name: "B", requires: ["c"], conflicts: ["b"] },
      ],
      two,
      ["/groups/1/requires/0", "/groups/1/conflicts/0"],
    ],
    [
      [
        { id: "a", name: "A" },
        { id: "a", name: "B" },
        { id: "b", name: "B" },
        { id: "c", name: "C" },
      ],
      two,
      ["/groups/1/id", "/groups/3"],
    ],
    [
      [
        { id: "a", name: "A", required: true, conflicts: ["b"] },
        { id: "b", name: "B", required: true },
      ],
      two,
      ["/groups/0"],
    ],
    [
      [
        { id: "a", name: "A", required: true, exclusive: "x" },
        { id: "b", name: "B", exclusive: "x" },
      ],
      two,
      ["/groups/1"],
    ],
    [
      [
        { id: "a", name: "A", requires: ["b"] },
        { id: "b", name: "B", conflicts: ["a"] },
      ],
      two,
      ["/groups/0"],
    ],
    [
      [
        { id: "a", name: "A", recommended: true, conflicts: ["b"] },
        { id: "b", name: "B", recommended: true },
      ],
      two,
      ["/groups/0"],
    ],
    [[{ id: "A", name: "A" }], [file("a.txt", "a")], ["/groups/0/id"]],
    [Array.from({ length: 101 }, (_, index) => ({ id: `g${index}`, name: "G" })), two, ["/groups"]],
  ];
  for (const [groups, files, pointers] of cases) {
    const refused = await declare("1.3.0", { files, groups });
    expect([refused.status, refused.json.errors.map(({ pointer }: { pointer: string }) => pointer)]).toEqual([
      422,
      pointers,
    ]);
  }
  const circle = [
    { id: "a", name: "A", requires: ["b"] },
    { id: "b", name: "B", requires: ["a"] },
  ];
  expect((await declare("1.3.0", { files: two, groups: circle })).status).toBe(201);
});

test("a file says what lay at its path in the version published before, where that was something else", async () => {
  const files = [fileOf("a.txt", "one"), fileOf("b.txt", "two")];
  await declare("2.0.0", { files });
  expect((await publish("2.0.0")).files.map(({ previous }: any) => previous)).toEqual([undefined, undefined]);
  await declare("2.1.0", { files: [fileOf("a.txt", "three"), fileOf("b.txt", "two"), fileOf("c.txt", "one")] });
  const manifest = await publish("2.1.0");
  expect(manifest.files.map(({ previous }: any) => previous)).toEqual([sha256("one"), undefined, undefined]);
  // Withdrawn, it is nobody's base.
  await author.call("POST", `${at("2.1.0")}/withdraw`, { body: { reason: "wrong" } });
  await declare("2.2.0", { files: [fileOf("a.txt", "two"), fileOf("b.txt", "two")] });
  expect((await publish("2.2.0")).files.map(({ previous }: any) => previous)).toEqual([sha256("one"), undefined]);
});

test("a manifest is signed by the server's key, everywhere that it is read", async () => {
  const discovered = await system.call("GET", "/.well-known/sunduk.json");
  expect(Object.keys(discovered.json)).toEqual(["version", "publicUrl", "manifestKeys", "formats"]);
  const [key] = discovered.json.manifestKeys;
  const { json, headers } = await system.call("GET", `${at("2.0.0")}/manifest.sig`);
  expect([json.signatures.length, headers.get("cache-control")]).toEqual([1, "public, no-cache"]);
  const [{ keyId, algorithm, signature }] = json.signatures;
  expect([keyId, algorithm]).toEqual([key.id, "Ed25519"]);
  const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: key.publicKey }, format: "jwk" });
  const isSigned = (text: string) => verify(null, Buffer.from(text), publicKey, Buffer.from(signature, "base64url"));
  for (const path of [`${at("2.0.0")}/manifest`, `/p/${slug}/2.0.0/manifest`]) {
    const manifest = await system.call("GET", path);
    expect(manifest.headers.get("x-manifest-signature")).toBe(`${keyId} ${signature}`);
    expect([isSigned(manifest.text), isSigned(`${manifest.text} `)]).toEqual([true, false]);
  }
  expect((await system.call("GET", `${at("1.3.0")}/manifest.sig`)).status).toBe(404);
  expect((await system.call("GET", `${at("2.1.0")}/manifest.sig`)).status).toBe(410);
});

const schedule = (version: string, time: Date | string, user = author) =>
  user.call("POST", `${at(version)}/publish`, { body: { at: typeof time === "string" ? time : time.toISOString() } });
const later = (ms: number) => new Date(Date.now() + ms);

test("a draft is published by itself when its time has come, and not before", async () => {
  await declare("3.0.0", { files: [fileOf("a.txt", "one")] });
  const set = await schedule("3.0.0", later(3_600_000));
  expect([set.status, Object.keys(set.json)]).toEqual([202, ["publishAt"]]);
  const shown = (await author.call("GET", at("3.0.0"))).json;
  expect([shown.state, shown.publishAt]).toEqual(["draft", set.json.publishAt]);
  const sooner = (await schedule("3.0.0", later(1_500))).json.publishAt;
  const published = await waitFor(async () => {
    const { json } = await author.call("GET", at("3.0.0"));
    return json.state === "published" && json;
  }, "the version to be published");
  expect(Date.parse(published.publishedAt)).toBeGreaterThanOrEqual(Date.parse(sooner));
  expect(published.publishAt).toBeUndefined();
  expect((await schedule("3.0.0", later(1_000))).status).toBe(409);
});

test("it is cancelled by hand and by another content, not by words; the same content again keeps it", async () => {
  const files = [fileOf("a.txt", "two")];
  const publishAt = async () => (await author.call("GET", at("3.1.0"))).json.publishAt;
  await declare("3.1.0", { files });
  await schedule("3.1.0", later(3_600_000));
  expect((await author.call("DELETE", `${at("3.1.0")}/publish`)).status).toBe(204);
  expect(await publishAt()).toBeUndefined();
  expect((await author.call("DELETE", `${at("3.1.0")}/publish`)).status).toBe(409);
  const time = later(3_600_000).toISOString();
  await schedule("3.1.0", time);
  expect((await declare("3.1.0", { files, changelog: "better words" })).json.publishAt).toBe(time);
  expect((await declare("3.1.0", { files, java: "21" })).json.publishAt).toBeUndefined();
  // A time that is over means now.
  const now = await schedule("3.1.0", later(-1_000));
  expect((await waitForJob(author, now.json.job.id)).state).toBe("completed");
});

test("a time is set by who may publish, for what is complete, within a year", async () => {
  await declare("3.2.0", { files: [fileOf("a.txt", "bytes that nobody has sent")] });
  const refused = await schedule("3.2.0", later(60_000));
  expect([refused.status, refused.json.missing.length]).toEqual([409, 1]);
  expect((await author.call("GET", at("3.2.0"))).json.publishAt).toBeUndefined();
  expect((await schedule("3.2.0", later(400 * 24 * 3_600_000))).json.errors[0].pointer).toBe("/at");
  expect((await schedule("3.2.0", "tomorrow")).status).toBe(422);
  const stranger = await system.signUp("hasty");
  expect((await schedule("3.2.0", later(60_000), stranger)).status).toBe(403);
});

test("a draft waits longer than drafts live, and its author is told when it cannot be published", async () => {
  const publisher = await system.signUp("former-publisher");
  await author.call("PUT", `/v1/packs/${slug}/members`, { body: { login: publisher.login, role: "publisher" } });
  await declare("3.3.0", { files: [fileOf("a.txt", "three")] });
  expect((await schedule("3.3.0", later(300 * 24 * 3_600_000), publisher)).status).toBe(202);
  const [row] = await look("select expires_at > publish_at as waits from pack.version where version = '3.3.0'");
  expect(row.waits).toBe(true);
  await author.call("DELETE", `/v1/packs/${slug}/members/${publisher.login}`);
  await look("update pack.version set publish_at = now() where version = '3.3.0'");
  const told = await waitFor(async () => {
    const { items } = (await author.call("GET", "/v1/me/notifications")).json;
    return items.find(({ kind }: { kind: string }) => kind === "version.publish-failed");
  }, "the notification");
  expect(JSON.stringify(told)).toContain("3.3.0");
  expect((await author.call("GET", at("3.3.0"))).json).toMatchObject({ state: "draft" });
  expect((await author.call("GET", at("3.3.0"))).json.publishAt).toBeUndefined();
});

async function look(text: string) {
  const { rows }: { rows: any[] } = await system.db.query({
    name: `test_${sha256(text).slice(0, 20)}`,
    text,
    values: [],
  });
  return rows;
}

test("a pipeline publishes with a token for packs alone, at a time, and downloads what a server needs", async () => {
  const made = await author.call("POST", "/v1/me/tokens", {
    body: { name: "ci", scopes: ["packs:write"], expiresInDays: 1 },
  });
  const { token } = made.json;
  const ci = await seat();
  try {
    const env = { SUNDUK_URL: system.url, SUNDUK_TOKEN: token };
    const pack = `slug = "piped"\nname = "Piped"\nminecraft = "1.21.1"\njava = "21"\nserverAddress = "play.example.org"\n
[[groups]]\nid = "maps"\nname = "Maps"\nrecommended = true\n
[[files]]\npattern = "mods/map.jar"\ngroup = "maps"\nside = "client"\n`;
    await writeFiles(join(ci.folder, "pack"), { "sunduk.toml": pack, "mods/map.jar": "map", "config/a.txt": "a" });
    const run = async (...words: string[]) => {
      const outcome = await ci.sunduk([...words, "--json"], { env });
      expect([words.join(" "), outcome.code, outcome.stderr]).toEqual([words.join(" "), 0, expect.any(String)]);
      return outcome.json;
    };
    const time = later(3_600_000).toISOString();
    const set = await run("pack", "publish", "pack", "--version", "1.0.0", "--visibility", "public", "--at", time);
    expect([set.publishAt, set.alreadyPublished]).toEqual([time, false]);
    expect((await system.call("GET", "/v1/packs/piped/latest")).status).toBe(404);
    // The same again, now.
    expect((await run("pack", "publish", "pack", "--version", "1.0.0")).publishAt).toBeUndefined();
    const manifest = (await system.call("GET", "/v1/packs/piped/versions/1.0.0/manifest")).json;
    expect(manifest).toMatchObject({ java: "21", groups: [{ id: "maps" }], files: [{}, { group: "maps" }] });
    expect(await run("pack", "download", "piped", "--side", "server")).toMatchObject({
      file: "piped-1.0.0-server.zip",
    });
    const names = await Bun.$`unzip -Z1 ${join(ci.folder, "piped-1.0.0-server.zip")}`.text();
    expect(names.trim()).toBe("config/a.txt");
    const wrong = await ci.sunduk(["pack", "publish", "pack", "--at", "tomorrow", "--json"], { env });
    expect([wrong.code, wrong.json.error.code]).toEqual([2, "usage"]);
    expect((await ci.sunduk(["pack", "download", "nothing", "--json"], { env })).code).toBe(3);
  } finally {
    await ci.close();
  }
});
