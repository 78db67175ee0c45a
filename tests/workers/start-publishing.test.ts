import { afterAll, beforeAll, expect, test } from "bun:test";
import { insertBlocked } from "../../db/blob.ts";
import { cancelPublishing, schedulePublishing } from "../../db/schedule.ts";
import type { Deps } from "../../deps.ts";
import { handle } from "../../workers/start-publishing.ts";
import { long, openTestDeps, sha256 } from "../harness.ts";
import { arrangeVersion, call, query } from "./arrange.ts";

let deps: Deps;

beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());

/** A complete draft whose time has come. */
async function arrangeDue() {
  const arranged = await arrangeVersion(deps, { files: [{ path: "a.txt", bytes: "a" }], published: false });
  const { versionId: id, userId } = arranged;
  await schedulePublishing(deps.db, { id, at: new Date(Date.now() - 1_000), userId, expiresSeconds: 60 });
  return arranged;
}

async function look(versionId: string) {
  const [row] = await query(
    deps,
    `select v.state, v.publish_at as "publishAt",
      (select count(*)::integer from job.job where subject = v.id::text) as jobs,
      (select coalesce(max(wanted), 0)::integer from job.job where subject = v.id::text) as wanted,
      (select count(*)::integer from outbox.fact where kind = 'version.publish-failed' and payload ->> 'versionId' = v.id::text) as failures
      from pack.version v where v.id = $1`,
    [versionId],
  );
  return row;
}

const tick = () => call(handle, deps, {});
const started = { state: "publishing", publishAt: null, jobs: 1, wanted: 1, failures: 0 };
const left = { state: "draft", publishAt: null, jobs: 0, wanted: 0 };

test("of two runs at once, one starts publishing, once", async () => {
  for (let round = 0; round < (long ? 200 : 10); round++) {
    const { versionId } = await arrangeDue();
    const runs = await Promise.all([tick(), tick(), tick()]);
    expect(runs.map((result) => Number(result?.started)).reduce((sum, one) => sum + one)).toBe(1);
    expect(await look(versionId)).toEqual(started);
  }
});

test("cancelled at the moment that it is due, it is either published or it waits for ever", async () => {
  for (let round = 0; round < (long ? 500 : 25); round++) {
    const { versionId } = await arrangeDue();
    const first = round % 2 === 0 ? tick() : undefined;
    const cancelling = cancelPublishing(deps.db, versionId);
    const [cancelled] = await Promise.all([cancelling, first ?? tick()]);
    expect(await look(versionId)).toEqual(cancelled === 1 ? { ...left, failures: 0 } : started);
  }
});

test("who may no longer publish, and what is blocked by now, publishes nothing, and that is told once", async () => {
  const disabled = await arrangeDue();
  await query(deps, `update account."user" set disabled_at = now() where id = $1`, [disabled.userId]);
  const erased = await arrangeDue();
  await query(deps, `update pack.version set publish_by = null where id = $1`, [erased.versionId]);
  await Promise.all([tick(), tick()]);
  for (const { versionId } of [disabled, erased]) expect(await look(versionId)).toEqual({ ...left, failures: 1 });
  const blocked = await arrangeDue();
  await insertBlocked(deps.db, { sha256: [sha256("a")], reason: "test" });
  await tick();
  expect(await look(blocked.versionId)).toEqual({ ...left, failures: 1 });
});

test("of a deleted pack nothing is published", async () => {
  const { packId, versionId } = await arrangeDue();
  await query(deps, `update pack.pack set deleted_at = now() where id = $1`, [packId]);
  expect(await tick()).toEqual({ started: 0 });
  expect(await look(versionId)).toMatchObject({ state: "draft", jobs: 0, failures: 0 });
});
