import { describe, expect, test } from "bun:test";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { digestStream, murmurLimitBytes, readChunks } from "../../digest.ts";

const python = Bun.which("python3");
const sums = ["md5sum", "sha1sum", "sha256sum", "sha512sum"].every((tool) => Bun.which(tool) !== null);

async function* inChunks(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += chunkBytes) yield bytes.subarray(start, start + chunkBytes);
}

async function run(command: string[], stdin: Uint8Array): Promise<string> {
  const child = Bun.spawn(command, { stdin, stdout: "pipe" });
  const text = await new Response(child.stdout).text();
  expect(await child.exited).toBe(0);
  return text.trim();
}

/** Pseudo-random and the same each time; every third byte is white space when `spaced`. */
function sampleBytes(sizeBytes: number, spaced = false): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let state = 12345;
  for (let index = 0; index < sizeBytes; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = spaced && index % 3 === 0 ? 9 + (index % 2) : state >>> 24;
  }
  return bytes;
}

const pythonReference = `
import sys, zlib
data = sys.stdin.buffer.read()
kept = bytes(b for b in data if b not in (9, 10, 13, 32))
m, mask = 0x5bd1e995, 0xffffffff
h = 1 ^ len(kept)
whole = len(kept) // 4 * 4
for i in range(0, whole, 4):
    k = int.from_bytes(kept[i:i+4], "little") * m & mask
    k = (k ^ k >> 24) * m & mask
    h = (h * m & mask) ^ k
if whole < len(kept):
    h = (h ^ int.from_bytes(kept[whole:], "little")) * m & mask
h = (h ^ h >> 13) * m & mask
print(zlib.crc32(data), h ^ h >> 15)
`;

const inputs: [name: string, bytes: Uint8Array][] = [
  ["nothing", new Uint8Array(0)],
  ["one byte", Uint8Array.of(200)],
  ["only white space", Buffer.from(" \t\r\n ")],
  ["5 bytes", Buffer.from("a b\nc d\te")],
  ["6 bytes after filtering", Buffer.from("ab cd ef")],
  ["7 bytes after filtering", Buffer.from("ab cd efg")],
  ["text", Buffer.from("привет, мир\r\n".repeat(1000))],
  ["a megabyte and a bit", sampleBytes(1_048_579)],
  ["half white space", sampleBytes(700_001, true)],
];

describe("digestStream()", () => {
  test("knows the published answers for abc", async () => {
    expect(await digestStream(inChunks(Buffer.from("abc"), 1))).toMatchObject({
      sizeBytes: 3,
      md5: "900150983cd24fb0d6963f7d28e17f72",
      sha1: "a9993e364706816aba3e25717850c26c9cd0d89d",
      sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      crc32: 0x352441c2,
    });
  });

  test.skipIf(!sums).each(inputs)(
    `agrees with coreutils on %s${sums ? "" : " (skipped: no coreutils)"}`,
    async (_, bytes) => {
      const digests = await digestStream(inChunks(bytes, 4099));
      expect(digests.sizeBytes).toBe(bytes.byteLength);
      for (const name of ["md5", "sha1", "sha256", "sha512"] as const) {
        expect(digests[name]).toBe((await run([`${name}sum`], bytes)).split(" ")[0] ?? "");
      }
    },
  );

  test.skipIf(python === null).each(inputs)(
    `agrees with Python about crc32 and murmur2 of %s${python === null ? " (skipped: no python3)" : ""}`,
    async (_, bytes) => {
      const digests = await digestStream(inChunks(bytes, 65_537));
      expect(`${digests.crc32} ${digests.murmur2}`).toBe(await run([python ?? "", "-c", pythonReference], bytes));
    },
  );

  test("does not depend on how the bytes are cut", async () => {
    const whole = sampleBytes(600_000, true);
    const expected = await digestStream(inChunks(whole, whole.byteLength));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: whole.byteLength }), { maxLength: 12 }), async (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), whole.byteLength];
        async function* cut() {
          for (const [index, edge] of edges.entries()) yield whole.subarray(edges[index - 1] ?? 0, edge);
        }
        expect(await digestStream(cut())).toEqual(expected);
      }),
      { numRuns: 20 },
    );
  });

  test("gives murmur2 up to its limit and null one byte above", async () => {
    const megabyte = sampleBytes(1024 * 1024);
    async function* bytes(extra: number) {
      for (let sent = 0; sent < murmurLimitBytes; sent += megabyte.byteLength) yield megabyte;
      if (extra > 0) yield megabyte.subarray(0, extra);
    }
    const atLimit = await digestStream(bytes(0));
    expect(atLimit.sizeBytes).toBe(murmurLimitBytes);
    expect(atLimit.murmur2).toBeNumber();
    const above = await digestStream(bytes(1));
    expect(above.murmur2).toBeNull();
    expect(above.crc32).toBe(crc32(megabyte.subarray(0, 1), atLimit.crc32));
  });

  test("begins no murmur2 when more than its limit is announced", async () => {
    const some = async function* () {
      yield new TextEncoder().encode("abc");
    };
    expect((await digestStream(some(), { announcedBytes: murmurLimitBytes + 1 })).murmur2).toBeNull();
    expect((await digestStream(some(), { announcedBytes: murmurLimitBytes })).murmur2).toBeNumber();
  });

  test("computes sha256 and the size alone when asked, and tells the bytes that passed", async () => {
    const totals: number[] = [];
    const onBytes = (total: number) => totals.push(total);
    const bytes = sampleBytes(2500);
    const digests = await digestStream(inChunks(bytes, 1000), { sha256Only: true, onBytes });
    expect(digests).toEqual({ sizeBytes: 2500, sha256: new Bun.CryptoHasher("sha256").update(bytes).digest("hex") });
    expect(totals).toEqual([1000, 2000, 2500]);
  });

  test("rejects with the stream's error", async () => {
    async function* broken() {
      yield new Uint8Array(10);
      throw new Error("the disk went away");
    }
    await expect(digestStream(broken())).rejects.toThrow("the disk went away");
  });
});

describe("an abort", () => {
  test("ends a read that hangs, with the signal's reason", async () => {
    const abort = new AbortController();
    const asked = Promise.withResolvers<void>();
    async function* hanging() {
      yield new Uint8Array(10);
      asked.resolve();
      await new Promise(() => {});
    }
    const digesting = digestStream(hanging(), { signal: abort.signal });
    await asked.promise;
    abort.abort(new Error("enough"));
    await expect(digesting).rejects.toThrow("enough");
  });

  test("that came before reads nothing, and closes the stream", async () => {
    let reads = 0;
    let closed = false;
    const stream: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          reads += 1;
          return { done: false, value: new Uint8Array(1) };
        },
        return: async () => {
          closed = true;
          return { done: true, value: undefined };
        },
      }),
    };
    await expect(digestStream(stream, { signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    expect([reads, closed]).toEqual([0, true]);
  });

  test("is not needed for a reader that leaves early to close its stream", async () => {
    const closed = Promise.withResolvers<string>();
    async function* stream() {
      try {
        for (;;) yield new Uint8Array(1);
      } finally {
        closed.resolve("closed");
      }
    }
    for await (const _ of readChunks(stream())) break;
    expect(await closed.promise).toBe("closed");
  });
});
