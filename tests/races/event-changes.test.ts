import { afterAll, beforeAll, expect, test } from "bun:test";
import { type System, startSystem, type TestUser } from "../harness.ts";

const people = 40;
let system: System;
let organizer: TestUser;

beforeAll(async () => {
  system = await startSystem({ pods: 1 });
  organizer = await system.signUp("organizer", ["organizer"]);
  await system.db.query({
    name: "test_people",
    text: `insert into account."user" (id, login) select gen_random_uuid(), 'guest-' || n from generate_series(1, $1::integer) n`,
    values: [people],
  });
});
afterAll(() => system?.stop());

const soon = Temporal.Now.plainDateISO("Europe/Moscow").add({ days: 5 });
const create = async (more: object) => {
  const body = {
    ...{ title: { en: "Rush" }, place: { kind: "online" }, timeZone: "Europe/Moscow" },
    ...{ startsAt: `${soon}T19:00`, endsAt: `${soon}T21:00`, ...more },
  };
  const made = await organizer.call("POST", "/v1/events", { body });
  if (made.status !== 201) throw new Error(made.text);
  return made.json;
};
const patch = async (slug: string, body: object, tag?: string) =>
  organizer.call("PATCH", `/v1/events/${slug}`, {
    body,
    headers: { "if-match": tag ?? (await organizer.call("GET", `/v1/events/${slug}`)).headers.get("etag") ?? "" },
  });

test("of changes that saw the same event one is made, and the others are told", async () => {
  const { slug } = await create({});
  const tag = (await organizer.call("GET", `/v1/events/${slug}`)).headers.get("etag") ?? "";
  const hours = Array.from({ length: 10 }, (_, index) => `${soon}T${10 + index}:30`);
  const answers = await Promise.all(hours.map((startsAt) => patch(slug, { startsAt }, tag)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(412)]);
  const made = answers.find(({ status }) => status === 200);
  const { json } = await organizer.call("GET", `/v1/events/${slug}`);
  expect([json.startsAt, json.sequence, json.occurrences.length]).toEqual([made?.json.startsAt, 1, 1]);
});

test("while people register, seats are changed and the series is moved: nobody is lost, nobody stands, nobody waits for ever", async () => {
  const { id, slug, occurrences } = await create({ rrule: "FREQ=DAILY;COUNT=3", capacity: 5, offerSeconds: 0 });
  const register = (occurrence: string, guest: number) =>
    system.db.query({
      name: "test_register",
      text: `select r.state from account."user" u, event.register($1, array[u.id], array[gen_random_uuid()], array['{}'::jsonb]) r where u.login = $2`,
      values: [occurrence, `guest-${guest}`],
    });
  for (const { id } of occurrences) for (const guest of [1, 2, 3, 4]) await register(id, guest);
  const rush = Array.from({ length: people }, (_, index) => index + 1).map(async (guest) => {
    for (const { id } of occurrences) await register(id, guest);
  });
  const changes = async () => {
    const statuses: number[] = [];
    for (const body of [
      { capacity: 12 },
      { startsAt: `${soon.add({ days: 1 })}T18:00` },
      { capacity: 3 },
      { capacity: 20 },
      { startsAt: `${soon}T12:00` },
    ])
      statuses.push((await patch(slug, body)).status);
    return statuses;
  };
  const [statuses] = await Promise.all([changes(), ...rush]);
  // Three seats are fewer than were taken before: refused as a whole.
  expect(statuses).toEqual([200, 200, 409, 200, 200]);
  const { rows } = await system.db.query({
    name: "test_seats",
    text: `select o.capacity, o.taken, o.waiting, o.cancelled_at, count(r.*) filter (where event.holds_seat(r.state)) as seated,
        count(r.*) filter (where r.state = 'waitlisted') as waitlisted
      from event.occurrence o left join event.registration r on r.occurrence_id = o.id where o.event_id = $1 group by o.id order by o.starts_at`,
    values: [id],
  });
  const seats = { capacity: 20, taken: 20, waiting: 20, cancelled_at: null, seated: 20, waitlisted: 20 };
  expect(rows).toEqual([seats, seats, seats]);
  const { json } = await organizer.call("GET", `/v1/events/${slug}`);
  expect(json.occurrences.map(({ startsAtLocal }: any) => startsAtLocal.slice(0, 16))).toEqual(
    [0, 1, 2].map((days) => `${soon.add({ days })}T12:00`),
  );
  expect(json.occurrences.map(({ id }: any) => id)).toEqual(occurrences.map(({ id }: any) => id));
});
