import { expect, test } from "bun:test";
import fc from "fast-check";
import { openSealing, sealedSize } from "../../backup/sealing.ts";

const sealing = openSealing(Buffer.alloc(32, 7));
const headBytes = 32;
const sealedChunkBytes = 64 * 1024 + 16;

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function* inPieces(bytes: Uint8Array, sizes: number[]): AsyncGenerator<Uint8Array> {
  for (let start = 0, index = 0; start < bytes.length; index++) {
    const size = sizes[index % sizes.length] ?? bytes.length;
    yield bytes.subarray(start, start + size);
    start += size;
  }
}

const whole = (bytes: Uint8Array) => inPieces(bytes, [bytes.length || 1]);
const open = (bytes: Uint8Array, name = "a") => collect(sealing.open(whole(bytes), name));
const seal = (bytes: Uint8Array, name = "a") => collect(sealing.close(whole(bytes), name));
const refused = (opening: Promise<unknown>) => expect(opening).rejects.toMatchObject({ code: "invalid" });

test("what is sealed comes back, however it is cut on the way, and has the size that was told", async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 1, maxLength: 5 });
  const lengths = fc.oneof(
    fc.integer({ min: 0, max: 300_000 }),
    fc.constantFrom(0, 1, 65_535, 65_536, 65_537, 131_072),
  );
  await fc.assert(
    fc.asyncProperty(lengths, sizes, sizes, async (length, written, read) => {
      const bytes = crypto.getRandomValues(new Uint8Array(Math.min(length, 65_536)));
      const plain = Buffer.concat(Array.from({ length: Math.ceil(length / 65_536) }, () => bytes)).subarray(0, length);
      const sealed = await collect(sealing.close(inPieces(plain, written), "a"));
      expect(sealed.length).toBe(sealedSize(length));
      expect((await collect(sealing.open(inPieces(sealed, read), "a"))).equals(plain)).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test("no byte can be changed, none left out at the end, and no chunk swapped, doubled or dropped", async () => {
  const plain = Buffer.alloc(3 * 65_536 + 10, "x");
  const sealed = await seal(plain);
  for (const at of [0, 15, 16, 31, 32, 70_000, sealed.length - 1]) {
    const changed = Buffer.from(sealed);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await refused(open(changed));
  }
  for (const length of [
    0,
    10,
    32,
    40,
    headBytes + sealedChunkBytes,
    headBytes + 3 * sealedChunkBytes,
    sealed.length - 1,
  ])
    await refused(open(sealed.subarray(0, length)));
  const head = sealed.subarray(0, headBytes);
  const chunks = Array.from({ length: 4 }, (_, index) =>
    sealed.subarray(headBytes + index * sealedChunkBytes, headBytes + (index + 1) * sealedChunkBytes),
  );
  const [a, b, c, d] = chunks.map((chunk) => chunk ?? Buffer.alloc(0));
  for (const order of [
    [b, a, c, d],
    [a, c, d],
    [a, a, b, c, d],
    [a, b, d],
    [a, b, c, d, d],
  ])
    await refused(open(Buffer.concat([head, ...order.map((chunk) => chunk ?? Buffer.alloc(0))])));
});

test("it opens under its own name and with its own key only", async () => {
  const sealed = await seal(Buffer.from("secret"));
  expect((await open(sealed)).toString()).toBe("secret");
  await refused(open(sealed, "b"));
  const other = openSealing(Buffer.alloc(32, 8));
  await refused(collect(other.open(whole(sealed), "a")));
  expect(sealed.includes("secret")).toBe(false);
  expect((await seal(Buffer.from("secret"))).equals(sealed)).toBe(false);
});
