import { afterAll, beforeAll, expect, test } from "bun:test";
import { deleteArchivesHolding } from "../../db/archive.ts";
import { insertBlocked } from "../../db/blob.ts";
import { withdrawVersion } from "../../db/version.ts";
import type { Deps } from "../../deps.ts";
import { handle } from "../../workers/build-solder.ts";
import { openTestDeps, sha256 } from "../harness.ts";
import { arrangeVersion, call, findLeftovers, query } from "./arrange.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());

const shared = { path: "mods/shared.jar", bytes: "shared" };
const own = () => ({ path: "mods/own.jar", bytes: Bun.randomUUIDv7() });

const modsOf = (versionId: string) =>
  query<{ name: string; version: string; key: string; md5: string }>(
    deps,
    `select m.name, m.mod_version as version, b.key, b.md5 from pack.solder_mod m join blob.blob b on b.id = m.blob_id
      where m.version_id = $1 order by m.name`,
    [versionId],
  );

test("a jar that another version has packed is not packed again", async () => {
  const first = await arrangeVersion(deps, { files: [shared, own()] });
  expect(await call(handle, deps, { versionId: first.versionId })).toEqual({ state: "built", zips: 2, made: 2 });
  const second = await arrangeVersion(deps, { files: [shared, own()] });
  expect(await call(handle, deps, { versionId: second.versionId })).toEqual({ state: "built", zips: 2, made: 1 });
  const [a, b] = [await modsOf(first.versionId), await modsOf(second.versionId)];
  expect(b.map(({ name }) => name)).toEqual(["own", "shared"]);
  expect([a[1], a[0]?.md5 === b[0]?.md5]).toEqual([b[1] as never, false]);
  expect(await call(handle, deps, { versionId: second.versionId })).toEqual({ state: "built", zips: 2, made: 0 });
});

test("zips are kept once when the same message runs three times at once", async () => {
  const files = ["a", "b", "c"].map((name) => ({ path: `mods/${name}.jar`, bytes: Bun.randomUUIDv7() }));
  const { versionId } = await arrangeVersion(deps, { files });
  const results = await Promise.all(Array.from({ length: 3 }, () => call(handle, deps, { versionId })));
  expect(results.map((result) => result?.state)).toEqual(["built", "built", "built"]);
  expect((await modsOf(versionId)).map(({ name }) => name)).toEqual(["a", "b", "c"]);
  expect(await query(deps, `select key from blob.attempt union all select key from blob.doomed`)).toEqual([]);
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
});

test("a zip whose bytes are broken is packed again, and is the same", async () => {
  const { versionId } = await arrangeVersion(deps, { files: [own()] });
  await call(handle, deps, { versionId });
  const [before] = await modsOf(versionId);
  await query(deps, `update blob.blob set broken = 'missing', broken_at = now() where key = $1`, [before?.key]);
  expect(await call(handle, deps, { versionId })).toEqual({ state: "built", zips: 1, made: 1 });
  const [after] = await modsOf(versionId);
  expect([after?.md5, after?.version]).toEqual([before?.md5 as never, before?.version as never]);
  expect(await query(deps, `select from blob.blob where key = $1 and broken is not null`, [after?.key])).toEqual([]);
});

test("a withdrawn version lets its zips go and gets no new ones; those of others stay", async () => {
  const [gone, kept] = [
    await arrangeVersion(deps, { files: [shared] }),
    await arrangeVersion(deps, { files: [shared] }),
  ];
  for (const { versionId } of [gone, kept]) await call(handle, deps, { versionId });
  await deps.db.transaction((tx) => withdrawVersion(tx, { id: gone.versionId, reason: "test" }));
  expect(await call(handle, deps, { versionId: gone.versionId })).toEqual({ state: "gone" });
  expect([await modsOf(gone.versionId), (await modsOf(kept.versionId)).length]).toEqual([[], 1]);
});

test("bytes that are blocked are in no zip any more, and in none that is made", async () => {
  const bad = own();
  const { versionId } = await arrangeVersion(deps, { files: [bad, shared] });
  await call(handle, deps, { versionId });
  await deps.db.transaction(async (tx) => {
    await insertBlocked(tx, { sha256: [sha256(bad.bytes)], reason: "malware" });
    await deleteArchivesHolding(tx, [sha256(bad.bytes)]);
  });
  expect(await modsOf(versionId)).toEqual([]);
  await expect(call(handle, deps, { versionId })).rejects.toMatchObject({
    code: "conflict",
    errors: [{ detail: "mods/own.jar" }],
  });
  expect((await modsOf(versionId)).map(({ name }) => name)).not.toContain("own");
});

test("a version of references is refused, by the paths that lack their bytes", async () => {
  const away = { path: "mods/away.jar", url: "https://cdn.example/a.jar", digests: { sha512: "0".repeat(128) } };
  const { versionId } = await arrangeVersion(deps, { files: [shared, away] });
  await expect(call(handle, deps, { versionId })).rejects.toMatchObject({
    code: "conflict",
    errors: [{ detail: "mods/away.jar" }],
  });
});
