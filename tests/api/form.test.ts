import { expect, test } from "bun:test";
import { readForm } from "../../api/images/form.ts";

const start = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n';
const end = "\r\n--x--\r\n";
const encode = (text: string) => new TextEncoder().encode(text);

type Piece = { bytes: string; afterMs?: number };

/** A form that arrives in pieces, each some time after the one before. */
function makeRequest(pieces: Piece[], { ends = true } = {}): Request {
  const left = [...pieces];
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const next = left.shift();
      if (!next) return ends ? controller.close() : new Promise(() => undefined);
      if (next.afterMs) await Bun.sleep(next.afterMs);
      controller.enqueue(encode(next.bytes));
    },
  });
  const headers = { "content-type": "multipart/form-data; boundary=x" };
  return new Request("http://localhost/v1/upload", { method: "POST", headers, body });
}

const read = (request: Request, patience = { windowMs: 200, leastBytes: 100 }) => {
  let ended = "";
  const take = async ({ bytes }: { bytes: AsyncIterable<Uint8Array> }) => {
    let count = 0;
    try {
      for await (const chunk of bytes) count += chunk.byteLength;
      ended = "whole";
    } catch (error) {
      ended = "broken";
      throw error;
    }
    return count;
  };
  const result = readForm(request, { maxBytes: 10_000, patience, take });
  return { result, ended: () => ended };
};

test("a form that stalls is given up, and whoever takes its file hears of it", async () => {
  const { result, ended } = read(makeRequest([{ bytes: start }, { bytes: "some" }], { ends: false }));
  expect(await result.catch((error) => [error.code, error.message])).toEqual([
    "malformed",
    expect.stringContaining("slowly"),
  ]);
  expect(ended()).toBe("broken");
});

test("a trickle is given up although something comes all the time", async () => {
  const trickle = Array.from({ length: 1_000 }, () => ({ bytes: "y", afterMs: 5 }));
  const { result, ended } = read(makeRequest([{ bytes: start }, ...trickle]));
  expect(await result.catch((error) => error.message)).toContain("slowly");
  expect(ended()).toBe("broken");
});

test("slow but honest bytes arrive", async () => {
  const honest = Array.from({ length: 30 }, () => ({ bytes: "y".repeat(50), afterMs: 5 }));
  const { result, ended } = read(makeRequest([{ bytes: start }, ...honest, { bytes: end }]));
  expect([await result, ended()]).toEqual([1_500, "whole"]);
});

test("a file waits for its form to end: what is behind it may still spoil it", async () => {
  const { result, ended } = read(makeRequest([{ bytes: start }, { bytes: `abc\r\n${start}def${end}` }]));
  expect(await result.catch((error) => error.message)).toContain("one file");
  expect(ended()).not.toBe("");
});

test("a form in single bytes is read as one in a piece", async () => {
  const pieces = [...`${start}abc${end}`].map((bytes) => ({ bytes }));
  expect(await read(makeRequest(pieces), { windowMs: 5_000, leastBytes: 1 }).result).toBe(3);
});
