import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import {
  createTestFolder,
  publishPack,
  type System,
  sha256,
  startSystem,
  type TestUser,
  waitFor,
  waitForJob,
} from "../harness.ts";
import { type ByteServer, sendBytes, startByteServer } from "../workers/byte-server.ts";

let system: System;
let author: TestUser;
let stranger: TestUser;
let host: ByteServer;
let folder = "";
const jar = randomBytes(700_000);

beforeAll(async () => {
  host = await startByteServer((socket, asked) => sendBytes(jar, { cutAfter: 300_000 })(socket, asked));
  const environment = { MIRROR_HOSTS: "127.0.0.1", OUTBOUND_ALLOW: `127.0.0.1:${host.port}` };
  system = await startSystem({ environment });
  author = await system.signUp("author");
  stranger = await system.signUp("stranger");
  folder = await createTestFolder();
});
afterAll(async () => {
  await system?.stop();
  await host?.close();
});

type Caller = Pick<TestUser, "call">;

/** Asks for an archive as a launcher does: waits for its job if there is one, then follows the redirect. */
async function fetchArchive(caller: Caller, address: string): Promise<{ path: string; bytes: Buffer; jobs: number }> {
  const asked = await caller.call("GET", address);
  let redirect = asked;
  if (asked.status === 202) {
    expect(asked.headers.get("cache-control")).toBe("no-store");
    const job = await waitForJob(caller, asked.json.job.id);
    if (job.state !== "completed") throw new Error(JSON.stringify(job.problem));
    redirect = await caller.call("GET", address);
  }
  expect([redirect.status, redirect.headers.get("cache-control")]).toEqual([307, "no-store"]);
  const response = await fetch(redirect.headers.get("location") ?? "");
  expect(response.headers.get("content-disposition")).toMatch(/^attachment; filename=/);
  const bytes = Buffer.from(await response.arrayBuffer());
  const path = join(folder, `${Bun.randomUUIDv7()}.zip`);
  await Bun.write(path, bytes);
  return { path, bytes, jobs: asked.status === 202 ? 1 : 0 };
}

async function unzip(...args: string[]): Promise<string> {
  const child = Bun.spawn(["unzip", ...args], {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, LC_ALL: "C.UTF-8" },
  });
  const text = await new Response(child.stdout).text();
  expect(await child.exited).toBe(0);
  return text;
}

const readIndex = async (path: string) => JSON.parse(await unzip("-p", path, "modrinth.index.json"));
const namesOf = async (path: string) => (await unzip("-Z1", path)).trim().split("\n");

describe("the archive of a public pack", () => {
  const files = { "mods/a.jar": "bytes of a", "config/b.txt": "b" };
  beforeAll(() => publishPack(author, { slug: "open", version: "1.0.0", files }));
  const address = "/v1/packs/open/versions/1.0.0/archive";

  test("is built when somebody asks for it, who may watch its job without an account, and only once", async () => {
    const first = await fetchArchive(system, address);
    expect(first.jobs).toBe(1);
    await unzip("-tqq", first.path);
    expect(await namesOf(first.path)).toEqual([
      "modrinth.index.json",
      "overrides/config/b.txt",
      "overrides/mods/a.jar",
    ]);
    expect(await readIndex(first.path)).toEqual({
      formatVersion: 1,
      game: "minecraft",
      versionId: "1.0.0",
      name: "open",
      files: [],
      dependencies: { minecraft: "1.21.1", "fabric-loader": "0.16.0" },
    });
    const again = await fetchArchive(author, address);
    expect([again.jobs, Buffer.compare(again.bytes, first.bytes)]).toEqual([0, 0]);
  });

  test("is one job for everybody who asks while it is built", async () => {
    const asked = await Promise.all(Array.from({ length: 10 }, () => system.call("GET", `${address}?format=zip`)));
    const ids = new Set(asked.flatMap(({ status, json }) => (status === 202 ? [json.job.id] : [])));
    expect(ids.size).toBeLessThanOrEqual(1);
    const { path } = await fetchArchive(system, `${address}?format=zip`);
    expect(await namesOf(path)).toEqual(["config/b.txt", "mods/a.jar"]);
    expect(await unzip("-p", path, "mods/a.jar")).toBe("bytes of a");
  });

  test("can be cut and resumed", async () => {
    const { bytes } = await fetchArchive(system, `${address}?format=zip`);
    const { headers } = await system.call("GET", `${address}?format=zip`);
    const part = await fetch(headers.get("location") ?? "", { headers: { range: "bytes=10-19" } });
    const got = Buffer.from(await part.arrayBuffer());
    expect([part.status, Buffer.compare(got, bytes.subarray(10, 20))]).toEqual([206, 0]);
  });

  test("is gone with a withdrawn version", async () => {
    await publishPack(author, { slug: "open", version: "0.9.0", files });
    const withdrawn = "/v1/packs/open/versions/0.9.0";
    await fetchArchive(system, `${withdrawn}/archive`);
    expect((await author.call("POST", `${withdrawn}/withdraw`, { body: { reason: "test" } })).status).toBeLessThan(300);
    expect((await author.call("GET", `${withdrawn}/archive`)).status).toBe(410);
    expect((await fetchArchive(system, address)).jobs).toBe(0); // the same bytes of another version stay
  });
});

