import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Deps } from "../../deps.ts";
import { digestStream } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { storeBytes } from "../../workers/store-bytes.ts";
import { openTestDeps, parts } from "../harness.ts";
import { query } from "./arrange.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());

const mebibyte = 1024 ** 2;

async function* pieces(count: number, { failAt = -1 }: { failAt?: number } = {}): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index++) {
    if (index === failAt) throw new Fault("conflict", "the source broke");
    yield new Uint8Array(mebibyte).fill(index);
  }
}

const store = (bytes: AsyncIterable<Uint8Array>, more: { sizeBytes?: number; signal?: AbortSignal } = {}) =>
  storeBytes(deps, { bytes, signal: new AbortController().signal, log: deps.log, ...more });

// Around the 16 MiB of one part of an S3 upload.
test.each([0, 1, 15, 16, 17, 40])("%i MiB are stored with their digests, their size known or not", async (count) => {
  for (const sizeBytes of [undefined, count * mebibyte]) {
    const { attempt, digests } = await store(pieces(count), sizeBytes === undefined ? {} : { sizeBytes });
    expect(digests).toEqual(await digestStream(pieces(count)));
    const { signal } = new AbortController();
    expect(await digestStream(await deps.storage.read(attempt.key, { signal }))).toEqual(digests);
    expect(await query(deps, `select key from blob.attempt where id = $1`, [attempt.id])).toEqual([
      { key: attempt.key },
    ]);
  }
});

const failures: { what: string; bytes: () => AsyncIterable<Uint8Array>; sizeBytes?: number; code: string }[] = [
  { what: "whose source breaks at once", bytes: () => pieces(1, { failAt: 0 }), code: "conflict" },
  { what: "whose source breaks in the first part", bytes: () => pieces(10, { failAt: 5 }), code: "conflict" },
  { what: "whose source breaks in a later part", bytes: () => pieces(60, { failAt: 50 }), code: "conflict" },
  { what: "that is too short", bytes: () => pieces(3), sizeBytes: 4 * mebibyte, code: "invalid" },
  { what: "that is too short by parts", bytes: () => pieces(30), sizeBytes: 40 * mebibyte, code: "invalid" },
  { what: "that is too long", bytes: () => pieces(30), sizeBytes: 20 * mebibyte, code: "invalid" },
];
test.each(failures)(
  "a stream $what leaves no object, only a note for the sweep",
  async ({ bytes, sizeBytes, code }) => {
    const before = await Array.fromAsync(deps.storage.list("blobs/"));
    const attempts = await query(deps, `select 1 from blob.attempt`);
    const doomed = await query(deps, `select 1 from blob.doomed`);
    const error = await store(bytes(), sizeBytes === undefined ? {} : { sizeBytes }).catch((cause) => cause);
    expect(error).toBeInstanceOf(Fault);
    expect(error.code).toBe(code);
    expect(await Array.fromAsync(deps.storage.list("blobs/"))).toHaveLength(before.length);
    expect(await query(deps, `select 1 from blob.attempt`)).toHaveLength(attempts.length);
    expect(await query(deps, `select 1 from blob.doomed`)).toHaveLength(doomed.length + 1);
    if (parts === "cluster") expect(await Array.fromAsync(deps.storage.listOpenParts())).toEqual([]);
  },
);

test("a stream whose source hangs ends with the reason of the signal", async () => {
  for (const count of [1, 30]) {
    const stop = new AbortController();
    const reason = new Fault("unavailable", "enough");
    async function* hang(): AsyncGenerator<Uint8Array> {
      yield* pieces(count);
      const { promise, reject } = Promise.withResolvers<never>();
      stop.signal.addEventListener("abort", () => reject(stop.signal.reason));
      queueMicrotask(() => stop.abort(reason));
      await promise;
    }
    expect(await store(hang(), { signal: stop.signal }).catch((cause) => cause)).toBe(reason);
  }
});
