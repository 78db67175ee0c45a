import { afterAll, beforeAll, expect, test } from "bun:test";
import { listReadableBlobs } from "../../db/blob.ts";
import { type Flaw, listBrokenFiles } from "../../db/integrity.ts";
import { many, run } from "../../db/query.ts";
import { listMissing } from "../../db/version-file.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { settleAttempt } from "../../workers/settle-blob.ts";
import { storeBytes } from "../../workers/store-bytes.ts";
import { handle } from "../../workers/verify-storage.ts";
import { openTestDeps, sha256 } from "../harness.ts";
import { arrangeVersion, call } from "./arrange.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());

const verify = (payload: { since?: string } = {}) => call(handle, deps, { scope: "all", ...payload });
const verifyAll = () => verify({ since: new Date(Date.now() + 1_000).toISOString() });
const keyOf = async (digest: string) =>
  (
    await many<{ key: string }>(deps.db, {
      name: "test_key",
      text: `select key from blob.blob where sha256 = $1`,
      values: [digest],
    })
  )[0]?.key ?? "";
const age = (contents: string[], days: number) =>
  run(deps.db, {
    name: "test_age_some",
    text: `update blob.blob set verified_at = now() - make_interval(days => $2) where sha256 = any ($1)`,
    values: [contents.map((bytes) => sha256(bytes)), days],
  });
const overwrite = async (key: string, bytes: string) => {
  await deps.storage.remove([key]);
  await deps.storage.write(key, new Blob([bytes]).stream(), { signal: AbortSignal.timeout(10_000) });
};
const facts = (versionId: string) =>
  many<{ kind: string }>(deps.db, {
    name: "test_facts",
    text: `select kind from outbox.fact where kind = 'version.broken' and payload ->> 'versionId' = $1`,
    values: [versionId],
  });
const readable = async (userId: string, digest: string) =>
  (await listReadableBlobs(deps.db, { sha256: [digest], reader: { userId, roles: [] } })).length > 0;
const broken = async (versionId: string): Promise<[string, Flaw][]> =>
  (await listBrokenFiles(deps.db, { versionId, most: 100 })).map(({ path, flaw }) => [path, flaw]);

test("what is missing or changed flags each version that has it, is told once, and is served to nobody", async () => {
  const shared = `shared ${crypto.randomUUID()}`;
  const changed = `changed ${crypto.randomUUID()}`;
  const one = await arrangeVersion(deps, {
    files: [
      { path: "a.txt", bytes: shared },
      { path: "b.txt", bytes: "fine" },
    ],
  });
  const other = await arrangeVersion(deps, {
    files: [
      { path: "c.txt", bytes: shared },
      { path: "d.txt", bytes: changed },
    ],
  });
  const untouched = await arrangeVersion(deps, { files: [{ path: "b.txt", bytes: "fine" }] });
  expect(await verifyAll()).toMatchObject({ missing: 0, changed: 0, restored: 0 });

  await deps.storage.remove([await keyOf(sha256(shared))]);
  await overwrite(await keyOf(sha256(changed)), changed.replace("changed", "CHANGED"));
  // The missing one is found by every run, the changed one (of the same size) when it is read.
  expect(await verify()).toMatchObject({ missing: 1, changed: 0 });
  expect(await verifyAll()).toMatchObject({ missing: 0, changed: 1 });
  expect(await verifyAll()).toMatchObject({ missing: 0, changed: 0, restored: 0 });

  expect(await broken(one.versionId)).toEqual([["a.txt", "missing"]]);
  expect(await broken(other.versionId)).toEqual([
    ["c.txt", "missing"],
    ["d.txt", "changed"],
  ]);
  expect(await broken(untouched.versionId)).toEqual([]);
  expect((await facts(one.versionId)).length).toBe(1);
  expect((await facts(other.versionId)).length).toBe(2); // found by two runs
  expect(await facts(untouched.versionId)).toEqual([]);
  expect(await readable(one.userId, sha256(shared))).toBe(false);
  expect(await readable(other.userId, sha256(changed))).toBe(false);
  expect(await readable(one.userId, sha256("fine"))).toBe(true);
  expect((await listMissing(deps.db, other.versionId)).map(({ paths }) => paths)).toEqual(
    expect.arrayContaining([["c.txt"], ["d.txt"]]),
  );
});

test("a pack that loses many files of many versions is told of it once, of its newest version", async () => {
  const lost = ["one", "two", "three"].map((name) => `${name} ${crypto.randomUUID()}`);
  const files = lost.map((bytes, index) => ({ path: `${index}.txt`, bytes }));
  const { versionId: older } = await arrangeVersion(deps, { files });
  const newer = Bun.randomUUIDv7();
  await run(deps.db, {
    name: "test_next_version",
    text: `insert into pack.version select (jsonb_populate_record(v, jsonb_build_object('id', $2::text, 'number', v.number + 1, 'version', '9'))).*
      from pack.version v where v.id = $1`,
    values: [older, newer],
  });
  await run(deps.db, {
    name: "test_next_files",
    text: `insert into pack.version_file select (jsonb_populate_record(f, jsonb_build_object('version_id', $2::text))).*
      from pack.version_file f where f.version_id = $1`,
    values: [older, newer],
  });
  await deps.storage.remove(await Promise.all(lost.map((bytes) => keyOf(sha256(bytes)))));
  expect(await verify()).toMatchObject({ missing: 3 });
  expect([(await broken(older)).length, (await broken(newer)).length]).toEqual([3, 3]);
  expect([(await facts(older)).length, (await facts(newer)).length]).toEqual([0, 1]);
});

