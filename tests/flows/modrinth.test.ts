import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ModrinthV2Client } from "@xmcl/modrinth";
import { writeShortId } from "../../formats/modrinth.ts";
import { type Answer, publishPack, type System, sha256, startSystem, type TestUser, waitForJob } from "../harness.ts";

let system: System;
let author: TestUser;
let client: ModrinthV2Client;
const root = "/modrinth/v2";
const hash = (algorithm: "sha1" | "sha512", bytes: string | Uint8Array) =>
  new Bun.CryptoHasher(algorithm).update(bytes).digest("hex");
const sha1 = (bytes: string | Uint8Array) => hash("sha1", bytes);
const sha512 = (bytes: string | Uint8Array) => hash("sha512", bytes);
const unknown = { sha1: sha1("nobody has this"), sha512: sha512("nobody has this") };
const reference = { sha1: sha1("elsewhere"), sha512: sha512("elsewhere") };

beforeAll(async () => {
  system = await startSystem({ apis: 1 });
  author = await system.signUp("author");
  client = new ModrinthV2Client({ baseUrl: `${system.url}/modrinth` });
  const publish = (slug: string, version: string, files: Record<string, string>, more: object = {}) =>
    publishPack(author, { slug, version, files, ...more });
  await publish("castle", "1.0.0", { "mods/a.jar": "a", "mods/b.jar": "b" });
  await publish("castle", "1.1.0", { "mods/a.jar": "a", "mods/b.jar": "b 2" });
  await publish("castle", "2.0.0-b", { "mods/a.jar": "a 3" }, { channel: "beta" });
  await publish("secret", "1.0.0", { "mods/s.jar": "secret" }, { visibility: "private" });
  await publish("unlisted", "1.0.0", { "mods/u.jar": "unlisted" }, { visibility: "unlisted" });
  const draft = await author.call("POST", "/v1/packs/castle/versions", {
    body: {
      version: "0.9.0",
      channel: "alpha",
      minecraft: "1.20.1",
      loader: null,
      files: [{ path: "mods/e.jar", url: "https://cdn.example/e%20x.jar", side: "both", digests: reference }],
    },
  });
  expect(draft.status).toBe(201);
  const publishing = await author.call("POST", "/v1/packs/castle/versions/0.9.0/publish");
  expect((await waitForJob(author, publishing.json.job.id)).state).toBe("completed");
});
afterAll(() => system?.stop());

const get = (path: string, user: { call: TestUser["call"] } = system): Promise<Answer> =>
  user.call("GET", `${root}${path}`);
const post = (path: string, body: unknown, user: { call: TestUser["call"] } = system): Promise<Answer> =>
  user.call("POST", `${root}${path}`, { body });
const ofPack = async (slug: string) => (await get(`/project/${slug}`, author)).json;

