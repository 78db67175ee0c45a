import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { many, one, run } from "../../db/query.ts";
import {
  type Applicant,
  changeCapacity,
  changeRegistration,
  drawLots,
  type RegistrationState,
  registerAll,
  settleSeats,
} from "../../db/seats.ts";
import type { Deps } from "../../deps.ts";
import { long, openTestDeps } from "../harness.ts";
import { arrangeEvent, arrangePeople } from "./arrange.ts";

let deps: Deps;
let people: string[];

beforeAll(async () => {
  deps = await openTestDeps();
  people = await arrangePeople(deps.db, 40);
});
afterAll(() => deps.close());

const applicant = (userId: string): Applicant => ({ userId, registrationId: Bun.randomUUIDv7(), answers: {} });
const seated: RegistrationState[] = ["confirmed", "offered", "checked-in", "no-show"];

async function look(occurrenceId: string) {
  const rows = await many<{ userId: string; id: string; state: RegistrationState; position: number | null }>(deps.db, {
    name: "test_registrations",
    text: `select user_id as "userId", id, state, position from event.registration where occurrence_id = $1`,
    values: [occurrenceId],
  });
  const counts = await one<{ taken: number; waiting: number; capacity: number | null }>(deps.db, {
    name: "test_occurrence_counts",
    text: `select taken, waiting, capacity from event.occurrence where id = $1`,
    values: [occurrenceId],
  });
  if (!counts) throw new Error("the occurrence is gone");
  const waiting = rows
    .filter(({ state }) => state === "waitlisted")
    .sort((a, b) => Number(a.position) - Number(b.position));
  return { rows, counts, waiting, stateOf: new Map(rows.map(({ userId, state }) => [userId, state])) };
}

type Rules = { capacity: number; approval: "instant" | "hand"; offerSeconds: 0 | 3600; confirmByLink: boolean };

/** What should be true, in ten lines: who has what, and who waits in which order. */
function openModel({ capacity, approval, offerSeconds, confirmByLink }: Rules) {
  const states = new Map<number, RegistrationState>();
  let queue: number[] = [];
  let seats = capacity;
  const free = () => seats - [...states.values()].filter((state) => seated.includes(state)).length;
  const promote = () => {
    while (queue.length > 0 && free() > 0)
      states.set(Number(queue.shift()), offerSeconds > 0 || confirmByLink ? "offered" : "confirmed");
  };
  const admit = (who: number) => {
    if (queue.length > 0 || free() <= 0) queue.push(who);
    states.set(who, queue.includes(who) ? "waitlisted" : confirmByLink ? "offered" : "confirmed");
  };
  const leave = (who: number, state: RegistrationState) => {
    queue = queue.filter((other) => other !== who);
    states.set(who, state);
    promote();
  };
  return {
    states,
    queue: () => queue,
    register: (who: number) => {
      if ((states.get(who) ?? "cancelled") !== "cancelled") return;
      if (approval === "hand") states.set(who, "pending");
      else admit(who);
    },
    admit: (who: number) => states.get(who) === "pending" && admit(who),
    accept: (who: number) => states.get(who) === "offered" && states.set(who, "confirmed"),
    checkIn: (who: number) => states.get(who) === "confirmed" && states.set(who, "checked-in"),
    cancel: (who: number) =>
      ["pending", "confirmed", "waitlisted", "offered"].includes(states.get(who) ?? "") && leave(who, "cancelled"),
    decline: (who: number) =>
      ["pending", "confirmed", "waitlisted", "offered"].includes(states.get(who) ?? "") && leave(who, "declined"),
    expire: (who: number) => states.get(who) === "offered" && leave(who, "cancelled"),
    resize: (to: number) => {
      if (seats - free() > to) return;
      seats = to;
      promote();
    },
  };
}

const who = fc.nat(11);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(who, { minLength: 1, maxLength: 6 }).map((all) => ({ act: "register" as const, all })),
  },
  ...(["admit", "accept", "checkIn", "cancel", "decline", "expire"] as const).map((act) => ({
    weight: 2,
    arbitrary: who.map((one) => ({ act, one })),
  })),
  { weight: 1, arbitrary: fc.nat(8).map((to) => ({ act: "resize" as const, to })) },
);
const changes = {
  admit: { expected: ["pending"], target: "admitted" },
  accept: { expected: ["offered"], target: "confirmed" },
  checkIn: { expected: ["confirmed"], target: "checked-in" },
  cancel: { expected: ["pending", "confirmed", "waitlisted", "offered"], target: "cancelled" },
  decline: { expected: ["pending", "confirmed", "waitlisted", "offered"], target: "declined" },
} as const;

