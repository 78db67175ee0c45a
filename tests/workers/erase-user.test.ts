import { afterAll, beforeAll, expect, test } from "bun:test";
import { userReferences } from "../../db/erase.ts";
import { doomHiddenUsers, hideUser } from "../../db/hidden-user.ts";
import { insertOrganization } from "../../db/organization.ts";
import { insertMember } from "../../db/organization-member.ts";
import { updatePackOwner } from "../../db/pack.ts";
import { many, one, run } from "../../db/query.ts";
import { insertReport } from "../../db/report.ts";
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

test("what he brought into an organization stays in the name of its owner, also when three runs erase him at once", async () => {
  const { db } = deps;
  const [userId, ownerId, heirId] = [await addUser(db), await addUser(db), await addUser(db)];
  const make = async (owner: string, members: string[]) => {
    const id = Bun.randomUUIDv7();
    const page = { slug: `o-${id}`, name: "Team", description: {}, links: {}, visibility: "public" } as const;
    await insertOrganization(db, { id, ...page, ownerId: owner });
    for (const member of members) await insertMember(db, { organizationId: id, userId: member, role: "member" });
    return id;
  };
  const [left, passed, ended] = [await make(ownerId, [userId]), await make(userId, [heirId]), await make(userId, [])];
  const packs: string[] = [];
  for (const organizationId of [left, passed, ended]) {
    const id = await addPack(db, userId);
    packs.push(id);
    await updatePackOwner(db, { id, ownerId: userId, organizationId });
  }
  const report = { kind: "user", subjectId: userId, subject: userId, reason: "spam", text: "his words" } as const;
  await insertReport(db, { id: Bun.randomUUIDv7(), reporterId: ownerId, ...report, most: 10 });
  await hideUser(db, { id: userId, eraseAfterDays: 0 });
  await db.transaction((tx) => doomHiddenUsers(tx, 100));
  await Promise.all([erase(userId), erase(userId), erase(userId)]);
  const owners = await many<{ ownerId: string; deleted: boolean }>(db, {
    name: "test_pack_owners",
    text: `select owner_id as "ownerId", deleted_at is not null as deleted from pack.pack where id = any ($1::uuid[]) order by id`,
    values: [packs],
  });
  expect(owners).toEqual([
    { ownerId, deleted: false },
    { ownerId: heirId, deleted: false },
    { ownerId: userId, deleted: true },
  ]);
  const remains = await one<Record<string, number>>(db, {
    name: "test_community_left",
    text: `select (select count(*) from organization.member where user_id = $1) as members, (select count(*) from community.report where subject_id = $1) as reports,
      (select count(*) from organization.organization where id = $2 and deleted_at is not null and name = '') as ended,
      (select count(*) from organization.member where organization_id = $3 and user_id = $4 and role = 'owner') as heirs`,
    values: [userId, ended, passed, heirId],
  });
  expect(remains).toEqual({ members: 0, reports: 0, ended: 1, heirs: 1 });
});

test("events of his own leave nothing but their address; those of organizations go on", async () => {
  const { db } = deps;
  const [userId, guestId] = [await addUser(db), await addUser(db)];
  const organizationId = Bun.randomUUIDv7();
  const page = { slug: `o-${organizationId}`, name: "Team", description: {}, links: {}, visibility: "public" } as const;
  await insertOrganization(db, { id: organizationId, ...page, ownerId: guestId });
  const [own, shared] = [Bun.randomUUIDv7(), Bun.randomUUIDv7()];
  for (const [id, organization] of [
    [own, null],
    [shared, organizationId],
  ])
    await run(db, {
      name: "test_event",
      text: `with e as (
          insert into event.event (id, slug, owner_id, organization_id, title, text, place, starts_at, ends_at, time_zone)
          values ($1, $2, $3, $4, '{"en":"His party"}', '{"en":"At my place"}', '{"kind":"physical","address":"his home"}', now(), now(), 'UTC') returning id),
        o as (insert into event.occurrence (id, event_id, recurs_at, starts_at, ends_at, taken) select $1, id, now(), now() + '1 day', now() + '1 day', 1 from e returning id)
        insert into event.registration (id, occurrence_id, user_id, state, answers) select $1, id, $5, 'confirmed', '{"nick":"guest"}' from o`,
      values: [id, `e-${id}`, userId, organization, guestId],
    });
  await hideUser(db, { id: userId, eraseAfterDays: 0 });
  await db.transaction((tx) => doomHiddenUsers(tx, 100));
  await Promise.all([erase(userId), erase(userId)]);
  const left = await many<Record<string, unknown>>(db, {
    name: "test_events_left",
    text: `select e.title || e.text || e.place as words, e.deleted_at is not null as deleted, (select count(*) from event.occurrence o where o.event_id = e.id) as occurrences,
        (select count(*) from event.registration r where r.user_id = $2 and r.id = e.id) as registrations
      from event.event e where e.id = any ($1::uuid[]) order by e.id`,
    values: [[own, shared], guestId],
  });
  expect(left).toEqual([
    { words: {}, deleted: true, occurrences: 0, registrations: 0 },
    {
      words: { en: "At my place", kind: "physical", address: "his home" },
      deleted: false,
      occurrences: 1,
      registrations: 1,
    },
  ]);
});
