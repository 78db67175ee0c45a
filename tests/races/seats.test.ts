import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Db, many, one, run } from "../../db/query.ts";
import { changeCapacity, changeRegistration, registerAll, settleSeats } from "../../db/seats.ts";
import type { Deps } from "../../deps.ts";
import { hurry, long, openCall, openTestDeps, parts, type System, startSystem, waitFor } from "../harness.ts";
import { arrangeEvent, arrangePeople, arrangeTokens } from "../registrations/arrange.ts";

const applicant = (userId: string) => ({ userId, registrationId: Bun.randomUUIDv7(), answers: {} });

type Counts = { taken: number; waiting: number; capacity: number | null; seated: number; positions: number[] };

async function count(db: Db, occurrenceId: string): Promise<Counts> {
  const row = await one<Counts>(db, {
    name: "test_counts",
    text: `select taken, waiting, capacity, (select count(*)::integer from event.registration r where r.occurrence_id = o.id and event.holds_seat(r.state)) as seated,
      array(select r.position from event.registration r where r.occurrence_id = o.id and r.state = 'waitlisted' order by 1) as positions from event.occurrence o where id = $1`,
    values: [occurrenceId],
  });
  if (!row) throw new Error("the occurrence is gone");
  return row;
}

describe("a rush over three API processes", () => {
  const [rush, seats] = [1_000, 100];
  let system: System;
  beforeAll(async () => {
    system = await startSystem({ apis: 3, pods: 2, environment: hurry });
  });
  afterAll(() => system?.stop());

  test(`${rush} people, ${seats} seats, a pod and an API process killed in the middle: ${seats} are seated, the others wait in order`, async () => {
    const people = await arrangePeople(system.db, rush);
    const tokens = await arrangeTokens(system.db, people);
    const { slug, occurrenceId } = await arrangeEvent(system.db, String(people[0]), { capacity: seats });
    const path = `/v1/events/${slug}/registrations`;
    let answered = 0;
    const told = await Promise.all(
      tokens.map(async (token, index) => {
        for (let attempt = 0; attempt < 40; attempt++) {
          const url = system.apiUrls[(index + attempt) % 3] ?? system.url;
          const answer = await openCall(url, token)("POST", path, { body: {} }).catch(() => undefined);
          if (answer && answer.status < 300) {
            answered += 1;
            if (answered === 200) system.pods[0]?.kill("SIGKILL");
            if (answered === 300) system.apis[2]?.kill("SIGKILL");
            return { index, id: answer.json.id, state: answer.json.state, place: answer.json.place };
          }
          if (answer && answer.status !== 503) throw new Error(answer.text);
          await Bun.sleep(50);
        }
        throw new Error("no answer");
      }),
    );
    const after = await count(system.db, occurrenceId);
    expect(after).toMatchObject({ taken: seats, seated: seats, waiting: rush - seats, capacity: seats });
    expect(after.positions).toEqual(Array.from({ length: rush - seats }, (_, index) => index + 1));
    expect(told.filter(({ state }) => state === "confirmed")).toHaveLength(seats);
    expect(new Set(told.map(({ id }) => id)).size).toBe(rush);

    const seated = told.filter(({ state }) => state === "confirmed").slice(0, 30);
    const call = ({ index, id }: { index: number; id: string }) =>
      openCall(system.apiUrls[index % 2] ?? system.url, tokens[index])("POST", `${path}/${id}/cancel`, { body: {} });
    expect((await Promise.all(seated.map(call))).map(({ status }) => status)).toEqual(seated.map(() => 200));
    const promoted = await many<{ first: number }>(system.db, {
      name: "test_promoted",
      text: `select min(position) as first from event.registration where occurrence_id = $1 and state = 'waitlisted'`,
      values: [occurrenceId],
    });
    expect(promoted[0]?.first).toBe(31);
    expect(await count(system.db, occurrenceId)).toMatchObject({
      taken: seats,
      seated: seats,
      waiting: rush - seats - 30,
    });
    const lines = await one<{ count: number }>(system.db, {
      name: "test_line_count",
      text: `select count(*)::integer from event.registration_change c join event.registration r on r.id = c.registration_id where r.occurrence_id = $1`,
      values: [occurrenceId],
    });
    expect(lines?.count).toBe(rush + 60);
    await system.startApi(2);
    await waitFor(async () => (await system.call("GET", "/readyz")).status === 200, "the system to be ready again");
  });
});