test("seats do what a model of ten lines does, whatever happens in which order", async () => {
  const rules = fc.record<Rules>({
    capacity: fc.nat(6),
    approval: fc.constantFrom("instant", "hand"),
    offerSeconds: fc.constantFrom(0, 3600),
    confirmByLink: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(rules, fc.array(step, { maxLength: 30 }), async (rule, steps) => {
      const model = openModel(rule);
      const { occurrenceId } = await arrangeEvent(deps.db, String(people[39]), rule);
      for (const taken of steps) {
        if (taken.act === "register") {
          const applicants = taken.all.map((index) => applicant(String(people[index])));
          await registerAll(deps.db, { occurrenceId, applicants });
          for (const index of taken.all) model.register(index);
        } else if (taken.act === "resize") {
          await changeCapacity(deps.db, { occurrenceId, capacity: taken.to });
          model.resize(taken.to);
        } else {
          const found = (await look(occurrenceId)).rows.find(({ userId }) => userId === people[taken.one]);
          if (taken.act === "expire") {
            if (found?.state === "offered") await expire(found.id);
            await settleSeats(deps.db, occurrenceId);
          } else if (found) {
            const { expected, target } = changes[taken.act];
            await changeRegistration(deps.db, {
              id: found.id,
              expected: [...expected],
              target,
              reason: "test",
              actorId: null,
            });
          }
          model[taken.act](taken.one);
        }
        const { stateOf, waiting, counts } = await look(occurrenceId);
        expect(Object.fromEntries([...stateOf].map(([id, state]) => [people.indexOf(id), state]))).toEqual(
          Object.fromEntries(model.states),
        );
        expect(waiting.map(({ userId }) => people.indexOf(userId))).toEqual(model.queue());
        expect(counts.taken).toBe([...stateOf.values()].filter((state) => seated.includes(state)).length);
        expect(counts.waiting).toBe(waiting.length);
      }
    }),
    { numRuns: long ? 500 : 40 },
  );
});

async function expire(id: string): Promise<void> {
  await run(deps.db, {
    name: "test_expire",
    text: `update event.registration set offered_until = now() - interval '1 second' where id = $1`,
    values: [id],
  });
}

describe("what is kept of it", () => {
  test("every change of state is a line, and lines cannot be changed", async () => {
    const { occurrenceId } = await arrangeEvent(deps.db, String(people[0]), { capacity: 1, offerSeconds: 3600 });
    const [first, second] = await registerAll(deps.db, {
      occurrenceId,
      applicants: [applicant(String(people[1])), applicant(String(people[2]))],
    });
    await changeRegistration(deps.db, {
      id: String(first?.id),
      expected: ["confirmed"],
      target: "cancelled",
      reason: "cancelled",
      actorId: String(people[1]),
    });
    await expire(String(second?.id));
    await settleSeats(deps.db, occurrenceId);
    const lines = await many<{ from: string | null; to: string; reason: string }>(deps.db, {
      name: "test_lines",
      text: `select from_state as "from", to_state as "to", reason from event.registration_change where registration_id = $1 order by id`,
      values: [second?.id],
    });
    expect(lines).toEqual([
      { from: null, to: "waitlisted", reason: "registered" },
      { from: "waitlisted", to: "offered", reason: "promoted" },
      { from: "offered", to: "cancelled", reason: "offer-expired" },
    ]);
    const change = run(deps.db, {
      name: "test_change_line",
      text: `update event.registration_change set reason = 'x' where registration_id = $1`,
      values: [second?.id],
    });
    await expect(change).rejects.toThrow("appended");
  });

  test("each change states one fact, in its transaction", async () => {
    const { occurrenceId } = await arrangeEvent(deps.db, String(people[0]), { capacity: 1 });
    await registerAll(deps.db, { occurrenceId, applicants: people.slice(1, 4).map(applicant) });
    const facts = await many<{ kind: string; count: number }>(deps.db, {
      name: "test_facts",
      text: `select kind, count(*)::integer as count from outbox.fact where payload ->> 'occurrenceId' = $1 group by kind order by kind`,
      values: [occurrenceId],
    });
    expect(facts).toEqual([
      { kind: "registration.confirmed", count: 1 },
      { kind: "registration.waitlisted", count: 2 },
    ]);
  });
});

test("the lottery seats as many as there is room for, and the others wait", async () => {
  const { occurrenceId } = await arrangeEvent(deps.db, String(people[0]), { capacity: 3, approval: "lottery" });
  await registerAll(deps.db, { occurrenceId, applicants: people.slice(1, 11).map(applicant) });
  expect(await drawLots(deps.db, { occurrenceId, actorId: null })).toBe(3);
  expect(await drawLots(deps.db, { occurrenceId, actorId: null })).toBe(0);
  const { counts, waiting, rows } = await look(occurrenceId);
  expect(counts).toEqual({ taken: 3, waiting: 7, capacity: 3 });
  expect(waiting.map(({ position }) => position)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(rows.filter(({ state }) => state === "confirmed")).toHaveLength(3);
});

test("nobody is seated at what was called off", async () => {
  for (const [table, which] of [
    ["event", "state = 'cancelled' where id = $1"],
    ["occurrence", "cancelled_at = now() where event_id = $1"],
  ]) {
    const rule = { capacity: 1, approval: "hand", offerSeconds: 0 } as const;
    const { eventId, occurrenceId } = await arrangeEvent(deps.db, String(people[39]), rule);
    const [first] = await registerAll(deps.db, { occurrenceId, applicants: [applicant(String(people[0]))] });
    await run(deps.db, { name: "", text: `update event.${table} set ${which}`, values: [eventId] });
    const approve = { id: String(first?.id), expected: ["pending" as const], reason: "test", actorId: null };
    expect(await changeRegistration(deps.db, { ...approve, target: "admitted" })).toMatchObject({
      state: "pending",
      changed: false,
    });
    expect(await drawLots(deps.db, { occurrenceId, actorId: null })).toBeNull();
  }
});

test("one who may not register is refused alone, and the others of his batch are not", async () => {
  const { occurrenceId } = await arrangeEvent(deps.db, String(people[0]), { capacity: 5 });
  const nobody = Bun.randomUUIDv7();
  const answers = await registerAll(deps.db, {
    occurrenceId,
    applicants: [String(people[1]), nobody, String(people[2])].map(applicant),
  });
  expect(answers.map(({ state, refusal }) => state ?? refusal)).toEqual(["confirmed", "gone", "confirmed"]);
});

test("the table itself refuses more seats than there are", async () => {
  const { occurrenceId } = await arrangeEvent(deps.db, String(people[0]), { capacity: 1 });
  const oversell = run(deps.db, {
    name: "test_oversell",
    text: `update event.occurrence set taken = 2 where id = $1`,
    values: [occurrenceId],
  });
  await expect(oversell).rejects.toThrow("check");
});