describe("a hash", () => {
  test("leads to the newest version with such a file, by either algorithm, in any case of letters", async () => {
    for (const path of [
      `/version_file/${sha1("a")}`,
      `/version_file/${sha1("a")}?algorithm=sha1`,
      `/version_file/${sha512("a")}`,
      `/version_file/${sha512("a").toUpperCase()}?algorithm=sha512`,
    ]) {
      const { status, json } = await get(path);
      expect([path, status, json.version_number, json.version_type]).toEqual([path, 200, "1.1.0", "release"]);
      expect(json).toMatchObject({ loaders: ["fabric"], game_versions: ["1.21.1"], status: "listed" });
      const file = json.files.find(({ hashes }: any) => hashes.sha1 === sha1("a"));
      expect(file).toMatchObject({ filename: "a.jar", size: 1, hashes: { sha1: sha1("a"), sha512: sha512("a") } });
      expect(await (await fetch(file.url)).text()).toBe("a");
    }
    const all = await get(`/version_file/${sha1("a")}?multiple=true`);
    expect(all.json.map((one: any) => one.version_number)).toEqual(["1.1.0", "1.0.0"]);
    const older = await get(`/version_file/${sha1("a")}?version_id=${all.json[1].id}`);
    expect(older.json.version_number).toBe("1.0.0");
  });

  test("that is unknown, of another algorithm or no hash is 404 with an empty body", async () => {
    for (const path of [
      `/version_file/${unknown.sha1}`,
      `/version_file/${unknown.sha512}`,
      `/version_file/${sha1("a")}?algorithm=sha512`,
      `/version_file/${sha512("a")}?algorithm=sha1`,
      "/version_file/x",
      `/version_file/${unknown.sha1}/download`,
      "/project/no-such-pack",
      "/project/zzzzzzzz",
      "/project/no-such-pack/version",
      "/version/00000000",
      "/version/x",
    ]) {
      const { status, text } = await get(path);
      expect([path, status, text]).toEqual([path, 404, ""]);
    }
    const update = await post(`/version_file/${unknown.sha1}/update`, {});
    expect([update.status, update.text]).toEqual([404, ""]);
  });

  test("is a file's address: 307 that says the same in its body, to storage or to where a reference is", async () => {
    const stored = await get(`/version_file/${sha1("b 2")}/download`);
    expect([stored.status, stored.headers.get("cache-control")]).toEqual([307, "no-store"]);
    expect(stored.json).toEqual({ url: stored.headers.get("location") });
    expect(await (await fetch(stored.json.url)).text()).toBe("b 2");
    const elsewhere = await get(`/version_file/${reference.sha512}/download`);
    expect([elsewhere.status, elsewhere.json.url]).toEqual([307, "https://cdn.example/e%20x.jar"]);
    const { json } = await get(`/version_file/${reference.sha1}`);
    expect([json.version_number, json.files[0].url]).toEqual(["0.9.0", "https://cdn.example/e%20x.jar"]);
  });

  test("among many: all that are known by one call, unknown ones left out", async () => {
    const hashes = [sha512("a"), sha512("b").toUpperCase(), unknown.sha512, "x", reference.sha512];
    const { status, json } = await post("/version_files", { hashes, algorithm: "sha512" });
    const versions = Object.fromEntries(Object.entries<any>(json).map(([key, one]) => [key, one.version_number]));
    expect([status, versions]).toEqual([
      200,
      { [sha512("a")]: "1.1.0", [sha512("b")]: "1.0.0", [reference.sha512]: "0.9.0" },
    ]);
    const guessed = await post("/version_files", { hashes: [sha1("a")] });
    expect(Object.keys(guessed.json)).toEqual([sha1("a")]);
    expect((await post("/version_files", { hashes: [] })).json).toEqual({});
    const projects = await post("/version_file/project", { hashes: [sha1("a"), unknown.sha1], algorithm: "sha1" });
    expect(Object.entries<any>(projects.json).map(([key, one]) => [key, one.slug])).toEqual([[sha1("a"), "castle"]]);
  });

  test("has updates: the newest version of the same pack that fits", async () => {
    const latest = async (filter: object) =>
      (await post(`/version_file/${sha1("b")}/update`, filter)).json?.version_number;
    expect(await latest({})).toBe("0.9.0");
    expect(await latest({ loaders: ["fabric"], game_versions: ["1.21.1"], version_types: ["release"] })).toBe("1.1.0");
    expect(await latest({ game_versions: ["1.20.1"] })).toBe("0.9.0");
    expect(await latest({ loaders: [], game_versions: [] })).toBe("0.9.0");
    expect(await latest({ loaders: ["forge"] })).toBeUndefined();
    const hashes = [sha1("a"), unknown.sha1];
    const many = await post("/version_files/update", { hashes, algorithm: "sha1", version_types: ["release"] });
    expect(Object.entries<any>(many.json).map(([key, one]) => [key, one.version_number])).toEqual([
      [sha1("a"), "1.1.0"],
    ]);
    const all = await post("/version_files/update_many", { hashes, algorithm: "sha1", loaders: ["fabric"] });
    expect(all.json[sha1("a")].map((one: any) => one.version_number)).toEqual(["2.0.0-b", "1.1.0", "1.0.0"]);
    const individual = await post("/version_files/update_individual", {
      algorithm: "sha1",
      hashes: [
        { hash: sha1("a").toUpperCase(), version_types: ["beta"] },
        { hash: sha1("b"), game_versions: ["1.20.1"] },
        { hash: unknown.sha1 },
      ],
    });
    expect(Object.entries<any>(individual.json).map(([key, one]) => [key, one.version_number])).toEqual([
      [sha1("a"), "2.0.0-b"],
      [sha1("b"), "0.9.0"],
    ]);
  });

  test("of the whole pack is known once its mrpack is built, which is the primary file and is built when a version is shown", async () => {
    const byFile = (await get(`/version_file/${sha1("b 2")}`)).json;
    expect(byFile.files.map((file: any) => [file.filename, file.primary])).toEqual([
      ["castle-1.1.0.mrpack", true],
      ["b.jar", false],
    ]);
    const [{ url, hashes, size }] = byFile.files;
    expect(url).toEndWith("/p/castle/1.1.0.mrpack");
    const bytes = await (await fetch(url)).bytes();
    expect([size, hashes]).toEqual([bytes.byteLength, { sha1: sha1(bytes), sha512: sha512(bytes) }]);
    const { json } = await get(`/version_file/${sha512(bytes)}`);
    expect(json).toEqual({ ...byFile, files: byFile.files.slice(0, 1) });
    const download = await get(`/version_file/${sha1(bytes)}/download`);
    expect(sha256(await (await fetch(download.json.url)).bytes())).toBe(sha256(bytes));
  });

  test("that is only a reference's is the primary file where no mrpack can be made", async () => {
    const { files } = (await get(`/version_file/${reference.sha1}`)).json;
    expect(files.map(({ filename, primary }: any) => [filename, primary])).toEqual([["e.jar", true]]);
  });
});

