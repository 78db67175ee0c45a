import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { startOf } from "../../analytics-time.ts";
import { type AnalyticsRow, insertAnalytics, prepareMonths } from "../../db/analytics-event.ts";
import { type CountQuery, type Dimension, dimensions, queryCounts, queryVisitors } from "../../db/analytics-query.ts";
import { findAsOf, findTotal } from "../../db/analytics-rollup.ts";
import type { Deps } from "../../deps.ts";
import { handle } from "../../workers/roll-up.ts";
import { long, openTestDeps } from "../harness.ts";
import { call, query } from "./arrange.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());
beforeEach(() =>
  query(
    deps,
    `truncate analytics.event, analytics.hourly, analytics.daily, analytics.visitors, analytics.total, analytics.salt`,
    [],
  ),
);

const roll = () => call(handle, deps, { scope: "all" });
const hourMs = 3600_000;
const subjects = [Bun.randomUUIDv7(), Bun.randomUUIDv7(), Bun.randomUUIDv7()];
const digest = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest().subarray(0, 16);

let made = 0;
/** A row like no other, unless it is told otherwise. */
const row = (more: Partial<AnalyticsRow> = {}): AnalyticsRow => ({
  at: new Date(),
  kind: "view",
  subjectKind: "pack",
  subjectId: subjects[0] ?? "",
  visitor: digest("somebody"),
  key: digest(`row ${++made}`),
  version: "",
  format: "",
  launcher: "",
  channel: "",
  source: "",
  ...more,
});

const readTables = async () =>
  Promise.all(
    ["hourly", "daily", "visitors", "total"].map(async (table) => {
      const rows = await query<{ row: string }>(deps, `select t::text as row from analytics.${table} t order by 1`, []);
      return rows.map((found) => found.row);
    }),
  );

describe("rolling up", () => {
  test("twice is once, and what is late is counted too", async () => {
    const yesterday = new Date(Date.now() - 24 * hourMs);
    await insertAnalytics(deps.db, [row(), row(), row({ kind: "download", version: "1.0.0" })]);
    await roll();
    const first = await readTables();
    expect(first.map((rows) => rows.length)).toEqual([2, 2, 4, 2]);
    await roll();
    expect(await readTables()).toEqual(first);
    await insertAnalytics(deps.db, [row({ at: yesterday }), row()]);
    await roll();
    expect(await findTotal(deps.db, { subjectId: subjects[0] ?? "", kind: "view" })).toMatchObject({ count: 4 });
  });

  test("rows of a transaction that ends only after a later one was rolled up are counted", async () => {
    const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
    const { promise: inserted, resolve: tellInserted } = Promise.withResolvers<void>();
    const slow = deps.db.transaction(async (tx) => {
      await insertAnalytics(tx, [row()]);
      tellInserted();
      await gate;
    });
    await inserted;
    await insertAnalytics(deps.db, [row()]);
    await roll();
    openGate();
    await slow;
    await roll();
    expect(await findTotal(deps.db, { subjectId: subjects[0] ?? "", kind: "view" })).toMatchObject({ count: 2 });
  });

  test("four at the same time do what one does, and say as of when", async () => {
    const before = new Date();
    await insertAnalytics(
      deps.db,
      Array.from({ length: 50 }, (_, index) => row({ at: new Date(Date.now() - (index % 30) * hourMs) })),
    );
    await Promise.all([roll(), roll(), roll(), roll()]);
    const together = await readTables();
    await query(deps, `update analytics.progress set next_xid = '0'`, []);
    await roll();
    expect(await readTables()).toEqual(together);
    expect(+(await findAsOf(deps.db))).toBeGreaterThan(+before - 1000);
  });

  test("in a database that was restored, where transactions have smaller numbers, all is counted anew", async () => {
    await query(deps, `update analytics.progress set next_xid = '999999999999'`, []);
    await insertAnalytics(deps.db, [row()]);
    await roll();
    expect(await findTotal(deps.db, { subjectId: subjects[0] ?? "", kind: "view" })).toMatchObject({ count: 1 });
  });
});

