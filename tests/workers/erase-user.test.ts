import { afterAll, beforeAll, expect, test } from "bun:test";
import { userReferences } from "../../db/erase.ts";
import { doomHiddenUsers, hideUser } from "../../db/hidden-user.ts";
import { many, one, run } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { stagingKey } from "../../storage/keys.ts";
import { handle } from "../../workers/erase-user.ts";
import { openTestDeps, testLog } from "../harness.ts";
import { addBlob, addPack, addUpload, addUser } from "../storage-rows.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());

const erase = (userId: string) => {
  const { signal } = new AbortController();
  return handle({ payload: { userId }, wanted: 1, deps, signal, progress: () => undefined, log: testLog });
};

/** A user whose time is over, with a file, a pack and uploads; `kept` is bytes that others have too. */
async function arrange(): Promise<{ userId: string; otherId: string; staged: string }> {
  const [userId, otherId] = [await addUser(deps.db), await addUser(deps.db)];
  const blob = await addBlob(deps, `bytes of ${userId}`);
  const own = { ownerId: userId, blob };
  await addUpload(deps.db, { ...own, state: "verified" });
  await addUpload(deps.db, { ownerId: otherId, blob, state: "verified" });
  const waiting = await addUpload(deps.db, { ownerId: userId, state: "waiting" });
  await deps.storage.write(stagingKey(waiting), new Blob(["half"]).stream(), {
    sizeBytes: 4,
    signal: AbortSignal.timeout(10_000),
  });
  for (const ownerId of [userId, otherId])
    await run(deps.db, {
      name: "test_file_insert",
      text: `insert into file.file (id, owner_id, name, blob_id) values ($1, $2, 'map.zip', $3)`,
      values: [Bun.randomUUIDv7(), ownerId, blob.id],
    });
  await addPack(deps.db, userId);
  await addPack(deps.db, otherId);
  return { userId, otherId, staged: stagingKey(waiting) };
}

const listStaged = async () => (await Array.fromAsync(deps.storage.list("staging/"))).map(({ key }) => key);

/** What is left of somebody, by table. */
const count = (userId: string) =>
  one<Record<string, number>>(deps.db, {
    name: "test_count_left",
    text: `select (select count(*) from blob.upload where owner_id = $1) as uploads, (select count(*) from blob.quota where user_id = $1) as quotas,
      (select count(*) from file.file where owner_id = $1) as files,
      (select count(*) from pack.pack where owner_id = $1 and deleted_at is null) as packs`,
    values: [userId],
  });

test("an account whose time is over is erased, with the objects of its uploads; what others have of the same bytes stays", async () => {
  const { userId, otherId, staged } = await arrange();
  const others = await count(otherId);
  expect(await listStaged()).toContain(staged);
  await hideUser(deps.db, { id: userId, eraseAfterDays: 0 });
  expect(await deps.db.transaction((tx) => doomHiddenUsers(tx, 100))).toContain(userId);
  expect(await erase(userId)).toMatchObject({ state: "erased", uploads: 2, files: 1, packs: 1 });
  expect(await count(userId)).toEqual({ uploads: 0, quotas: 0, files: 0, packs: 0 });
  expect(await listStaged()).not.toContain(staged);
  expect(await count(otherId)).toEqual(others);
});

test("the handler may run twice, also at the same time", async () => {
  const { userId } = await arrange();
  await hideUser(deps.db, { id: userId, eraseAfterDays: 0 });
  await deps.db.transaction((tx) => doomHiddenUsers(tx, 100));
  const runs = await Promise.all([erase(userId), erase(userId), erase(userId)]);
  expect(runs.map((run) => run?.state)).toEqual(["erased", "erased", "erased"]);
  expect(runs.reduce((sum, run) => sum + Number(run?.files), 0)).toBe(1);
  expect(runs.reduce((sum, run) => sum + Number(run?.packs), 0)).toBe(1);
  expect(await count(userId)).toEqual({ uploads: 0, quotas: 0, files: 0, packs: 0 });
});

test("an account that is not hidden, or can still be had back, is not touched", async () => {
  const { userId } = await arrange();
  const before = await count(userId);
  expect(await erase(userId)).toEqual({ state: "kept" });
  await hideUser(deps.db, { id: userId, eraseAfterDays: 1 });
  expect(await deps.db.transaction((tx) => doomHiddenUsers(tx, 100))).not.toContain(userId);
  expect(await erase(userId)).toEqual({ state: "kept" });
  expect(await count(userId)).toEqual(before);
});

test("every column that names a user is erased, or kept for a reason that is written down", async () => {
  const columns = await many<{ name: string }>(deps.db, {
    name: "test_user_references",
    text: `select format('%s.%s.%s', n.nspname, c.relname, a.attname) as name
      from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
      join pg_attribute a on a.attrelid = c.oid and a.attnum = any (k.conkey)
      where k.contype = 'f' and k.confrelid = 'account."user"'::regclass order by 1`,
    values: [],
  });
  expect(columns.map(({ name }) => name)).toEqual(Object.keys(userReferences).sort());
});