describe("a project", () => {
  test("is found by its id and its slug, with its versions, newest first", async () => {
    const { json } = await get("/project/castle");
    expect(json).toMatchObject({ slug: "castle", title: "castle", project_type: "modpack", status: "approved" });
    expect(json.versions).toHaveLength(4);
    expect((await get(`/project/${json.id}`)).json).toEqual(json);
    const list = (await get(`/project/${json.id}/version`)).json;
    expect(list.map((one: any) => one.version_number)).toEqual(["0.9.0", "2.0.0-b", "1.1.0", "1.0.0"]);
    expect(list.map((one: any) => one.id)).toEqual(json.versions);
    const fitting = await get(`/project/castle/version?loaders=["fabric"]&game_versions=["1.21.1"]&limit=1&offset=1`);
    expect(fitting.json.map((one: any) => one.version_number)).toEqual(["1.1.0"]);
    const one = await get(`/version/${json.versions[1]}`);
    expect(one.json).toEqual(list[1]);
    expect((await get(`/versions?ids=["${json.versions[0]}","${json.versions[3]}","x"]`)).json).toHaveLength(2);
    expect((await get(`/project/castle/check`)).json).toEqual({ id: json.id });
    const { rows }: { rows: any[] } = await system.db.query({
      name: "test_pack_id",
      text: `select id::text, pack.short_id(id) as short from pack.pack where slug = 'castle'`,
      values: [],
    });
    expect(writeShortId(rows[0].id)).toBe(json.id);
  });

  test("whose slug looks like another's id does not take its place", async () => {
    const { id } = await ofPack("castle");
    const lookalike = id.toLowerCase();
    await publishPack(author, { slug: lookalike, version: "1", files: { x: "lookalike" } });
    expect((await get(`/project/${id}`)).json.slug).toBe("castle");
    expect((await get(`/project/${lookalike}`)).json.slug).toBe(lookalike === id ? "castle" : lookalike);
  });
});

test("private packs are there for those who may read them, unlisted ones for who knows their slug; withdrawn versions for nobody", async () => {
  const [secret, unlisted] = [await ofPack("secret"), await ofPack("unlisted")];
  for (const path of [
    `/version_file/${sha1("secret")}`,
    `/version_file/${sha1("secret")}/download`,
    "/project/secret",
    `/project/${secret.id}`,
    `/version/${secret.versions[0]}`,
    "/project/secret/version",
  ]) {
    expect([path, (await get(path)).status]).toEqual([path, 404]);
    expect([path, (await get(path, author)).status]).toEqual([path, path.endsWith("download") ? 307 : 200]);
  }
  const hashes = [sha1("secret"), sha1("unlisted")];
  expect((await post("/version_files", { hashes })).json).toEqual({});
  expect(Object.keys((await post("/version_files", { hashes }, author)).json).sort()).toEqual(hashes.sort());
  expect((await get("/project/unlisted")).json).toMatchObject({ id: unlisted.id, status: "unlisted" });
  expect((await get(`/version_file/${sha1("unlisted")}`)).status).toBe(404);
  const forged = await system.call("GET", `${root}/project/castle`, { headers: { authorization: "mrp_x" } });
  expect([forged.status, forged.json.error]).toEqual([401, "unauthorized"]);
  const limited = await author.call("POST", "/v1/me/tokens", {
    body: { name: "launcher", scopes: ["packs:read"], expiresInDays: 1 },
  });
  const headers = { authorization: `Bearer ${limited.json.token}` };
  const read = await system.call("POST", `${root}/version_files`, { body: { hashes }, headers });
  expect([read.status, Object.keys(read.json)]).toEqual([200, hashes]);

  const withdrawn = await author.call("POST", "/v1/packs/secret/versions/1.0.0/withdraw", {
    body: { reason: "broken" },
  });
  expect(withdrawn.status).toBe(204);
  for (const path of [`/version_file/${sha1("secret")}`, `/version/${secret.versions[0]}`])
    expect((await get(path, author)).status).toBe(404);
  expect((await author.call("POST", "/v1/packs/castle/versions/2.0.0-b/yank")).status).toBe(200);
  expect((await post(`/version_file/${sha1("a")}/update`, {})).json.version_number).toBe("0.9.0");
  expect((await get(`/version_file/${sha1("a 3")}`)).json).toMatchObject({
    version_number: "2.0.0-b",
    status: "archived",
  });
});

