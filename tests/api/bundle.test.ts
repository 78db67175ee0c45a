import { describe, expect, test } from "bun:test";
import { openBundles } from "../../api/blobs/bundle.ts";
import type { ReadableBlob } from "../../db/blob.ts";
import { readTar } from "../../tar.ts";
import { sha256, testLog, waitFor } from "../harness.ts";

const quiet = new AbortController().signal;

/** Bundles over a storage in memory that counts what is read at once. */
function arrange({ patienceMs = 20_000 } = {}) {
  const objects = new Map<string, Uint8Array>();
  const reads: string[] = [];
  const read = async (key: string) => {
    reads.push(key);
    const bytes = objects.get(key);
    if (bytes === undefined) throw new Error(`no object ${key}`);
    return (async function* () {
      yield bytes;
    })();
  };
  const add = (bytes: Uint8Array, stored: Uint8Array | undefined = bytes): ReadableBlob => {
    const digest = sha256(bytes);
    if (stored !== undefined) objects.set(digest, stored);
    return { sha256: digest, key: digest, sizeBytes: bytes.byteLength, access: "private" };
  };
  const bundles = openBundles({ storage: { read }, log: testLog, patienceMs });
  const give = (blobs: ReadableBlob[], who = "somebody") =>
    bundles.give({ sha256: blobs.map((blob) => blob.sha256), blobs, who }, quiet);
  return { bundles, reads, add, give };
}

async function readBundle(response: Response) {
  const found: [string, Buffer][] = [];
  for await (const { name, bytes } of readTar(response.body ?? new ReadableStream(), { maxFileBytes: 1024 ** 2 }))
    found.push([name, Buffer.from(bytes)]);
  const [[, index] = ["", Buffer.from("null")], ...files] = found;
  return { index: JSON.parse(index.toString()), files };
}

describe("openBundles().give()", () => {
  test("keeps the order, says what is too large or not there, and leaves out what is damaged or gone", async () => {
    const { bundles, add } = arrange();
    const good = add(Buffer.from("good"));
    const damaged = add(Buffer.from("damaged"), Buffer.from("dAmaged"));
    const longer = add(Buffer.from("longer"), Buffer.from("longer than it was"));
    const gone = { ...add(Buffer.from("gone")), key: "nowhere" };
    const large = add(new Uint8Array(1024 ** 2 + 1));
    const empty = add(new Uint8Array(0));
    const none = "0".repeat(64);
    const blobs = [large, empty, gone, longer, damaged, good];
    const asked = [good, damaged, longer, gone, good, large, empty].map((blob) => blob.sha256);
    const response = bundles.give({ sha256: [...asked, none], blobs, who: "x" }, quiet);
    const { index, files } = await readBundle(response);
    const announced = [good, damaged, longer, gone, empty].map((blob) => blob.sha256);
    expect(index).toEqual({ files: announced, leftOut: [large.sha256], missing: [none] });
    expect(files.map(([name, bytes]) => [name, bytes.toString()])).toEqual([
      [good.sha256, "good"],
      [empty.sha256, ""],
    ]);
    expect(response.headers.get("cache-control")).toBe("private, no-store");
  });

  test("holds 64 MiB and no more", async () => {
    const { bundles, add } = arrange();
    const blobs = Array.from({ length: 66 }, (_, at) => add(new Uint8Array(1024 ** 2).fill(at)));
    const response = bundles.give({ sha256: blobs.map((blob) => blob.sha256), blobs, who: "x" }, quiet);
    const { index, files } = await readBundle(response);
    expect([files.length, index.leftOut]).toEqual([64, blobs.slice(64).map((blob) => blob.sha256)]);
  });

  test("reads no further ahead than two megabytes of a reader who takes nothing", async () => {
    const { reads, add, give } = arrange();
    const blobs = Array.from({ length: 20 }, (_, at) => add(new Uint8Array(500_000).fill(at)));
    const reader = give(blobs).body?.getReader();
    await reader?.read();
    await Bun.sleep(20);
    expect(reads.length).toBeLessThanOrEqual(6);
    await reader?.cancel();
  });

  test("has four places for one and 32 in all; whoever leaves makes room", async () => {
    const { add, give } = arrange();
    const blobs = [add(Buffer.from("x"))];
    const open = Array.from({ length: 4 }, () => give(blobs));
    expect(() => give(blobs)).toThrow(expect.objectContaining({ code: "too-many", retryAfterSeconds: 2 }));
    for (let other = 0; other < 28; other++) open.push(give(blobs, `other ${other}`));
    expect(() => give(blobs, "one more")).toThrow(expect.objectContaining({ code: "unavailable" }));
    await open[0]?.body?.cancel();
    await readBundle(give(blobs, "one more"));
    await readBundle(give(blobs));
    for (const response of open.slice(1)) await response.body?.cancel();
  });

  test("cuts off who takes nothing for too long: there is room again, and the tar has no end", async () => {
    const { add, give } = arrange({ patienceMs: 30 });
    const blobs = Array.from({ length: 4 }, (_, at) => add(new Uint8Array(200_000).fill(at)));
    const stalled = Array.from({ length: 4 }, () => give(blobs));
    await waitFor(() => {
      try {
        return give(blobs);
      } catch {
        return false;
      }
    }, "a free place");
    const [first] = stalled;
    if (first) await expect(readBundle(first)).rejects.toMatchObject({ code: "unavailable" });
  });
});
