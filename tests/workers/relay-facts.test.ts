import { afterAll, beforeAll, expect, test } from "bun:test";
import { insertFact } from "../../db/outbox.ts";
import { openPostgres, type Postgres } from "../../db/postgres.ts";
import { type Db, many, one, run } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import type { Receiver } from "../../workers/receivers.ts";
import { relayFacts } from "../../workers/relay-facts.ts";
import { long, openTestDeps, testLog, waitFor } from "../harness.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
  await deps.db.query({
    name: "test_effects",
    text: `create table public.effect (fact_kind text, receiver text, note text)`,
    values: [],
  });
});
afterAll(() => deps?.close());

/** A receiver whose effect is a row: as often as it takes effect, so many there are. */
const noting = (name: string, kind: string, fail: (note: string) => boolean = () => false): Receiver => ({
  name,
  kind,
  deliver: async (tx, payload) => {
    const { note } = payload as { note: string };
    await run(tx, {
      name: "test_effect_insert",
      text: `insert into public.effect (fact_kind, receiver, note) values ($1, $2, $3)`,
      values: [kind, name, note],
    });
    if (fail(note)) throw new Error("the receiver cannot take it now");
    return undefined;
  },
});

const relay = (receivers: Receiver[], db: Postgres = deps.db) =>
  relayFacts({ db, mailbox: deps.mailbox, receivers, signal: new AbortController().signal, log: testLog });

// Kinds that only this test knows.
const state = (tx: Db, kind: string, note: string) => insertFact(tx, { kind, payload: { note } } as any);

const effects = (kind: string): Promise<{ receiver: string; note: string; count: number }[]> =>
  many(deps.db, {
    name: "test_effects_list",
    text: `select receiver, note, count(*) as count from public.effect where fact_kind = $1 group by 1, 2 order by 1, 2`,
    values: [kind],
  });

const countWaiting = async (kind: string): Promise<number> => {
  const row = await one<{ count: number }>(deps.db, {
    name: "test_facts_waiting",
    text: `select count(*) as count from outbox.fact where kind = $1 and relayed_at is null`,
    values: [kind],
  });
  return row?.count ?? -1;
};

const makeDue = () =>
  run(deps.db, {
    name: "test_facts_due",
    text: `update outbox.fact set due_at = now() where relayed_at is null`,
    values: [],
  });

test("a fact is told once to each of its receivers, however often relays run, and to nobody else", async () => {
  const receivers = [noting("first", "once"), noting("second", "once"), noting("third", "else")];
  for (const note of ["a", "b", "c"]) await deps.db.transaction((tx) => state(tx, "once", note));
  await Promise.all([relay(receivers), relay(receivers), relay(receivers)]);
  await makeDue();
  await relay(receivers);
  expect(await effects("once")).toEqual(
    ["first", "second"].flatMap((receiver) => ["a", "b", "c"].map((note) => ({ receiver, note, count: 1 }))),
  );
  expect(await countWaiting("once")).toBe(0);
});

test("a fact that is rolled back was never one", async () => {
  await deps.db
    .transaction(async (tx) => {
      await state(tx, "undone", "a");
      throw new Error("the change fails");
    })
    .catch(() => undefined);
  await relay([noting("first", "undone")]);
  expect(await effects("undone")).toEqual([]);
});

test("a receiver that fails leaves no effect, keeps nobody else waiting, and is asked again", async () => {
  let broken = true;
  const receivers = [noting("weak", "shaky", (note) => broken && note === "b"), noting("strong", "shaky")];
  for (const note of ["a", "b"]) await deps.db.transaction((tx) => state(tx, "shaky", note));
  await relay(receivers);
  expect(await effects("shaky")).toEqual([
    { receiver: "strong", note: "a", count: 1 },
    { receiver: "strong", note: "b", count: 1 },
    { receiver: "weak", note: "a", count: 1 },
  ]);
  expect(await countWaiting("shaky")).toBe(1);
  await relay(receivers); // put off: not asked at once
  expect((await effects("shaky")).length).toBe(3);
  broken = false;
  await makeDue();
  await relay(receivers);
  expect(await effects("shaky")).toContainEqual({ receiver: "weak", note: "b", count: 1 });
  expect((await effects("shaky")).every(({ count }) => count === 1)).toBe(true);
  expect(await countWaiting("shaky")).toBe(0);
});

test("B4: a relay that is cut off anywhere loses no fact and repeats no effect", async () => {
  const kind = "cut";
  const notes = Array.from({ length: long ? 200 : 40 }, (_, index) => `n${index}`);
  for (const note of notes) await deps.db.transaction((tx) => state(tx, kind, note));
  for (let cut = 0; cut < notes.length && (await countWaiting(kind)) > 0; cut++) {
    // A connection of its own that the server ends after so many statements: as abruptly as a killed process.
    const db = openPostgres(deps.config.DATABASE_URL ?? "", { max: 1, log: testLog, name: "cut" });
    let statements = 0;
    const limit = 3 + (cut % 11);
    const counted: Postgres = {
      ...db,
      query: (statement) => (++statements > limit ? Promise.reject(new Error("killed")) : db.query(statement)),
      transaction: (work) =>
        db.transaction(async (tx) => {
          const result = await work({
            query: (statement) => (++statements > limit ? Promise.reject(new Error("killed")) : tx.query(statement)),
          });
          if (++statements > limit) throw new Error("killed before the commit");
          return result;
        }),
    };
    await relay([noting("first", kind), noting("second", kind)], counted).catch(() => undefined);
    await db.close();
    await makeDue();
  }
  await waitFor(async () => {
    await makeDue();
    await relay([noting("first", kind), noting("second", kind)]);
    return (await countWaiting(kind)) === 0;
  }, "every fact to be told");
  const found = await effects(kind);
  expect(found.length).toBe(2 * notes.length);
  expect(found.filter(({ count }) => count !== 1)).toEqual([]);
});

test("facts whose transactions commit in another order than they were numbered are all told", async () => {
  const kind = "order";
  const receivers = [noting("first", kind)];
  const count = long ? 960 : 96;
  const writers = Array.from({ length: count }, (_, index) =>
    deps.db.transaction(async (tx) => {
      await state(tx, kind, `n${index}`);
      await run(tx, { name: "test_linger", text: `select pg_sleep($1)`, values: [Math.random() / 100] });
    }),
  );
  let writing = true;
  const done = Promise.all(writers).finally(() => {
    writing = false;
  });
  for (let round = 0; writing && round < 10_000; round++) await relay(receivers);
  await done;
  await relay(receivers);
  const found = await effects(kind);
  expect(found.length).toBe(count);
  expect(found.every(({ count: times }) => times === 1)).toBe(true);
});

test("a commit that stated facts calls back, one that did not, or was rolled back, does not", async () => {
  let calls = 0;
  deps.db.onStated(() => {
    calls += 1;
  });
  await deps.db.transaction((tx) => state(tx, "called", "a"));
  expect(calls).toBe(1);
  await deps.db.transaction((tx) => one(tx, { name: "test_nothing", text: `select 1` }));
  await deps.db
    .transaction((tx) => state(tx, "called", "b").then(() => Promise.reject(new Error("no"))))
    .catch(() => 0);
  expect(calls).toBe(1);
  await state(deps.db, "called", "c");
  expect(calls).toBe(2);
});