test("every answer says what is left of its limit, and what is not as described is refused in Modrinth's words", async () => {
  const { headers } = await get("/project/castle");
  expect(headers.get("x-ratelimit-limit")).toBe("300");
  expect(Number(headers.get("x-ratelimit-remaining"))).toBeGreaterThan(0);
  expect(headers.get("x-ratelimit-reset")).toMatch(/^\d+$/);
  expect(headers.get("cache-control")).toBe("private, no-store");
  for (const [path, body] of [
    ["/version_files", {}],
    ["/version_files", { hashes: [1] }],
    ["/version_files", { hashes: Array.from({ length: 1001 }, () => unknown.sha1) }],
    ["/version_files/update", { hashes: [unknown.sha1], algorithm: "md5" }],
    [`/version_file/${unknown.sha1}/update`, { loaders: "fabric" }],
  ] as const) {
    const { status, json } = await post(path, body);
    expect([path, status, json.error]).toEqual([path, 400, "invalid_input"]);
  }
  expect((await get("/version_file/x?algorithm=md5")).json.error).toBe("invalid_input");
  expect((await get("/project/castle/version?loaders=fabric")).json.error).toBe("invalid_input");
  for (const path of ["/modrinth", "/modrinth/"])
    expect((await system.call("GET", path)).json).toMatchObject({
      name: "modrinth-labrinth",
      version: expect.any(String),
    });
});

test("a client that others wrote finds projects, versions and updates", async () => {
  const project = await client.getProject("castle");
  expect(project.title).toBe("castle");
  expect((await client.getProjects([project.id])).map(({ slug }) => slug)).toEqual(["castle"]);
  const versions = await client.getProjectVersions(project.id, { loaders: ["fabric"], gameVersions: ["1.21.1"] });
  expect(versions.map(({ version_number }) => version_number)).toEqual(["2.0.0-b", "1.1.0", "1.0.0"]);
  const [first] = versions;
  expect((await client.getProjectVersion(first?.id ?? "")).name).toBe("castle 2.0.0-b");
  expect((await client.getProjectVersionsById([first?.id ?? ""]))[0]?.id).toBe(first?.id ?? "");
  expect(await client.getProjectVersionByHash(sha1("b"))).toMatchObject({ version_number: "1.0.0" });
  expect(Object.keys(await client.getProjectVersionsByHash([sha1("a"), unknown.sha1]))).toEqual([sha1("a")]);
  expect((await client.getLatestProjectVersion(sha1("b"))).version_number).toBe("0.9.0");
  const latest = await client.getLatestVersionsFromHashes([sha512("b")], { algorithm: "sha512", loaders: ["fabric"] });
  expect(latest[sha512("b")]?.version_number).toBe("1.1.0");
  await expect(client.getProject("no-such-pack")).rejects.toThrow();
});

test("where the public address is https, the mrpack that is made when it is asked for is measured", async () => {
  system.apis[0]?.kill("SIGTERM");
  await system.apis[0]?.exited;
  await system.startApi(0, { PUBLIC_URL: "https://sunduk.example" });
  const [, { files }] = (await get("/project/castle/version")).json;
  const [{ url, hashes, size }] = files;
  expect(url).toBe("https://sunduk.example/p/castle/2.0.0-b.mrpack");
  const bytes = await (await fetch(`${system.apiUrls[0]}${new URL(url).pathname}`)).bytes();
  expect([size, hashes]).toEqual([bytes.byteLength, { sha1: sha1(bytes), sha512: sha512(bytes) }]);
});