describe("forgetting", () => {
  const listMonths = async () =>
    (
      await query<{ name: string }>(
        deps,
        `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'analytics.event'::regclass order by 1`,
        [],
      )
    ).map(({ name }) => name);

  test("months that ended 90 days ago are dropped; their days stay; months to come are made", async () => {
    await query(
      deps,
      `create table analytics.event_2020_01 partition of analytics.event for values from ('2020-01-01+00') to ('2020-02-01+00')`,
      [],
    );
    await insertAnalytics(deps.db, [row({ at: new Date("2020-01-15T12:00:00Z") })]);
    await query(deps, `update analytics.progress set next_xid = '0'`, []);
    await roll();
    expect(await listMonths()).not.toContain("analytics.event_2020_01");
    expect(await query(deps, `select count from analytics.daily where day = '2020-01-15'`, [])).toEqual([{ count: 1 }]);
    expect(await query(deps, `select from analytics.hourly where hour < '2021-01-01'`, [])).toEqual([]);
    const next = new Date(Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() + 2, 1)).toISOString();
    expect(await listMonths()).toContain(`analytics.event_${next.slice(0, 7).replace("-", "_")}`);
  });

  test("a month without a table is refused and made, by several at the same moment", async () => {
    const name = `event_${new Date().toISOString().slice(0, 7).replace("-", "_")}`;
    await query(deps, `drop table analytics.${name}`, []);
    await expect(insertAnalytics(deps.db, [row()])).rejects.toMatchObject({ code: "23514" });
    await Promise.all([prepareMonths(deps.db), prepareMonths(deps.db), prepareMonths(deps.db)]);
    expect(await insertAnalytics(deps.db, [row()])).toBe(1);
  });

  test("salts of the days before yesterday are gone", async () => {
    await query(
      deps,
      `insert into analytics.salt (day, value) select (now() at time zone 'UTC')::date - ago, '\\x00' from generate_series(0, 5) ago`,
      [],
    );
    await roll();
    const rows = await query<{ ago: number }>(
      deps,
      `select (now() at time zone 'UTC')::date - day as ago from analytics.salt order by 1`,
      [],
    );
    expect(rows.map(({ ago }) => ago)).toEqual([0, 1]);
  });
});

test("counts of any query equal a recount of the raw rows", async () => {
  const now = Date.now();
  const word = (...words: string[]) => fc.constantFrom("", ...words);
  const event = fc.record({
    at: fc.integer({ min: 0, max: 40 * 24 }).map((hours) => new Date(now - hours * hourMs)),
    kind: fc.constantFrom("view", "download"),
    subjectId: fc.constantFrom(...subjects),
    visitor: fc.constantFrom("a", "b", "c").map(digest),
    version: word("1.0", "2.0"),
    format: word("zip"),
    launcher: word("prism", "other"),
    channel: word("beta"),
    source: word("forum.example"),
  });
  const asked = fc.record({
    kind: fc.constantFrom("view", "download"),
    subjects: fc.option(fc.subarray(subjects, { minLength: 1 })),
    interval: fc.constantFrom("hour", "day", "week", "month"),
    fromHours: fc.integer({ min: 1, max: 41 * 24 }),
    toHours: fc.integer({ min: -24, max: 30 * 24 }),
    by: fc.uniqueArray(fc.constantFrom(...dimensions, "subject" as const), { maxLength: 2 }),
    filters: fc.record({ version: word("1.0"), launcher: word("prism") }, { requiredKeys: [] }),
  });
  // Late rows need their months.
  for (const ago of [0, 20, 40]) {
    const month = startOf("month", new Date(now - ago * 24 * hourMs));
    const end = new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1, 1));
    const name = month.toISOString().slice(0, 7).replace("-", "_");
    await query(
      deps,
      `create table if not exists analytics.event_${name} partition of analytics.event for values from ('${month.toISOString()}') to ('${end.toISOString()}')`,
      [],
    );
  }
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 80 }),
      fc.array(asked, { minLength: 5, maxLength: 10 }),
      async (events, queries) => {
        await query(
          deps,
          `truncate analytics.event, analytics.hourly, analytics.daily, analytics.visitors, analytics.total`,
          [],
        );
        const rows = events.map((given) => row(given));
        await insertAnalytics(deps.db, rows);
        await query(deps, `update analytics.progress set next_xid = '0'`, []);
        await roll();
        for (const { fromHours, toHours, ...rest } of queries) {
          const unit = rest.interval === "hour" ? "hour" : "day";
          const asking: CountQuery = {
            ...rest,
            from: startOf(unit, new Date(now - fromHours * hourMs)),
            to: startOf(unit, new Date(now - toHours * hourMs)),
          };
          const matching = rows.filter(
            (found) =>
              found.kind === asking.kind &&
              (asking.subjects === null || asking.subjects.includes(found.subjectId)) &&
              startOf("hour", found.at) >= asking.from &&
              startOf("hour", found.at) < asking.to,
          );
          const filtered = matching.filter((found) =>
            Object.entries(asking.filters).every(([name, value]) => found[name as Dimension] === value),
          );
          expect(tell(await queryCounts(deps.db, asking))).toEqual(recount(filtered, asking));
          if (asking.interval === "hour") continue;
          const seen = new Map(
            matching.map((found) => [
              `${asking.subjects ? found.subjectId : ""} ${startOf("day", found.at).toISOString()} ${found.visitor}`,
              startOf(asking.interval, found.at),
            ]),
          );
          const visitors = Object.entries(Object.groupBy(seen.values(), (start) => start.toISOString())).map(
            ([start, all]) => [start, "", "", all?.length ?? 0],
          );
          expect(tell(await queryVisitors(deps.db, asking))).toEqual(visitors.sort());
        }
      },
    ),
    { numRuns: long ? 200 : 12 },
  );
}, 120_000);

