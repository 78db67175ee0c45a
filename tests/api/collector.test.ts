import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { type Collector, openCollector, type Seen } from "../../api/analytics/collector.ts";
import { digestVisitor } from "../../api/analytics/visitor.ts";
import { many } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { openTestDeps, waitFor } from "../harness.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());
beforeEach(() =>
  deps.db.query({ name: "", text: "truncate analytics.event, analytics.dropped, analytics.salt", values: [] }),
);

const subject = { kind: "pack", id: Bun.randomUUIDv7() };
const seen = (more: Partial<Seen> = {}): Seen => ({
  at: new Date(),
  kind: "view",
  subject,
  address: "192.0.2.7",
  agent: "Test/1",
  userId: null,
  ...more,
});

/** A database that fails while it is told to, and counts its statements. */
function openFailing() {
  const state = { away: false, statements: [] as string[] };
  const db: Deps["db"] = {
    ...deps.db,
    query: async (statement) => {
      state.statements.push(statement.name);
      if (state.away) throw new Error("the database is away");
      return deps.db.query(statement);
    },
  };
  return { state, db };
}

const countRows = async () =>
  (await many<{ count: number }>(deps.db, { name: "", text: "select count(*) as count from analytics.event" }))[0]
    ?.count;
const readDropped = () =>
  many<{ reason: string; count: number }>(deps.db, {
    name: "",
    text: "select reason, count from analytics.dropped order by 1",
  });
const outcome = (collector: Collector, name: string) =>
  Number(new RegExp(`outcome="${name}"\\} (\\d+)`).exec(collector.render())?.[1]);

test("what comes together is written in one statement, and the same once", async () => {
  const { state, db } = openFailing();
  const collector = openCollector({ db, log: deps.log });
  await Promise.all(Array.from({ length: 500 }, (_, index) => collector.add(seen({ launcher: `l${index % 5}` }))));
  expect(state.statements.filter((name) => name === "analytics_insert").length).toBe(1);
  expect(await countRows()).toBe(5);
  expect([outcome(collector, "written"), outcome(collector, "repeated")]).toEqual([5, 495]);
  await collector.close();
});

test("what cannot be written is counted, and the count is written when the database is back", async () => {
  const { state, db } = openFailing();
  const collector = openCollector({ db, log: deps.log });
  state.away = true;
  await collector.add(seen());
  await Promise.all([collector.add(seen({ launcher: "a" })), collector.add(seen({ launcher: "b" }))]);
  await expect(collector.commit([seen()])).rejects.toMatchObject({ code: "unavailable" });
  expect(outcome(collector, "dropped")).toBe(3);
  state.away = false;
  await collector.add(seen());
  await waitFor(async () => (await readDropped()).length > 0, "the count");
  expect(await readDropped()).toEqual([{ reason: "not written", count: 3 }]);
  await collector.add(seen({ launcher: "c" }));
  expect(await readDropped()).toEqual([{ reason: "not written", count: 3 }]);
  await collector.close();
});

test("what does not fit is counted at once, and a launcher is told to come again", async () => {
  const collector = openCollector({ db: deps.db, log: deps.log, maxWaiting: 3 });
  const adding = Array.from({ length: 5 }, (_, index) => collector.add(seen({ launcher: `l${index}` })));
  await expect(collector.commit([seen()])).rejects.toMatchObject({ code: "unavailable" });
  await Promise.all(adding);
  expect([await countRows(), outcome(collector, "dropped")]).toEqual([3, 2]);
  await collector.close();
  expect(await readDropped()).toEqual([{ reason: "too many", count: 2 }]);
});

test("closing writes what waits", async () => {
  const collector = openCollector({ db: deps.db, log: deps.log, gatherMs: 50 });
  void collector.add(seen());
  await collector.close();
  expect(await countRows()).toBe(1);
});

test("two processes digest a visitor alike on one day, and otherwise on the next", async () => {
  const [one, other] = [openCollector(deps), openCollector(deps)];
  const yesterday = new Date(Date.now() - 86_400_000);
  await Promise.all([one, other].map((collector) => collector.commit([seen(), seen({ at: yesterday })])));
  const rows = await many<{ visitor: Buffer }>(deps.db, {
    name: "",
    text: "select distinct visitor from analytics.event",
  });
  expect([await countRows(), rows.length]).toEqual([2, 2]);
  await Promise.all([one.close(), other.close()]);
});

test("neighbours in a network are told apart by what else is known of them", () => {
  const salt = new Uint8Array(32);
  const digest = (address: string, agent = "Test/1", userId: string | null = null) =>
    Buffer.from(digestVisitor(salt, { address, agent, userId })).toString("hex");
  expect(digest("192.0.2.7")).toBe(digest("192.0.2.99"));
  expect(digest("192.0.2.7")).not.toBe(digest("192.0.3.7"));
  expect(digest("192.0.2.7")).not.toBe(digest("192.0.2.7", "Other/1"));
  expect(digest("192.0.2.7")).not.toBe(digest("192.0.2.7", "Test/1", "somebody"));
});
