import { afterAll, beforeAll, expect, test } from "bun:test";
import { openAvailabilities } from "../../api/events/availability.ts";
import { insertEvent } from "../../db/event.ts";
import { settleTimes } from "../../db/event-times.ts";
import { listOccurrences } from "../../db/occurrence.ts";
import type { Postgres } from "../../db/postgres.ts";
import type { Deps } from "../../deps.ts";
import { openTestDeps, waitFor } from "../harness.ts";

let deps: Deps;
const ownerId = Bun.randomUUIDv7();
beforeAll(async () => {
  deps = await openTestDeps();
  await deps.db.query({
    name: "test_owner",
    text: `insert into account."user" (id, login) values ($1, 'owner')`,
    values: [ownerId],
  });
});
afterAll(() => deps?.close());

const deaf = { publish: () => undefined, subscribe: () => () => undefined, close: async () => undefined };

/** An event with ten seats, and how often its seats are read. */
async function arrange({ isDeaf = false, keepMs = 60_000, most = 100, draft = false } = {}) {
  const id = Bun.randomUUIDv7();
  const slug = `event-${id.slice(-12)}`;
  const startsAt = new Date(Date.now() + 24 * 3600 * 1000);
  const series = { startsAt, endsAt: startsAt, timeZone: "UTC", rrule: null };
  await insertEvent(deps.db, {
    ...{
      id,
      slug,
      ownerId,
      organizationId: null,
      state: draft ? "draft" : "published",
      ...series,
      endsLastAt: startsAt,
    },
    ...{
      title: { en: "Seats" },
      text: {},
      place: { kind: "online" },
      capacity: 10,
      opensAt: null,
      closesBeforeSeconds: 0,
    },
    ...{ approval: "instant", confirmByLink: false, offerSeconds: 0, visibility: "public" },
    ...{ packId: null, versionId: null, albumId: null, tags: [], questions: [] },
  });
  await settleTimes(deps.db, { event: { ...series, id, capacity: 10 }, before: series, now: new Date() });
  const [occurrence] = await listOccurrences(deps.db, { eventId: id, from: null, to: null, after: null, limit: 1 });
  if (!occurrence) throw new Error("there is no occurrence");
  let looks = 0;
  const db: Postgres = {
    ...deps.db,
    query: (statement) => {
      if (statement.name.endsWith("availability")) looks += 1;
      return deps.db.query(statement);
    },
  };
  const seats = openAvailabilities({ db, bus: isDeaf ? deaf : deps.bus, keepMs, most });
  const take = (taken: number) =>
    deps.db.query({
      name: "test_take",
      text: `update event.occurrence set taken = $2 where id = $1`,
      values: [occurrence.id, taken],
    });
  const ask = async ({ next = false, caller = false } = {}) =>
    (
      await seats.find({
        slug,
        occurrence: next ? undefined : occurrence.id,
        caller: caller
          ? { userId: ownerId, login: "owner", roles: [], ver: 1, sessionId: "", tokenId: null, scopes: null }
          : null,
      })
    ).taken;
  return { ...{ slug, occurrence: occurrence.id, take, ask, seats }, looks: () => looks };
}

test("a crowd that asks at once is one look, and so is whoever asks within the time", async () => {
  const { ask, looks } = await arrange();
  const crowd = await Promise.all(Array.from({ length: 500 }, () => ask()));
  expect([new Set(crowd).size, looks()]).toEqual([1, 1]);
  await ask();
  expect(looks()).toBe(1);
  await ask({ next: true });
  await ask({ next: true });
  expect(looks()).toBe(2);
});

test("changed seats are seen at once, by id and as the next ones", async () => {
  const { ask, take, occurrence, slug, looks } = await arrange();
  expect([await ask(), await ask({ next: true })]).toEqual([0, 0]);
  await take(4);
  expect([await ask(), await ask({ next: true })]).toEqual([0, 0]); // nobody has told
  deps.bus.publish("seats.changed", occurrence);
  expect([await ask(), await ask({ next: true })]).toEqual([4, 4]);
  await take(5);
  deps.bus.publish("event.changed", slug);
  expect([await ask(), await ask({ next: true })]).toEqual([5, 5]);
  expect(looks()).toBe(6);
});

test("when every hint gets lost they are seen when the time is over", async () => {
  const { ask, take } = await arrange({ isDeaf: true, keepMs: 50 });
  expect(await ask()).toBe(0);
  await take(3);
  await waitFor(async () => (await ask()) === 3, "the seats");
});

test("what everybody may see is remembered, what one may see is looked up for him, and the rest is not there", async () => {
  const { ask, looks } = await arrange({ draft: true });
  for (const _ of [1, 2]) await expect(ask()).rejects.toThrow("may see");
  expect(looks()).toBe(1);
  for (const _ of [1, 2]) expect(await ask({ caller: true })).toBe(0);
  expect(looks()).toBe(3);
});

test("no more is remembered than it is told to", async () => {
  const { ask, looks, seats, slug } = await arrange({ most: 10 });
  await ask();
  for (let index = 0; index < 30; index++)
    await expect(seats.find({ slug, occurrence: Bun.randomUUIDv7(), caller: null })).rejects.toThrow("may see");
  await ask();
  expect(looks()).toBe(32);
});
