import pg from "pg";
import { type Found, listNextEvents, type Narrow, searchEvents, searchEventsByTime } from "../db/event-search.ts";
import { seedEvents } from "../tests/seed-events.ts";
import type { Bench } from "./bench.ts";
import { compare, timeSeconds } from "./measure.ts";
import { openSystem } from "./system.ts";

const count = 100_000;
const rounds = 9;
const times = 20;

const none: Narrow = { query: null, spelled: null, organizationId: null, packId: null, tag: null, mine: null };
const highest = "ffffffff-ffff-ffff-ffff-ffffffffffff";
const lowest = "00000000-0000-0000-0000-000000000000";
const base = {
  ...{
    reader: { userId: null, roles: [] },
    from: new Date().toISOString(),
    to: "infinity",
    hasSeats: false,
    limit: 21,
  },
  after: { startsAt: "-infinity", rank: 1e9, id: lowest },
};
const words = (...spelled: string[]) => ({
  ...{ ...base, ...none, query: spelled.join(" "), spelled },
  after: { startsAt: "-infinity", rank: 1e9, id: highest },
});

/** Pages of 20, and how many times slower than one row by its key each may be. */
const asked: [what: string, atMost: number, ask: (db: pg.Client) => Promise<Found[]>][] = [
  ["what is next", 50, (db) => listNextEvents(db, base)],
  ["what is next with seats left", 50, (db) => listNextEvents(db, { ...base, hasSeats: true })],
  ["one tag of 500", 50, (db) => searchEventsByTime(db, { ...base, ...none, tag: "tag-7", backwards: false })],
  ["a rare word and a common one", 50, (db) => searchEvents(db, words("каоврнес", "сервера"))],
  ["a rare word misspelled", 100, (db) => searchEvents(db, words("каоврнст"))],
  ["a word that is nowhere", 50, (db) => searchEvents(db, words("xyzzyplugh"))],
  ["a word that every seventh event has", 1000, (db) => searchEvents(db, words("турниров"))],
];

/** Searches among 100,000 events against reading one of them by its primary key, on the same connection; and whole answers over HTTP. */
export const bench: Bench = {
  name: "events",
  programs: {},
  run: async ({ folder, stack, report, note }) => {
    const system = await openSystem({ folder, stack }, { pods: 1 });
    const db = new pg.Client({ connectionString: system.environment.DATABASE_URL });
    await db.connect();
    stack.defer(() => db.end());
    const filled = await timeSeconds(() => seedEvents(db, count));
    const { rows } = await db.query<{ id: string; slug: string }>(
      `select id, slug from event.event order by random() limit ${times}`,
    );
    const again = (ask: (index: number) => Promise<unknown>) => () =>
      timeSeconds(async () => {
        for (let index = 0; index < times; index++) await ask(index);
      });
    note(`${count} events, filled in ${Math.round(filled)} s; ${times} questions a round, one after the other`);
    const byKey = again((index) =>
      db.query({
        name: "by_key",
        text: `select id, slug, title, starts_at from event.event where id = $1`,
        values: [rows[index]?.id],
      }),
    );
    for (const [what, atMost, ask] of asked)
      report(
        await compare({
          ...{ what: `events, ${what}, time`, reference: "one row by its primary key", unit: "s", rounds },
          ...{ aim: { atMost }, ours: again(() => ask(db)), theirs: byKey },
        }),
      );
    const get = (path: string) => fetch(`${system.url}/v1/events${path}`).then((answer) => answer.arrayBuffer());
    report(
      await compare({
        ...{
          what: "events, 20 of what is next, over HTTP, time",
          reference: "one event's page, over HTTP",
          unit: "s",
          rounds,
        },
        ...{
          aim: { atMost: 10 },
          ours: again(() => get("?limit=20")),
          theirs: again((index) => get(`/${rows[index]?.slug}`)),
        },
      }),
    );
  },
};
