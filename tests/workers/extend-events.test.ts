import { afterAll, beforeAll, expect, test } from "bun:test";
import { type EventValues, insertEvent } from "../../db/event.ts";
import { findLastEnd, settleTimes } from "../../db/event-times.ts";
import { listOccurrences, updateOccurrence } from "../../db/occurrence.ts";
import type { Deps } from "../../deps.ts";
import { showLocal } from "../../local-time.ts";
import { handle } from "../../workers/extend-events.ts";
import { openTestDeps } from "../harness.ts";
import { call, query } from "./arrange.ts";

let deps: Deps;
let ownerId: string;
beforeAll(async () => {
  deps = await openTestDeps();
  ownerId = Bun.randomUUIDv7();
  await query(deps, `insert into account."user" (id, login) values ($1, 'owner')`, [ownerId]);
});
afterAll(() => deps?.close());

const day = 24 * 3600 * 1000;
const zone = "Europe/Berlin";

/** A series that was made so many days ago, with the occurrences that it had then. */
async function arrange(
  rrule: string,
  { daysAgo, state = "published" }: { daysAgo: number; state?: string },
): Promise<string> {
  const id = Bun.randomUUIDv7();
  const then = new Date(Date.now() - daysAgo * day);
  const startsAt = new Date(Math.floor(then.getTime() / day) * day + 18 * 3600 * 1000);
  const series = { startsAt, endsAt: new Date(startsAt.getTime() + 3600 * 1000), timeZone: zone, rrule };
  const values: EventValues = {
    ...series,
    endsLastAt: findLastEnd(series, then),
    title: { en: "Series" },
    text: {},
    place: { kind: "online" },
    capacity: 10,
    opensAt: null,
    closesBeforeSeconds: 0,
    approval: "instant",
    confirmByLink: false,
    offerSeconds: 0,
    visibility: "public",
    packId: null,
    versionId: null,
    albumId: null,
    tags: [],
    questions: [],
  };
  await deps.db.transaction(async (tx) => {
    await insertEvent(tx, {
      ...values,
      id,
      slug: `series-${id.slice(-12)}`,
      ownerId,
      organizationId: null,
      state: "published",
    });
    await settleTimes(tx, { event: { ...values, id }, before: values, now: then });
  });
  await query(deps, `update event.event set state = $2 where id = $1`, [id, state]);
  return id;
}

const list = (eventId: string) =>
  listOccurrences(deps.db, { eventId, from: null, to: null, after: null, limit: 1_000 });
const lastDays = async (eventId: string) => {
  const last = (await list(eventId)).at(-1);
  return Math.round(((last?.startsAt.getTime() ?? 0) - Date.now()) / day);
};

test("a series goes on a year ahead of today, at the same time of day, and what there was stays", async () => {
  const id = await arrange("FREQ=WEEKLY", { daysAgo: 100 });
  const before = await list(id);
  const [exception, booked] = [before.at(-2), before.at(-1)];
  if (!exception || !booked) throw new Error("there are no occurrences");
  await updateOccurrence(deps.db, {
    ...exception,
    startsAt: new Date(exception.startsAt.getTime() + 1000),
    cancelled: true,
  });
  await query(
    deps,
    `insert into event.registration (id, occurrence_id, user_id, state) values ($1, $2, $3, 'confirmed')`,
    [Bun.randomUUIDv7(), booked.id, ownerId],
  );
  expect(await lastDays(id)).toBeLessThan(301);

  await Promise.all([1, 2, 3].map(() => call(handle, deps, { scope: "all" })));

  expect(await lastDays(id)).toBeGreaterThan(393);
  const after = await list(id);
  expect(after.length - before.length).toBeGreaterThan(12);
  expect(new Set(after.map(({ recursAt }) => showLocal(recursAt, zone).slice(11, 16))).size).toBe(1);
  const gaps = after
    .slice(1)
    .map(({ recursAt }, index) => Math.round((recursAt.getTime() - (after[index]?.recursAt.getTime() ?? 0)) / day));
  expect(new Set(gaps)).toEqual(new Set([7]));
  const kept = after.filter(({ id }) => before.some((one) => one.id === id));
  expect(kept.length).toBe(before.length);
  expect(after.find(({ id }) => id === exception.id)).toMatchObject({ edited: true, cancelledAt: expect.any(Date) });
  expect(after.find(({ id }) => id === booked.id)?.cancelledAt).toBe(null);
  expect(after.at(-1)?.capacity).toBe(10);
});

test("a series that ends is extended up to there, and then left alone", async () => {
  const id = await arrange("FREQ=DAILY;COUNT=450", { daysAgo: 60 });
  await call(handle, deps, { scope: "all" });
  expect((await list(id)).length).toBe(450);
  const [row] = await query<{ ends: Date | null }>(deps, `select ends_last_at as ends from event.event where id = $1`, [
    id,
  ]);
  expect(row?.ends).toEqual((await list(id)).at(-1)?.endsAt ?? null);
});

test("what is called off is not extended, and one that fails keeps no other from it", async () => {
  const off = await arrange("FREQ=WEEKLY", { daysAgo: 100, state: "cancelled" });
  const bad = await arrange("FREQ=WEEKLY", { daysAgo: 100 });
  await query(deps, `update event.event set rrule = 'FREQ=NEVER' where id = $1`, [bad]);
  const good = await arrange("FREQ=MONTHLY", { daysAgo: 100 });
  const before = [await lastDays(off), await lastDays(bad)];
  await call(handle, deps, { scope: "all" });
  expect([await lastDays(off), await lastDays(bad)]).toEqual(before);
  expect(await lastDays(good)).toBeGreaterThan(365);
});
