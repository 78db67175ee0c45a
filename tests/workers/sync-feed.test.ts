import { afterAll, beforeAll, expect, test } from "bun:test";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { changeRegistration, registerAll } from "../../db/seats.ts";
import type { Deps } from "../../deps.ts";
import { handle as startSyncs } from "../../workers/start-syncs.ts";
import { handle } from "../../workers/sync-feed.ts";
import { openTestDeps, waitFor } from "../harness.ts";
import { arrangePeople } from "../registrations/arrange.ts";
import { call, query } from "./arrange.ts";

type Reply = (request: IncomingMessage, response: ServerResponse) => void;

let deps: Deps;
let replies: Map<string, Reply>;
let base: string;
const asked: IncomingMessage[] = [];
const server = createServer((request, response) => {
  asked.push(request);
  const reply = replies.get(request.url ?? "");
  if (reply) reply(request, response);
  else response.writeHead(404).end();
});

beforeAll(async () => {
  replies = new Map();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  deps = await openTestDeps({ OUTBOUND_ALLOW: base.slice("http://".length) });
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await deps?.close();
});

type Told = { uid: string; title: string; startsAt?: string; cancelled?: boolean; rrule?: string };
/** 19:00 on that day from now. */
const inDays = (days: number) => `${new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)}T19:00`;
let made = 0;

/** An organization's subscription to a feed that is served as given, and can be changed. */
async function arrange(events: Told[] = [], { headers = {} }: { headers?: Record<string, string> } = {}) {
  const [userId, organizationId, sourceId, name] = [
    Bun.randomUUIDv7(),
    Bun.randomUUIDv7(),
    Bun.randomUUIDv7(),
    `team-${++made}`,
  ];
  await query(deps, `insert into account."user" (id, login) values ($1, $2)`, [userId, name]);
  await query(deps, `insert into organization.organization (id, slug, name) values ($1, $2, $2)`, [
    organizationId,
    name,
  ]);
  await query(deps, `insert into organization.member (organization_id, user_id, role) values ($1, $2, 'owner')`, [
    organizationId,
    userId,
  ]);
  const path = `/${name}.json`;
  await query(
    deps,
    `insert into event.source (id, organization_id, url, format, visibility, created_by) values ($1, $2, $3, 'json', 'public', $4)`,
    [sourceId, organizationId, `${base}${path}`, userId],
  );
  const serve = (told: Told[]) => {
    const body = JSON.stringify({ events: told.map((event) => ({ startsAt: inDays(10), ...event })) });
    replies.set(path, (_request, response) => void response.writeHead(200, headers).end(body));
  };
  serve(events);
  const sync = (dryRun = false) => call(handle, deps, { sourceId, dryRun });
  const look = () =>
    query(
      deps,
      `select e.slug, e.title, e.state, e.sequence, e.edited, e.source_uid as uid, (select count(*)::integer from event.occurrence o where o.event_id = e.id) as dates
        from event.event e where e.source_id = $1 order by e.source_uid`,
      [sourceId],
    );
  const source = async () =>
    (await query(deps, `select problem, failures, etag, fetched_at from event.source where id = $1`, [sourceId]))[0];
  return { path, sourceId, serve, sync, look, source };
}

test("a feed's events are here after a sync, change with it, and are cancelled, never deleted", async () => {
  const { serve, sync, look } = await arrange([
    { uid: "1", title: "Первый" },
    { uid: "2", title: "Second", rrule: "FREQ=WEEKLY;COUNT=3" },
  ]);
  expect(await sync(true)).toMatchObject({ state: "planned", added: 2 });
  expect(await look()).toEqual([]);
  expect(await sync()).toMatchObject({ state: "synced", added: 2, changed: 0 });
  expect(await look()).toMatchObject([
    { slug: "pervyy", title: { ru: "Первый" }, state: "published", dates: 1 },
    { slug: "second", title: { en: "Second" }, dates: 3 },
  ]);
  expect(await sync()).toMatchObject({ added: 0, changed: 0, unchanged: 2 });
  serve([
    { uid: "1", title: "Первый", startsAt: inDays(11) },
    { uid: "3", title: "Third" },
    { uid: "4", title: "Fourth" },
  ]);
  expect(await sync()).toMatchObject({ added: 2, changed: 1, cancelled: 1 });
  expect((await look()).map(({ uid, state, sequence }) => [uid, state, sequence])).toEqual([
    ["1", "published", 1],
    ["2", "cancelled", 1],
    ["3", "published", 0],
    ["4", "published", 0],
  ]);
  const facts = await query(
    deps,
    `select kind, count(*)::integer as count from outbox.fact where kind like 'event.%' group by kind order by kind`,
  );
  expect(facts).toEqual([
    { kind: "event.cancelled", count: 1 },
    { kind: "event.changed", count: 1 },
    { kind: "event.published", count: 2 },
  ]);
});

