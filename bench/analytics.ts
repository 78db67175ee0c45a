import pg from "pg";
import { queryCounts } from "../db/analytics-query.ts";
import { rollDays, rollHours, rollTotals } from "../db/analytics-rollup.ts";
import { publishPack } from "../tests/harness.ts";
import type { Bench } from "./bench.ts";
import { compare, timeSeconds } from "./measure.ts";
import { openSystem } from "./system.ts";

const rows = 10_000_000;
const days = 60;
const packs = 200;
const batch = 1;
const senders = 256;
const rounds = 7;
const seconds = 2;

/** Taking events against taking and not keeping them; a month of one pack out of the days against the same out of raw rows. */
export const bench: Bench = {
  name: "analytics",
  programs: {},
  run: async ({ folder, stack, report, note }) => {
    const system = await openSystem(
      { folder, stack },
      { pods: 1, environment: { LIMIT_ANALYTICS_PER_MINUTE: "100000000", ROLL_UP_EVERY_SECONDS: "86400" } },
    );
    const author = await system.signUp();
    await publishPack(author, { slug: "measured", version: "1.0.0", files: { "a.txt": "a" } });
    let sent = 0;
    const send = async (more: Record<string, string>) => {
      const event = () => ({ kind: "install", pack: "measured", version: "1.0.0", launcher: `l${sent++}` });
      const body = JSON.stringify({ events: Array.from({ length: batch }, event) });
      const answer = await fetch(`${system.url}/v1/analytics/events`, {
        method: "POST",
        headers: { "content-type": "application/json", ...more },
        body,
      });
      await answer.arrayBuffer();
    };
    const rate = (more: Record<string, string>) => async () => {
      const end = performance.now() + seconds * 1000;
      let batches = 0;
      const work = async () => {
        for (; performance.now() < end; batches++) await send(more);
      };
      await Promise.all(Array.from({ length: senders }, work));
      return (batches * batch) / seconds;
    };
    note(`events one by one from ${senders} connections, every one written and committed`);
    report(
      await compare({
        ...{
          what: "analytics, events taken",
          reference: "the same with DNT: 1: read, checked and not kept",
          unit: "/s",
          rounds,
        },
        ...{ aim: { atLeast: 0.6 }, ours: rate({}), theirs: rate({ dnt: "1" }) },
      }),
    );
    const db = new pg.Client({ connectionString: system.environment.DATABASE_URL });
    await db.connect();
    stack.defer(() => db.end());
    const filled = await timeSeconds(() => fill(db));
    const first = Math.floor(Date.now() / 86_400_000) - days;
    const rolled = await timeSeconds(async () => {
      for (let day = 0; day < days; day++) {
        const begins = (first + day) * 86_400_000;
        const hours = Array.from({ length: 24 }, (_, hour) => new Date(begins + hour * 3_600_000));
        const name = new Date(begins).toISOString().slice(0, 10);
        await rollHours(db, hours);
        await rollDays(db, [name]);
        await rollTotals(db, [name]);
      }
    });
    note(`${rows} raw rows in ${Math.round(filled)} s, rolled up in ${Math.round(rolled)} s`);
    await db.query("vacuum analyze analytics.event, analytics.hourly, analytics.daily");
    const { rows: found } = await db.query<{ id: string }>(
      "select subject_id as id from analytics.daily group by 1 limit 1 offset 7",
    );
    const subject = found[0]?.id ?? "";
    const [from, to] = [new Date((first + 10) * 86_400_000), new Date((first + 40) * 86_400_000)];
    const asked = {
      kind: "view",
      subjects: [subject],
      from,
      to,
      interval: "day",
      by: ["launcher"],
      filters: {},
    } as const;
    report(
      await compare({
        ...{
          what: "analytics, 30 days of a pack by launcher, time",
          reference: `the same out of ${rows} raw rows`,
          unit: "s",
          rounds: 5,
        },
        ...{
          as: "theirs over ours",
          aim: { atLeast: 100 },
          ours: () => timeSeconds(() => queryCounts(db, { ...asked, subjects: [subject], by: ["launcher"] })),
        },
        theirs: () =>
          timeSeconds(() =>
            db.query(
              `select date_trunc('day', hour, 'UTC') as start, launcher, count(*) from analytics.event
                where kind = 'view' and subject_id = $1 and hour >= $2 and hour < $3 group by 1, 2 order by 1, 2`,
              [subject, from, to],
            ),
          ),
      }),
    );
  },
};

/** As many rows as a large community makes in 60 days: 200 packs, five launchers, a third of them downloads. */
async function fill(db: pg.Client): Promise<void> {
  const now = new Date();
  for (let ago = 0; ago <= 3; ago++) {
    const [begin, end] = [ago, ago - 1].map((months) =>
      new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1)).toISOString(),
    );
    const name = begin?.slice(0, 7).replace("-", "_");
    await db.query(
      `create table if not exists analytics.event_${name} partition of analytics.event for values from ('${begin}') to ('${end}')`,
    );
  }
  await db.query(
    `insert into analytics.event (hour, key, at, kind, subject_kind, subject_id, visitor, version, format, launcher, channel, source)
      select date_trunc('hour', at, 'UTC'), int8send(n), at, case when n % 3 = 0 then 'download' else 'view' end, 'pack',
        packs[n % ${packs} + 1], int8send(n % 100003), case when n % 3 = 0 then '1.0' else '' end, '', launchers[n % 5 + 1], '', ''
      from (select array_agg(gen_random_uuid()) as packs from generate_series(1, ${packs})) p,
        (select array_agg('launcher-' || n) as launchers from generate_series(1, 5) n) l,
        (select n, date_trunc('day', now(), 'UTC') - interval '${days} days' + n * (interval '${days} days' / ${rows + 1}) as at
          from generate_series(1::bigint, ${rows}) n) x`,
  );
}