// What follows speaks to the database alone: on other parts it would be the same again.
describe.if(parts === "embedded")("locks", () => {
  let deps: Deps;
  let people: string[];
  beforeAll(async () => {
    deps = await openTestDeps({ DATABASE_POOL: "16" });
    people = await arrangePeople(deps.db, 60);
  });
  afterAll(() => deps?.close());

  const sell = async (capacity: number) => {
    const { occurrenceId } = await arrangeEvent(deps.db, String(people[0]), { capacity });
    await Promise.all(people.map((id) => registerAll(deps.db, { occurrenceId, applicants: [applicant(id)] })));
    return count(deps.db, occurrenceId);
  };

  test("sixty at once, each in a statement of his own", async () => {
    for (let round = 0; round < (long ? 200 : 5); round++) {
      const { taken, seated, positions } = await sell(7);
      expect([taken, seated]).toEqual([7, 7]);
      expect(positions).toEqual(Array.from({ length: 53 }, (_, index) => index + 1));
    }
  });

  test("the same person fifty times at once takes one seat", async () => {
    const { occurrenceId } = await arrangeEvent(deps.db, String(people[0]), { capacity: 7 });
    const one = String(people[1]);
    const batches = Array.from({ length: 25 }, () => [applicant(one), applicant(one)]);
    const answers = (
      await Promise.all(batches.map((applicants) => registerAll(deps.db, { occurrenceId, applicants })))
    ).flat();
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
    expect(await count(deps.db, occurrenceId)).toMatchObject({ taken: 1, seated: 1 });
  });

  test("cancelling and registering for the last seat at once: it is never lost, and never sold twice", async () => {
    for (let round = 0; round < (long ? 1_000 : 40); round++) {
      const { occurrenceId } = await arrangeEvent(deps.db, String(people[0]), { capacity: 1 });
      const [first] = await registerAll(deps.db, { occurrenceId, applicants: [applicant(String(people[1]))] });
      await Promise.all([
        changeRegistration(deps.db, {
          id: String(first?.id),
          expected: ["confirmed"],
          target: "cancelled",
          reason: "cancelled",
          actorId: null,
        }),
        registerAll(deps.db, { occurrenceId, applicants: [applicant(String(people[2]))] }),
      ]);
      expect(await count(deps.db, occurrenceId)).toMatchObject({ taken: 1, seated: 1, waiting: 0 });
    }
  });

  test("capacity lowered during the sale is either refused or kept", async () => {
    for (let round = 0; round < (long ? 200 : 10); round++) {
      const { occurrenceId } = await arrangeEvent(deps.db, String(people[0]), { capacity: 30 });
      const lowered = Array.from({ length: 4 }, (_, index) =>
        changeCapacity(deps.db, { occurrenceId, capacity: 5 + 6 * index }),
      );
      const sold = people.map((id) => registerAll(deps.db, { occurrenceId, applicants: [applicant(id)] }));
      await Promise.all([...lowered, ...sold]);
      const { taken, seated, waiting, capacity } = await count(deps.db, occurrenceId);
      expect([seated, taken + waiting]).toEqual([taken, 60]);
      expect(taken).toBe(Number(capacity));
    }
  });

  test("an offer that is accepted as its time runs out is his or the next one's, not both", async () => {
    for (let round = 0; round < (long ? 500 : 20); round++) {
      const { occurrenceId } = await arrangeEvent(deps.db, String(people[0]), {
        capacity: 1,
        confirmByLink: true,
        offerSeconds: 3600,
      });
      const [first] = await registerAll(deps.db, {
        occurrenceId,
        applicants: [1, 2].map((index) => applicant(String(people[index]))),
      });
      await run(deps.db, {
        name: "test_offer_over",
        text: `update event.registration set offered_until = clock_timestamp() + interval '2 ms' where id = $1`,
        values: [first?.id],
      });
      const accept = {
        id: String(first?.id),
        expected: ["offered" as const],
        target: "confirmed" as const,
        reason: "accepted",
        actorId: null,
      };
      await Promise.all([changeRegistration(deps.db, accept), settleSeats(deps.db, occurrenceId)]);
      await Bun.sleep(3);
      await settleSeats(deps.db, occurrenceId);
      expect(await count(deps.db, occurrenceId)).toMatchObject({ taken: 1, seated: 1 });
    }
  });

  test("without the lock, the first of these tests fails: it can", async () => {
    await run(deps.db, {
      name: "test_mutant",
      text: `do $mutant$ begin
        execute replace(pg_get_functiondef('event.settle_seats'::regproc), 'for no key update', '');
        alter table event.occurrence drop constraint occurrence_check;
      end $mutant$`,
    });
    for (let round = 0; round < 50; round++) {
      const { taken, positions } = await sell(7);
      if (taken > 7 || new Set(positions).size < positions.length) return;
    }
    throw new Error("nothing was oversold without the lock");
  });
});