test("bytes that are sent again take the place of broken ones, under a key of their own", async () => {
  const bytes = `again ${crypto.randomUUID()}`;
  const { versionId, userId } = await arrangeVersion(deps, { files: [{ path: "a.txt", bytes }] });
  const former = await keyOf(sha256(bytes));
  await overwrite(former, "something else");
  await verifyAll();
  expect(await broken(versionId)).toEqual([["a.txt", "changed"]]);
  const signal = AbortSignal.timeout(10_000);
  const stored = await storeBytes(deps, { bytes: new Blob([bytes]).stream(), signal, log: deps.log });
  await settleAttempt(deps, { ...stored, settle: async (_tx, makeBlob) => (await makeBlob()) !== undefined });
  expect(await broken(versionId)).toEqual([]);
  expect(await keyOf(sha256(bytes))).toBe(stored.attempt.key);
  expect(await readable(userId, sha256(bytes))).toBe(true);
  const doomed = await many<{ key: string }>(deps.db, {
    name: "test_doomed",
    text: `select key from blob.doomed where key = any ($1)`,
    values: [[former, stored.attempt.key]],
  });
  expect(doomed).toEqual([{ key: former }]);
  expect(await verifyAll()).toMatchObject({ changed: 0, missing: 0 });
});

test("an object that was put back is served again", async () => {
  const bytes = `back ${crypto.randomUUID()}`;
  const { versionId } = await arrangeVersion(deps, { files: [{ path: "a.txt", bytes }] });
  const key = await keyOf(sha256(bytes));
  await deps.storage.remove([key]);
  await verify();
  expect(await broken(versionId)).toEqual([["a.txt", "missing"]]);
  await overwrite(key, bytes);
  expect(await verify()).toMatchObject({ restored: 1 });
  expect(await broken(versionId)).toEqual([]);
});

test("each run reads a share of what was not read for long, and in the end all of it", async () => {
  await run(deps.db, {
    name: "test_age",
    text: `update blob.blob set verified_at = now() - interval '20 days'`,
    values: [],
  });
  const left = async () =>
    (
      await many<{ id: string }>(deps.db, {
        name: "test_left",
        text: `select id from blob.blob where verified_at < now() - interval '19 days' and broken is null`,
        values: [],
      })
    ).length;
  const all = await left();
  const first = await verify();
  expect(Number(first?.read)).toBeGreaterThan(0);
  expect(await left()).toBeLessThan(all);
  expect(await left()).toBeGreaterThan(0);
  await verifyAll();
  expect(await left()).toBe(0);
});

test("what a disk cannot read any more is damaged; what cannot be read now keeps nobody from reading the rest", async () => {
  const [lost, late, fine] = ["lost", "late", "fine"].map((name) => `${name} ${crypto.randomUUID()}`) as [
    string,
    string,
    string,
  ];
  const files = [lost, late, fine].map((bytes, index) => ({ path: `${index}.txt`, bytes }));
  const { versionId } = await arrangeVersion(deps, { files });
  await age([lost, late], 40);
  await age([fine], 39);
  const [badKey, lateKey] = [await keyOf(sha256(lost)), await keyOf(sha256(late))];
  const storage: Deps["storage"] = {
    ...deps.storage,
    read: async (key, options) => {
      if (key === badKey) throw Object.assign(new Error("i/o error"), { code: "EIO" });
      if (key === lateKey) throw new Fault("unavailable", "slow");
      return deps.storage.read(key, options);
    },
  };
  const since = new Date(Date.now() - 30 * 24 * 3_600_000).toISOString();
  expect(await call(handle, { ...deps, storage }, { scope: "all", since })).toMatchObject({ changed: 1, unread: 1 });
  expect(await broken(versionId)).toEqual([["0.txt", "changed"]]);
  const away = { ...storage, check: () => Promise.reject(new Fault("unavailable", "away")) };
  await expect(call(handle, { ...deps, storage: away }, { scope: "all", since })).rejects.toThrow("away");
  expect(await verify({ since })).toMatchObject({ restored: 1, unread: 0 });
});

test("a storage that has lost nearly everything is the wrong one: nothing is flagged", async () => {
  for (let count = 0; count < 25; count += 1)
    await arrangeVersion(deps, { files: [{ path: "a.txt", bytes: `many ${crypto.randomUUID()}` }] });
  const empty = { ...deps.storage, list: async function* () {}, stat: async () => undefined };
  const before = await many(deps.db, {
    name: "test_broken",
    text: `select id from blob.blob where broken is not null`,
    values: [],
  });
  await expect(call(handle, { ...deps, storage: empty }, { scope: "all" })).rejects.toThrow("Is this its bucket");
  const after = await many(deps.db, {
    name: "test_broken",
    text: `select id from blob.blob where broken is not null`,
    values: [],
  });
  expect(after).toEqual(before);
});
