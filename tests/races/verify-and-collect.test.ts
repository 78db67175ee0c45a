import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Deps } from "../../deps.ts";
import { settleAttempt } from "../../workers/settle-blob.ts";
import { storeBytes } from "../../workers/store-bytes.ts";
import { handle as sweep } from "../../workers/sweep-storage.ts";
import { handle as verify } from "../../workers/verify-storage.ts";
import { long, openTestDeps, sha256 } from "../harness.ts";
import { arrangeVersion, call, findLeftovers, query } from "../workers/arrange.ts";

const runMs = long ? 30_000 : 2_000;
const contents = Array.from({ length: 12 }, (_, index) => `content ${index}`);
/** Of a version; the collector may take the others. */
const named = contents.slice(0, 8);
let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps({ SWEEP_GRACE_SECONDS: "0", SWEEP_DOOMED_SECONDS: "0", SWEEP_MAX_SHARE: "1" });
});
afterAll(() => deps?.close());

const wrong = "wrong";
const read = async (key: string) =>
  Buffer.concat(await Array.fromAsync(await deps.storage.read(key, { signal: signal() }))).toString();
const signal = () => AbortSignal.timeout(30_000);
const pick = () => contents[Math.floor(Math.random() * contents.length)] ?? "";
const keyOf = async (bytes: string): Promise<string | undefined> =>
  (await query(deps, `select key from blob.blob where sha256 = $1`, [sha256(bytes)]))[0]?.key;
const send = async (bytes: string) => {
  const stored = await storeBytes(deps, { bytes: new Blob([bytes]).stream(), signal: signal(), log: deps.log });
  await settleAttempt(deps, { ...stored, settle: async (_tx, makeBlob) => (await makeBlob()) !== undefined });
};
const damage = async () => {
  const key = await keyOf(pick());
  if (key === undefined) return;
  await deps.storage.remove([key]);
  if (Math.random() < 0.5) await deps.storage.write(key, new Blob([wrong]).stream(), { signal: signal() });
};
const verifyAll = (aheadMs: number) =>
  call(verify, deps, { scope: "all", since: new Date(Date.now() + aheadMs).toISOString() });

test("objects get lost while they are verified, collected and sent again: in the end each row has its bytes", async () => {
  await arrangeVersion(deps, { files: named.map((bytes, index) => ({ path: `${index}.txt`, bytes })) });
  const until = performance.now() + runMs;
  const again = async (work: () => Promise<unknown>) => {
    while (performance.now() < until) await work();
  };
  await Promise.all([
    again(() => send(pick())),
    again(() => send(pick())),
    again(() => call(verify, deps, { scope: "all" })),
    again(() => verifyAll(-5)),
    again(() => call(sweep, deps, { scope: "all" })),
    again(() => call(sweep, deps, { scope: "all" })),
    again(damage),
  ]);
  // What is damaged and not found yet is found; what is found is mended.
  await verifyAll(1_000);
  for (const bytes of named) await send(bytes);
  expect(await verifyAll(1_000)).toMatchObject({ missing: 0, changed: 0 });
  await call(sweep, deps, { scope: "all" });
  for (const bytes of named) expect(await read((await keyOf(bytes)) ?? "")).toBe(bytes);
  expect(await query(deps, `select sha256 from blob.blob where broken is not null`)).toEqual([]);
  const { objects, rows } = await findLeftovers(deps);
  expect(rows).toEqual([]);
  // What is no named object's may be damage that came when the collector had just been there.
  for (const key of objects) expect(await read(key)).toBe(wrong);
  expect(await query(deps, `select d.key from blob.doomed d join blob.blob b on b.key = d.key`)).toEqual([]);
}, 120_000);
