import { afterAll, beforeAll, expect, test } from "bun:test";
import { publishPack, type System, sha256, startSystem, type TestUser } from "../harness.ts";

let system: System;
let author: TestUser;

beforeAll(async () => {
  system = await startSystem();
  author = await system.signUp("author");
});
afterAll(() => system?.stop());

test("a version goes from upload over verification and publishing to its bytes", async () => {
  await publishPack(author, {
    slug: "first",
    version: "1.0.0",
    files: { "mods/a.jar": "bytes of a", "config/b.txt": "b" },
  });
  const manifest = await system.call("GET", "/v1/packs/first/versions/1.0.0/manifest");
  expect(manifest.status).toBe(200);
  expect(manifest.json.files.map((file: { path: string }) => file.path)).toEqual(["config/b.txt", "mods/a.jar"]);
  expect(manifest.json.files[1].digests.sha256).toBe(sha256("bytes of a"));
  const again = await system.call("GET", "/v1/packs/first/versions/1.0.0/manifest", {
    headers: { "if-none-match": manifest.headers.get("etag") ?? "" },
  });
  expect(again.status).toBe(304);
  const redirect = await system.call("GET", manifest.json.files[1].url);
  expect(redirect.status).toBe(307);
  expect(redirect.headers.get("cache-control")).toBe("no-store");
  const bytes = await fetch(redirect.headers.get("location") ?? "");
  expect(await bytes.text()).toBe("bytes of a");
  const part = await fetch(redirect.headers.get("location") ?? "", { headers: { range: "bytes=6-7" } });
  expect([part.status, await part.text()]).toEqual([206, "of"]);
});
