import { join } from "node:path";
import { many, one, run } from "../db/query.ts";
import { decode, signRaw, type TestKey } from "../tests/api/hand-made.ts";
import type { System } from "../tests/harness.ts";
import { arrangeEvent, arrangePeople } from "../tests/registrations/arrange.ts";
import { type Bench, command } from "./bench.ts";
import { compare, median } from "./measure.ts";
import { openSystem } from "./system.ts";

const rounds = 5;
const people = 12_000;
const connections = 256;
const clients = 32;
const seconds = 2;

/** What somebody would write first: one statement that takes a seat where there is one, all of them in the same row. */
const guarded = `with taken as (update bench.event set taken = taken + 1 where id = 1 and taken < capacity returning id)
  insert into bench.seat (event_id) select id from taken;`;

/**
 * One hot event: people who register over HTTP at the same time, one API process, against pgbench with the guarded statement on
 * the same PostgreSQL. Every registration also keeps its line and its fact; both sides sync their commits.
 */
export const bench: Bench = {
  name: "registrations",
  programs: { pgbench: "postgresql-contrib" },
  run: async ({ folder, stack, report, note }) => {
    const system = await openSystem({ folder, stack }, { pods: 0 });
    const ids = await arrangePeople(system.db, people);
    const tokens = await makeTokens(system, ids);
    // Whoever registers has looked at the event before: his token is known.
    await send(
      system.url,
      tokens,
      (token) => `GET /v1/auth/verify HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`,
    );
    const p99s: number[] = [];
    const ours = async () => {
      const { slug, occurrenceId } = await arrangeEvent(system.db, String(ids[0]), { capacity: people - 2_000 });
      const head = `POST /v1/events/${slug}/registrations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n`;
      const start = performance.now();
      const latencies = await send(system.url, tokens, (token) => `${head}Authorization: Bearer ${token}\r\n\r\n{}`);
      const rate = people / ((performance.now() - start) / 1000);
      p99s.push(latencies.toSorted((a, b) => a - b)[Math.floor(people * 0.99)] ?? Number.NaN);
      await requireSold(system, occurrenceId);
      return rate;
    };
    const theirs = await openGuarded(system, folder);
    report(
      await compare({
        what: "registrations for one event, rate",
        reference: `pgbench, ${clients} clients, one guarded statement`,
        unit: "/s",
        aim: { atLeast: 5 },
        rounds,
        ours,
        theirs,
      }),
    );
    const p99 = median(p99s);
    note(
      `p99 of a registration: ${p99.toFixed(0)} ms with ${connections} connections (aim ≤ 50, ${p99 <= 50 ? "reached" : "NOT reached"}); seats sold = capacity in every round`,
    );
  },
};

async function makeTokens(system: System, ids: string[]): Promise<string[]> {
  const { token } = await system.signUp();
  const [header = "", payload = ""] = token.split(".");
  const key: TestKey = JSON.parse(system.environment.SIGNING_KEY ?? "");
  return ids.map((id) => signRaw(key, decode(header), { ...decode(payload), sub: id, login: `p-${id}`, jti: id }));
}

async function requireSold({ db }: System, occurrenceId: string): Promise<void> {
  const counts = await one<{ taken: number; seated: number; waiting: number }>(db, {
    name: "bench_sold",
    text: `select taken, waiting, (select count(*)::integer from event.registration r where r.occurrence_id = o.id and r.state = 'confirmed') as seated
      from event.occurrence o where id = $1`,
    values: [occurrenceId],
  });
  const sold = people - 2_000;
  if (counts?.taken !== sold || counts.seated !== sold || counts.waiting !== 2_000)
    throw new Error(`the seats are not those that were sold: ${JSON.stringify(counts)}`);
}

/** Statements per second by pgbench. */
async function openGuarded(system: System, folder: string): Promise<() => Promise<number>> {
  for (const text of [
    "create schema bench",
    "create table bench.event (id integer primary key, capacity integer, taken integer not null default 0, check (taken <= capacity))",
    "create table bench.seat (id bigint generated always as identity primary key, event_id integer not null references bench.event)",
    "insert into bench.event (id, capacity) values (1, 1000000000)",
  ])
    await run(system.db, { name: "", text });
  await many(system.db, { name: "bench_ready", text: "select 1" });
  const script = join(folder, "guarded.sql");
  await Bun.write(script, guarded);
  const database = system.environment.DATABASE_URL ?? "";
  return async () => {
    const argv = [
      "pgbench",
      "-n",
      "-M",
      "prepared",
      "-c",
      String(clients),
      "-j",
      "2",
      "-T",
      String(seconds),
      "-f",
      script,
      database,
    ];
    const told = await command(argv);
    return Number(/tps = ([\d.]+)/.exec(told)?.[1] ?? Number.NaN);
  };
}

/** Sends one request for each token over kept-alive connections, each as soon as the answer before is there. Milliseconds of each. */
async function send(url: string, tokens: string[], write: (token: string) => string): Promise<number[]> {
  const { hostname, port } = new URL(url);
  const latencies: number[] = [];
  const done = Promise.withResolvers<void>();
  let next = 0;
  const sockets = await Promise.all(
    Array.from({ length: connections }, () => {
      let sentAt = 0;
      let seen = "";
      const ask = (socket: { write: (text: string) => number }) => {
        const token = tokens[next++];
        if (token === undefined) return;
        seen = "";
        sentAt = performance.now();
        socket.write(write(token));
      };
      return Bun.connect({
        hostname,
        port: Number(port),
        socket: {
          open: ask,
          data(socket, chunk) {
            seen += chunk.toString("latin1");
            const head = seen.indexOf("\r\n\r\n");
            if (head < 0) return;
            const bodyBytes = Number(/\r\ncontent-length: (\d+)/i.exec(seen)?.[1] ?? 0);
            if (seen.length < head + 4 + bodyBytes) return;
            if (!/^HTTP\/1\.1 20[014] /.test(seen))
              done.reject(new Error(`an answer is not what was asked for: ${seen}`));
            latencies.push(performance.now() - sentAt);
            if (latencies.length === tokens.length) done.resolve();
            else ask(socket);
          },
          close: () => done.reject(new Error("the server closed a connection")),
        },
      });
    }),
  );
  try {
    await done.promise;
  } finally {
    for (const socket of sockets) socket.terminate();
  }
  return latencies;
}