const tell = (rows: Awaited<ReturnType<typeof queryCounts>>) =>
  rows.map(({ start, one, other, count }) => [start.toISOString(), one, other, count]).sort();

/** What a query should say, the slow way. */
function recount(rows: AnalyticsRow[], { interval, by }: CountQuery) {
  const pick = (found: AnalyticsRow, name: CountQuery["by"][number] | undefined) =>
    name === undefined ? "" : name === "subject" ? found.subjectId : found[name];
  const counts = new Map<string, number>();
  for (const found of rows) {
    const key = JSON.stringify([startOf(interval, found.at).toISOString(), pick(found, by[0]), pick(found, by[1])]);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].map(([key, count]) => [...JSON.parse(key), count]).sort();
}

describe("registrations and check-ins", () => {
  test("are taken from the events' own tables, each once however often it is asked", async () => {
    const [userId, eventId, occurrenceId, registrationId] = [1, 2, 3, 4].map(() => Bun.randomUUIDv7());
    await query(deps, `insert into account."user" (id, login, password_hash) values ($1, 'visitor', '')`, [userId]);
    await query(
      deps,
      `insert into event.event (id, slug, owner_id, title, place, starts_at, ends_at, time_zone) values ($1, 'party', $2, '{"en":"Party"}', '{"kind":"online"}', now() + interval '1 day', now() + interval '2 days', 'UTC')`,
      [eventId, userId],
    );
    await query(
      deps,
      `insert into event.occurrence (id, event_id, recurs_at, starts_at, ends_at) values ($1, $2, now(), now() + interval '1 day', now() + interval '2 days')`,
      [occurrenceId, eventId],
    );
    await query(
      deps,
      `insert into event.registration (id, occurrence_id, user_id, state) values ($1, $2, $3, 'confirmed')`,
      [registrationId, occurrenceId, userId],
    );
    const change = (from: string | null, to: string) =>
      query(
        deps,
        `insert into event.registration_change (registration_id, from_state, to_state, reason) values ($1, $2, $3, 'test')`,
        [registrationId, from, to],
      );
    await change(null, "confirmed");
    await roll();
    await change("confirmed", "checked-in");
    await change("checked-in", "no-show");
    await change("no-show", "checked-in");
    await roll();
    await roll();
    const rows = await query(
      deps,
      `select kind, source, count(*) as count from analytics.event where subject_id = $1 group by 1, 2 order by 1`,
      [eventId],
    );
    expect(rows).toEqual([
      { kind: "check-in", source: "", count: 1 },
      { kind: "registration", source: "confirmed", count: 1 },
    ]);
  });
});
