import { afterAll, beforeAll, expect, test } from "bun:test";
import { type System, sha256, startSystem, type TestUser, upload, waitForJob } from "../harness.ts";

let system: System;
let author: TestUser;
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
  system = await startSystem({ apis: 1 });
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