test("what was changed by hand stays, the rest follows the feed", async () => {
  const { serve, sync, look } = await arrange([{ uid: "1", title: "One" }]);
  await sync();
  await query(
    deps,
    `update event.event set title = '{"en": "Ours"}', edited = '{title}' where source_uid = '1' and slug = 'one'`,
  );
  serve([{ uid: "1", title: "Theirs", startsAt: inDays(12) }]);
  expect(await sync()).toMatchObject({
    changed: 1,
    steps: [{ fields: ["startsAt", "endsAt"], keptByHand: ["title"] }],
  });
  expect(await look()).toMatchObject([{ title: { en: "Ours" }, sequence: 1 }]);
});

test("an event that is in the feed and cannot be read any more has not vanished", async () => {
  const { serve, sync, look } = await arrange([
    { uid: "1", title: "Read" },
    { uid: "2", title: "Other" },
    { uid: "3", title: "Third" },
  ]);
  await sync();
  const states = async () => (await look()).map(({ state }) => state);
  serve([
    { uid: "1", title: "Read", startsAt: "soon" },
    { uid: "2", title: "Other" },
    { uid: "3", title: "Third" },
  ]);
  expect(await sync()).toMatchObject({ cancelled: 0, skipped: 1 });
  expect(await states()).toEqual(["published", "published", "published"]);
  // Of one that has no name nobody knows which it was.
  serve([
    { uid: "", title: "Nameless" },
    { uid: "2", title: "Other" },
    { uid: "3", title: "Third" },
  ]);
  expect(await sync()).toMatchObject({ cancelled: 0, skipped: 1, problem: expect.stringContaining("missing") });
  serve([
    { uid: "2", title: "Other" },
    { uid: "3", title: "Third" },
  ]);
  expect(await sync()).toMatchObject({ cancelled: 1 });
  expect(await states()).toEqual(["cancelled", "published", "published"]);
});

test("what vanished takes place again when it is back, with who waits for its seats; what was called off by hand does not", async () => {
  const all = ["1", "2", "3"].map((uid) => ({ uid, title: `Event ${uid}` }));
  const { serve, sync, look, sourceId } = await arrange(all);
  await sync();
  const [first] = await query(
    deps,
    `update event.event set capacity = 1, offer_seconds = 0 where source_id = $1 and source_uid = '1' returning id`,
    [sourceId],
  );
  const [date] = await query(deps, `update event.occurrence set capacity = 1 where event_id = $1 returning id`, [
    first.id,
  ]);
  const people = await arrangePeople(deps.db, 2);
  const applicants = people.map((userId) => ({ userId, registrationId: Bun.randomUUIDv7(), answers: {} }));
  const [seat] = await registerAll(deps.db, { occurrenceId: date.id, applicants });
  serve(all.slice(1));
  expect(await sync()).toMatchObject({ cancelled: 1 });
  const leave = { expected: ["confirmed" as const], target: "cancelled" as const, reason: "cancelled", actorId: null };
  await changeRegistration(deps.db, { id: String(seat?.id), ...leave });
  await query(deps, `update event.event set state = 'cancelled' where source_id = $1 and source_uid = '2'`, [sourceId]);
  serve(all);
  expect(await sync()).toMatchObject({ changed: 1, cancelled: 0 });
  expect((await look()).map(({ state, sequence }) => [state, sequence])).toEqual([
    ["published", 2],
    ["cancelled", 0],
    ["published", 0],
  ]);
  expect(await query(deps, `select taken, waiting from event.occurrence where id = $1`, [date.id])).toEqual([
    { taken: 1, waiting: 0 },
  ]);
  expect(await sync()).toMatchObject({ changed: 0, unchanged: 3 });
});

