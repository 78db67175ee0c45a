import pg from "pg";
import { seedEvents } from "../tests/seed-events.ts";
import type { Bench } from "./bench.ts";
import { compare, timeSeconds } from "./measure.ts";
import { openSystem } from "./system.ts";

const count = 100_000;
const rounds = 9;
const times = 40;
const rare = "аоеитнср";

/** Searches among 100,000 events over HTTP, one after the other, against reading as many events by their primary key, one row each, in the database. */
const asked: [what: string, aim: number, query: string][] = [
  ["the next 20 events", 20, ""],
  ["the next 20 with seats left", 20, "&hasSeats=true"],
  ["20 of a tag", 30, "&tag=tag-7"],
  ["a rare word and a common one", 60, `&query=${encodeURIComponent("турниров каоврнес")}`],
  ["a word that is nowhere", 60, `&query=${rare}`],
  ["a common word (5 % of all events)", 400, `&query=${encodeURIComponent("турниры")}`],
  ["a common word misspelled", 400, `&query=${encodeURIComponent("тунрир хардкр")}`],
];

export const bench: Bench = {
  name: "events",
  programs: {},
  run: async ({ folder, stack, report, note }) => {
    const system = await openSystem({ folder, stack }, { pods: 1 });
    const client = new pg.Client({ connectionString: system.environment.DATABASE_URL });
    await client.connect();
    stack.defer(() => client.end());
    note(
      `${count} events, filled in ${Math.round(await timeSeconds(() => seedEvents(client, count)))} s; ${times} requests a round, one after the other`,
    );
    const { rows } = await client.query<{ id: string }>(`select id from event.event order by random() limit ${times}`);
    const theirs = () =>
      timeSeconds(async () => {
        for (const { id } of rows)
          await client.query({
            name: "by_key",
            text: `select id, slug, title, starts_at from event.event where id = $1`,
            values: [id],
          });
      });
    for (const [what, aim, query] of asked) {
      const ours = () =>
        timeSeconds(async () => {
          for (let time = 0; time < times; time++) {
            const answer = await fetch(`${system.url}/v1/events?limit=20${query}`);
            if (answer.status !== 200) throw new Error(`searching: ${await answer.text()}`);
            await answer.arrayBuffer();
          }
        });
      report(
        await compare({
          what: `events, ${what}, time`,
          reference: "the primary key, one row, no HTTP",
          unit: "s",
          aim: { atMost: aim },
          rounds,
          ours,
          theirs,
        }),
      );
    }
  },
};