test("a private pack's archive and its job are for those who may read it", async () => {
  await publishPack(author, { slug: "hidden", version: "1.0.0", files: { "a.txt": "secret" }, visibility: "private" });
  const address = "/v1/packs/hidden/versions/1.0.0/archive";
  for (const caller of [system, stranger]) expect((await caller.call("GET", address)).status).toBe(404);
  const asked = await author.call("GET", address);
  expect(asked.status).toBe(202);
  for (const caller of [system, stranger])
    expect((await caller.call("GET", `/v1/jobs/${asked.json.job.id}`)).status).toBe(404);
  const { path } = await fetchArchive(author, address);
  expect(await unzip("-p", path, "overrides/a.txt")).toBe("secret");
});

test("an archive that holds bytes which an admin blocks is served no longer, whoever's pack it is", async () => {
  const admin = await system.signUp("admin", ["admin"]);
  const bad = "blocked later";
  await publishPack(author, { slug: "victim", version: "1.0.0", files: { "bad.jar": bad, "good.jar": "good" } });
  await publishPack(admin, { slug: "source", version: "1.0.0", files: { "x.jar": bad } });
  const address = "/v1/packs/victim/versions/1.0.0/archive";
  await fetchArchive(system, address);
  const body = { reason: "malware", block: true };
  expect((await admin.call("POST", "/v1/packs/source/versions/1.0.0/withdraw", { body })).status).toBeLessThan(300);
  const asked = await system.call("GET", address);
  expect(asked.status).toBe(202);
  const job = await waitForJob(system, asked.json.job.id);
  expect([job.state, job.problem.code, job.problem.errors]).toEqual(["failed", "conflict", [{ detail: "bad.jar" }]]);
  expect((await system.call("GET", address)).status).toBe(202);
});

type Reference = { path: string; url: string; digests: Record<string, string>; size?: number; side?: string };

/** Declares a version of references, waits for those that are mirrored, and publishes it. */
async function publishReferences(slug: string, references: Reference[], mirror: boolean): Promise<any> {
  await author.call("POST", "/v1/packs", { body: { slug, name: slug, visibility: "public" } });
  const files = references.map((file) => ({ side: "both", ...file }));
  const loader = { name: "fabric", version: "0.16.0" };
  const version = { version: "1.0.0", channel: "release", minecraft: "1.21.1", loader, mirror, files };
  const draft = await author.call("POST", `/v1/packs/${slug}/versions`, { body: version });
  expect(draft.status).toBe(201);
  const path = `/v1/packs/${slug}/versions/1.0.0`;
  await waitFor(async () => {
    const { json } = await author.call("GET", path);
    return !json.mirroring?.some((file: { state: string }) => file.state === "waiting");
  }, "mirroring to end");
  const publishing = await author.call("POST", `${path}/publish`);
  if (publishing.status === 202) await waitForJob(author, publishing.json.job.id);
  return publishing;
}