test("a date that the feed had taken out takes place again when the feed has it back", async () => {
  const { path, sourceId, sync } = await arrange();
  await query(deps, `update event.source set format = 'ics' where id = $1`, [sourceId]);
  const at = (days: number) => inDays(days).replace(/[-:]/g, "");
  const serve = (...lines: string[]) => {
    const body = [
      ...[
        "BEGIN:VCALENDAR",
        "BEGIN:VEVENT",
        "UID:back",
        "SUMMARY:Back",
        `DTSTART:${at(10)}00`,
        "RRULE:FREQ=DAILY;COUNT=3",
      ],
      ...[...lines, "END:VEVENT", "END:VCALENDAR"],
    ].join("\r\n");
    replies.set(path, (_request, response) => void response.end(body));
  };
  const dates = async () =>
    (
      await query(
        deps,
        `select o.cancelled_at is not null as off, o.edited from event.occurrence o join event.event e on e.id = o.event_id where e.source_id = $1 order by o.recurs_at`,
        [sourceId],
      )
    ).map(({ off, edited }) => [off, edited]);
  serve(`EXDATE:${at(11)}00`);
  await sync();
  const usual = [false, false];
  expect(await dates()).toEqual([usual, [true, true], usual]);
  serve(`EXDATE:${at(12)}00`);
  expect(await sync()).toMatchObject({ changed: 1 });
  expect(await dates()).toEqual([usual, usual, [true, true]]);
  const told = await query(
    deps,
    `select f.kind from outbox.fact f join event.occurrence o on o.id::text = f.payload ->> 'occurrenceId' join event.event e on e.id = o.event_id
      where e.source_id = $1 and o.cancelled_at is not null`,
    [sourceId],
  );
  expect(told).toEqual([{ kind: "event.cancelled" }]);
});

test("one that is the same as last time is not sent again, and asks for nothing", async () => {
  const { path, sync, source } = await arrange([{ uid: "1", title: "One" }], { headers: { etag: '"v1"' } });
  await sync();
  expect((await source()).etag).toBe('"v1"');
  replies.set(
    path,
    (request, response) => void response.writeHead(request.headers["if-none-match"] === '"v1"' ? 304 : 500).end(),
  );
  expect(await sync()).toEqual({ state: "unchanged" });
  expect((await source()).problem).toBeNull();
});

test("feeds that lie, are empty, are cut off, are too large, hang, or lead inside change nothing, and say why", async () => {
  const big = "x".repeat(1024 * 1024);
  const inside = `http://127.0.0.1:${deps.config.PORT}/`;
  const cases: [what: string, reply: Reply, problem: string][] = [
    ["empty", (_request, response) => void response.end('{"events": []}'), "empty"],
    ["no feed", (_request, response) => void response.end("<html>"), "not JSON"],
    ["a failing server", (_request, response) => void response.writeHead(500).end(), "answers 500"],
    [
      "cut off",
      (_request, response) =>
        void response.writeHead(200, { "content-length": "100" }).write("{", () => response.destroy()),
      "",
    ],
    [
      "without end",
      (_request, response) => {
        const more = () => response.write(big, (error) => (error ? undefined : more()));
        more();
      },
      "larger",
    ],
    ["inside", (_request, response) => void response.writeHead(302, { location: inside }).end(), ""],
    [
      "the machine's own",
      (_request, response) => void response.writeHead(302, { location: "http://169.254.169.254/" }).end(),
      "",
    ],
    ["a loop", (request, response) => void response.writeHead(302, { location: request.url }).end(), "redirects"],
    ["silent", () => undefined, ""],
  ];
  await Promise.all(
    cases.map(async ([what, reply, problem]) => {
      const { path, sync, look, source } = await arrange([{ uid: "1", title: `Kept ${what}` }]);
      await sync();
      replies.set(path, reply);
      const before = await look();
      const result = await sync();
      expect([what, (result?.problem as string) ?? ""]).toEqual([what, expect.stringContaining(problem)]);
      expect(result?.problem).toBeString();
      expect(await look()).toEqual(before);
      if (what !== "empty") expect(await source()).toMatchObject({ failures: 1, problem: expect.any(String) });
    }),
  );
});

test("two syncs at once bring each event once", async () => {
  const { sync, look } = await arrange(
    Array.from({ length: 10 }, (_, index) => ({ uid: `${index}`, title: `Same ${index}` })),
  );
  await Promise.allSettled([sync(), sync(), sync()]);
  await sync();
  expect((await look()).map(({ uid }) => uid)).toEqual(Array.from({ length: 10 }, (_, index) => `${index}`));
});

test("sources that are due are synced, each once for its time; paused ones are not", async () => {
  await query(deps, `update event.source set due_at = now() + interval '1 day'`);
  const [due, paused] = [await arrange(), await arrange()];
  await query(deps, `update event.source set enabled = false where id = $1`, [paused.sourceId]);
  const runs = await Promise.all([call(startSyncs, deps, { scope: "all" }), call(startSyncs, deps, { scope: "all" })]);
  expect(runs.map((result) => result?.started).sort()).toEqual([0, 1]);
  await waitFor(
    async () =>
      (
        await query(deps, `select 1 from job.job where actor = 'sync-feed' and payload ->> 'sourceId' = $1`, [
          due.sourceId,
        ])
      ).length === 1,
  );
});
