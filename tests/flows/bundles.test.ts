import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readTar } from "../../tar.ts";
import { publishPack, type System, sha256, startSystem, type TestUser, waitFor } from "../harness.ts";

let system: System;
let author: TestUser;
const open = { "a.txt": "of everybody", "b.txt": "of everybody too", "empty.txt": "" };
const closed = { "c.txt": "of some" };
const beta = { "d.txt": "of some, later" };
const digests = (files: Record<string, string>) => Object.values(files).map((text) => sha256(text));
const none = "0".repeat(64);

beforeAll(async () => {
  system = await startSystem({ apis: 1 });
  author = await system.signUp();
  await publishPack(author, { slug: "open", version: "1.0.0", files: open });
  await publishPack(author, { slug: "closed", version: "1.0.0", files: closed, visibility: "private" });
  await publishPack(author, { slug: "closed", version: "2.0.0", files: beta, channel: "beta", visibility: "private" });
});
afterAll(() => system?.stop());

/** Asks for a bundle; answers its status, and what came. */
async function fetchBundle(path: string, asked: string[], token?: string) {
  const response = await fetch(`${system.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ sha256: asked }),
  });
  if (!response.ok || response.body === null) return { status: response.status, headers: response.headers };
  const files: string[] = [];
  let index: any;
  for await (const { name, bytes } of readTar(response.body, { maxFileBytes: 1024 ** 2 })) {
    if (name === "index.json") index = JSON.parse(Buffer.from(bytes).toString());
    else files.push(sha256(bytes) === name ? name : "damaged");
  }
  return { status: response.status, headers: response.headers, files, index };
}

describe("POST /v1/blobs/bundle", () => {
  test("gives what the caller may read, in the order of the question, and names the rest", async () => {
    const asked = [...digests(open), none, ...digests(closed)];
    const stranger = await fetchBundle("/v1/blobs/bundle", asked);
    expect(stranger.files).toEqual(digests(open));
    expect(stranger.index).toEqual({ files: digests(open), leftOut: [], missing: [none, ...digests(closed)] });
    expect(stranger.headers.get("content-type")).toBe("application/x-tar");
    expect(stranger.headers.get("cache-control")).toBe("private, no-store");
    const owner = await fetchBundle("/v1/blobs/bundle", asked, author.token);
    expect(owner.index.missing).toEqual([none]);
    expect(owner.files).toEqual([...digests(open), ...digests(closed)]);
  });

  test("refuses what is no list of digests", async () => {
    for (const asked of [[], ["x"], Array.from({ length: 1001 }, () => none)])
      expect((await fetchBundle("/v1/blobs/bundle", asked)).status).toBe(422);
  });

  test("leaves out what the storage has lost", async () => {
    const lost = sha256("of everybody too");
    const move = (name: string, text: string) => system.db.query({ name, text, values: [lost] });
    await move("test_lose", "update blob.blob set key = 'lost/' || key where sha256 = $1");
    const { files, index } = await fetchBundle("/v1/blobs/bundle", digests(open));
    expect([index.files, files]).toEqual([digests(open), digests(open).filter((digest) => digest !== lost)]);
    await move("test_find", "update blob.blob set key = substr(key, 6) where sha256 = $1");
    expect((await fetchBundle("/v1/blobs/bundle", digests(open))).files).toEqual(digests(open));
  });

  test("takes a token that may only read", async () => {
    const made = await author.call("POST", "/v1/me/tokens", {
      body: { name: "reads", scopes: ["packs:read"], expiresInDays: 1 },
    });
    expect((await fetchBundle("/v1/blobs/bundle", digests(closed), made.json.token)).files).toEqual(digests(closed));
  });
});

describe("by a share link", () => {
  const link = async (body: object = {}) => {
    const made = await author.call("POST", "/v1/packs/closed/links", { body });
    expect(made.status).toBe(201);
    return { id: made.json.id, path: new URL(made.json.url).pathname };
  };

  test("come the published files of its pack and of no other, until it ends", async () => {
    const { id, path } = await link();
    const asked = [...digests(closed), ...digests(beta), ...digests(open)];
    const { files, index } = await fetchBundle(`${path}/bundle`, asked);
    expect([files, index.missing]).toEqual([[...digests(closed), ...digests(beta)], digests(open)]);
    const signed = await system.call("POST", `${path}/urls`, { body: { sha256: asked } });
    expect(Object.keys(signed.json.urls).sort()).toEqual([...digests(closed), ...digests(beta)].sort());
    expect(signed.json.missing).toEqual(digests(open));
    const [url = ""] = Object.values<string>(signed.json.urls);
    expect((await fetch(new URL(url, system.url))).status).toBe(200);
    expect((await fetchBundle(`${path.replace("closed", "open")}/bundle`, asked)).status).toBe(404);

    await author.call("DELETE", `/v1/packs/closed/links/${id}`);
    await waitFor(async () => (await fetchBundle(`${path}/bundle`, asked)).status === 404, "the link to end", 2_000);
    expect((await system.call("POST", `${path}/urls`, { body: { sha256: asked } })).status).toBe(404);
  });

  test("to a channel, nothing of other channels; by a token of somebody else's making, nothing", async () => {
    const { path } = await link({ channel: "beta" });
    const asked = [...digests(closed), ...digests(beta)];
    expect((await fetchBundle(`${path}/bundle`, asked)).files).toEqual(digests(beta));
    expect((await fetchBundle(`/p/t/${"A".repeat(43)}/closed/bundle`, asked)).status).toBe(404);
    const author2 = await fetchBundle(`${path}/bundle`, digests(open), "no token of ours");
    expect([author2.status, author2.files]).toEqual([200, []]);
  });
});
