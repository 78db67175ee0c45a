import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { isPackable, openPackedBodies, packedTag } from "../../api/versions/packed-bodies.ts";
import { publishPack, type System, startSystem } from "../harness.ts";

const body = (size: number, type = "application/json") => new Blob(["x".repeat(size)], { type });
const asking = (accepted?: string) =>
  new Request("http://a", { headers: accepted === undefined ? {} : { "accept-encoding": accepted } });

describe("isPackable()", () => {
  test.each([
    ["gzip", true],
    ["gzip, deflate, br", true],
    ["br;q=1.0, gzip;q=0.8", true],
    ["GZIP", true],
    ["gzip;q=0", false],
    ["gzip;q=0.000, br", false],
    ["br", false],
    ["x-gzipped", false],
    ["", false],
    [undefined, false],
  ])("Accept-Encoding: %s is %p", (accepted, is) => {
    expect(isPackable(asking(accepted), body(2_000))).toBe(is);
  });

  test("what is small, or packed already, is sent as it is", () => {
    expect(isPackable(asking("gzip"), body(100))).toBe(false);
    expect(isPackable(asking("gzip"), body(5_000, "application/zip"))).toBe(false);
    expect(isPackable(asking("gzip"), body(5_000, "text/html; charset=utf-8"))).toBe(true);
  });
});

test("packed bodies are remembered by the tag of what they hold, the oldest go", async () => {
  const packed = openPackedBodies({ maxBytes: 60 });
  const first = await packed.pack('"a"', body(2_000));
  expect(Buffer.from(Bun.gunzipSync(await first.arrayBuffer())).toString()).toBe("x".repeat(2_000));
  expect(packed.find('"a"')).toBe(first);
  await packed.pack('"b"', body(3_000));
  expect(packed.find('"a"')).toBeUndefined();
  expect(packed.find('"b"')).toBeDefined();
  expect(packedTag('"a"')).toBe('"a-gzip"');
});

describe("a manifest", () => {
  let system: System;
  const path = "/v1/packs/packed/versions/1.0.0/manifest";
  beforeAll(async () => {
    system = await startSystem();
    const author = await system.signUp();
    const files = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`mods/${index}.jar`, `jar ${index}`]));
    await publishPack(author, { slug: "packed", version: "1.0.0", files });
  });
  afterAll(() => system?.stop());

  /** Without Bun's own unpacking. */
  const ask = (headers: Record<string, string>) =>
    fetch(`${system.url}${path}`, { headers, decompress: false } as RequestInit);

  test("comes packed for who takes it, with a tag of its own, and is the same bytes", async () => {
    const plain = await ask({ "accept-encoding": "identity" });
    const bytes = Buffer.from(await plain.arrayBuffer());
    expect([plain.headers.get("content-encoding"), plain.headers.get("vary")]).toEqual([null, "accept-encoding"]);
    for (const accepted of ["gzip", "gzip, deflate, br"]) {
      const packed = await ask({ "accept-encoding": accepted });
      const sent = await packed.arrayBuffer();
      expect(packed.headers.get("content-encoding")).toBe("gzip");
      expect(sent.byteLength).toBeLessThan(bytes.length);
      expect(Buffer.from(Bun.gunzipSync(sent))).toEqual(bytes);
      const etag = packed.headers.get("etag") ?? "";
      expect(etag).toBe(packedTag(plain.headers.get("etag") ?? ""));
      expect((await ask({ "accept-encoding": accepted, "if-none-match": etag })).status).toBe(304);
      expect((await ask({ "accept-encoding": "identity", "if-none-match": etag })).status).toBe(200);
    }
  });
});
