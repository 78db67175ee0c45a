import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type Found,
  listLastEvents,
  listNextEvents,
  type Narrow,
  searchEvents,
  searchEventsByTime,
} from "../db/event-search.ts";
import type { Db } from "../db/query.ts";
import type { Deps } from "../deps.ts";
import { long, openTestDeps } from "./harness.ts";
import { seedEvents } from "./seed-events.ts";

const count = long ? 100_000 : 10_000;
let deps: Deps;
let pages: number;

beforeAll(async () => {
  deps = await openTestDeps();
  await deps.db.transaction(async (tx) => {
    await tx.query({ name: "", text: "set local statement_timeout = 0", values: [] });
    await seedEvents(tx, count);
  });
  const { rows } = await deps.db.query({
    name: "test_pages",
    text: `select relpages as pages from pg_class where oid = 'event.event'::regclass`,
    values: [],
  });
  pages = (rows as { pages: number }[])[0]?.pages ?? 0;
}, 600_000);
afterAll(() => deps?.close());

type Plan = { "Node Type": string; "Relation Name"?: string; Plans?: Plan[] };
type Explained = { Plan: Plan & Record<string, number> };

/** Runs a query under EXPLAIN: which tables it reads from end to end, and how many pages it touches (those in functions too). */
async function explain(ask: (db: Db) => Promise<Found[]>, generic: boolean) {
  let told: Explained | undefined;
  await deps.db.transaction(async (tx) => {
    await tx.query({
      name: "",
      text: `set local plan_cache_mode = ${generic ? "force_generic_plan" : "force_custom_plan"}`,
      values: [],
    });
    const db: Db = {
      query: async ({ text, values }) => {
        const { rows } = await tx.query({ name: "", text: `explain (analyze, buffers, format json) ${text}`, values });
        told = (rows as { "QUERY PLAN": Explained[] }[])[0]?.["QUERY PLAN"][0];
        return { rows: [], rowCount: 0 };
      },
    };
    await ask(db);
  });
  if (!told) throw new Error("there is no plan");
  const scans = (plan: Plan): string[] => [
    ...(plan["Node Type"] === "Seq Scan" && plan["Relation Name"] ? [plan["Relation Name"]] : []),
    ...(plan.Plans ?? []).flatMap(scans),
  ];
  const { "Shared Hit Blocks": hit = 0, "Shared Read Blocks": read = 0 } = told.Plan;
  return { scans: scans(told.Plan).filter((table) => ["event", "occurrence"].includes(table)), touched: hit + read };
}

const none: Narrow = { query: null, spelled: null, organizationId: null, packId: null, tag: null, mine: null };
const lowest = "00000000-0000-0000-0000-000000000000";
const highest = "ffffffff-ffff-ffff-ffff-ffffffffffff";
const base = {
  reader: { userId: null, roles: [] },
  from: new Date().toISOString(),
  to: "infinity",
  hasSeats: false,
  limit: 51,
};
const up = { startsAt: "-infinity", rank: 1e9, id: lowest };
const down = { startsAt: "infinity", rank: 1e9, id: highest };
const later = { ...up, startsAt: new Date(Date.now() + 5 * 24 * 3600 * 1000).toISOString() };

const asked: [what: string, ask: (db: Db) => Promise<Found[]>][] = [
  ["what is next", (db) => listNextEvents(db, { ...base, after: up })],
  ["a later page of it", (db) => listNextEvents(db, { ...base, after: later })],
  ["what is next, with seats", (db) => listNextEvents(db, { ...base, hasSeats: true, after: up })],
  ["what was last", (db) => listLastEvents(db, { ...base, from: "-infinity", to: base.from, after: down })],
  ["a tag", (db) => searchEventsByTime(db, { ...base, ...none, tag: "tag-7", after: up, backwards: false })],
  [
    "a rare word",
    (db) => searchEvents(db, { ...base, ...none, query: "аоеитнср", spelled: ["аоеитнср"], after: down }),
  ],
  [
    "a rare word, by time",
    (db) =>
      searchEventsByTime(db, {
        ...base,
        ...none,
        query: "seeded 77",
        spelled: ["seeded", "77"],
        after: up,
        backwards: false,
      }),
  ],
  [
    "somebody's own",
    (db) =>
      searchEventsByTime(db, {
        ...base,
        ...none,
        reader: { userId: lowest, roles: [] },
        mine: "true",
        after: up,
        backwards: false,
      }),
  ],
];

test.each(asked)("%s is looked up: nothing is read from end to end, and few pages are touched", async (_what, ask) => {
  for (const generic of [false, true]) {
    const { scans, touched } = await explain(ask, generic);
    expect([generic, scans]).toEqual([generic, []]);
    // Each of 51 lines costs a handful of pages; the table has many more, and so has anything that looks at all of it.
    expect([generic, touched < Math.max(1_500, pages / 3), touched]).toEqual([generic, true, touched]);
  }
});

test("a common word touches what holds it, and its rows alone are sorted", async () => {
  const { scans } = await explain(
    (db) => searchEvents(db, { ...base, ...none, query: "турнира", spelled: ["турнира"], after: down }),
    true,
  );
  expect(scans).toEqual([]);
  const found = await searchEvents(deps.db, { ...base, ...none, query: "турнира", spelled: ["турнира"], after: down });
  expect(found.length).toBe(51);
});