describe("references", () => {
  const hash = (name: "sha1" | "sha512") => new Bun.CryptoHasher(name).update(jar).digest("hex");
  const at = (path: string, digests: Record<string, string>, more: object = {}): Reference => ({
    path,
    url: `${host.url}/${path}`,
    digests,
    ...more,
  });

  test("that are mirrored, over a host that cuts, travel inside like all stored files", async () => {
    await publishReferences("fetched", [at("mods/a.jar", { sha256: sha256(jar) })], true);
    const manifest = await system.call("GET", "/v1/packs/fetched/versions/1.0.0/manifest");
    expect(manifest.json.files[0]).toMatchObject({ size: jar.length, url: `/v1/blobs/${sha256(jar)}` });
    expect(manifest.json.files[0].reference).toBeUndefined();
    expect(manifest.json.files[0].digests.sha512).toBe(hash("sha512"));
    for (const format of ["mrpack", "zip"])
      await unzip(
        "-tqq",
        (await fetchArchive(system, `/v1/packs/fetched/versions/1.0.0/archive?format=${format}`)).path,
      );
  });

  test("that nobody asked to mirror stay references: listed in an mrpack, impossible in a zip", async () => {
    const known = { sha1: hash("sha1"), sha512: hash("sha512") };
    await publishReferences("linked", [at("mods/a.jar", known, { size: jar.length, side: "client" })], false);
    const address = "/v1/packs/linked/versions/1.0.0/archive";
    const { files } = await readIndex((await fetchArchive(system, address)).path);
    expect(files).toEqual([
      {
        path: "mods/a.jar",
        hashes: known,
        env: { client: "required", server: "unsupported" },
        downloads: [`${host.url}/mods/a.jar`],
        fileSize: jar.length,
      },
    ]);
    expect((await readIndex((await fetchArchive(system, `${address}?side=server`)).path)).files).toEqual([]);
    const refused = await system.call("GET", `${address}?format=zip`);
    expect([refused.status, refused.json.errors]).toEqual([409, [{ detail: "mods/a.jar" }]]);
  });

  test("from a host that the operator does not allow stay references, marked so, and an mrpack names what it lacks", async () => {
    const before = host.connections();
    const elsewhere = {
      path: "mods/b.jar",
      url: `http://localhost:${host.port}/b.jar`,
      digests: { sha256: sha256(jar) },
    };
    await publishReferences("elsewhere", [elsewhere], true);
    expect(host.connections()).toBe(before);
    const manifest = await system.call("GET", "/v1/packs/elsewhere/versions/1.0.0/manifest");
    expect(manifest.json.files[0]).toMatchObject({ url: elsewhere.url, reference: true });
    const refused = await system.call("GET", "/v1/packs/elsewhere/versions/1.0.0/archive");
    expect([refused.status, refused.headers.get("content-type")]).toEqual([409, "application/problem+json"]);
    expect(refused.json.errors).toEqual([{ detail: "mods/b.jar" }]);
  });

  test("with a wrong digest are not published until their author mends them, or does without mirroring", async () => {
    const wrong = at("mods/c.jar", { sha256: "0".repeat(64) });
    const publishing = await publishReferences("mended", [wrong], true);
    expect([publishing.status, publishing.json.errors[0].detail]).toEqual([
      409,
      expect.stringMatching(/^mods\/c.jar: its sha256/),
    ]);
    const version = { version: "1.0.0", channel: "release", minecraft: "1.21.1", loader: null };
    const declare = (file: Reference, mirror: boolean) =>
      author.call("POST", "/v1/packs/mended/versions", {
        body: { ...version, mirror, files: [{ side: "both", ...file }] },
      });
    const stateOf = async () => (await author.call("GET", "/v1/packs/mended/versions/1.0.0")).json.mirroring?.[0].state;
    expect((await declare(wrong, false)).status).toBe(200);
    expect(await stateOf()).toBeUndefined();
    await declare(wrong, true);
    await waitFor(async () => (await stateOf()) === "rejected", "the same to be refused again");
    await declare(at("mods/c.jar", { sha256: sha256(jar) }), true);
    await waitFor(async () => (await stateOf()) === "stored", "the mended one to be mirrored");
  });
});
