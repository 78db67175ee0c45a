import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type Answer,
  type Call,
  parts,
  publishPack,
  type System,
  startSystem,
  type TestUser,
  waitFor,
} from "../harness.ts";

let system: System;
let organizer: TestUser;
let stranger: TestUser;
let admin: TestUser;
let manager: TestUser;
let member: TestUser;
const team = "team-events";

beforeAll(async () => {
  system = await startSystem();
  [organizer, stranger, admin, manager, member] = await Promise.all([
    system.signUp("organizer", ["organizer"]),
    system.signUp("stranger"),
    system.signUp("admin", ["admin"]),
    system.signUp("manager"),
    system.signUp("member"),
  ]);
  await manager.call("POST", "/v1/organizations", { body: { slug: team, name: "Team" } });
  await system.db.query({
    name: "test_member",
    text: `insert into organization.member (organization_id, user_id, role)
      select o.id, u.id, 'member' from organization.organization o, account."user" u where o.slug = $1 and u.login = 'member'`,
    values: [team],
  });
});
afterAll(() => system?.stop());

const basic = {
  title: { ru: "Зимний турнир", en: "Winter tournament" },
  place: { kind: "server", address: "play.example.org:25565" },
  startsAt: "2126-03-01T19:00",
  endsAt: "2126-03-01T21:00",
  timeZone: "Europe/Berlin",
};
let made = 0;
const create = async (more: object = {}, user: TestUser = organizer) => {
  const answer = await user.call("POST", "/v1/events", { body: { ...basic, slug: `event-${++made}`, ...more } });
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.json;
};
const get = async (slug: string, call: Call = organizer.call) => call("GET", `/v1/events/${slug}`);
/** Changes with the tag that the event has at this moment. */
const patch = async (slug: string, body: object, { user = organizer, path = "" } = {}): Promise<Answer> => {
  const { headers } = await get(slug, user.call);
  return user.call("PATCH", `/v1/events/${slug}${path}`, { body, headers: { "if-match": headers.get("etag") ?? "" } });
};
/** Registers somebody behind the API's back, as the seats engine does. */
const register = async (occurrenceId: string, user: TestUser) =>
  (
    await system.db.query({
      name: "test_register",
      text: `select r.state from account."user" u, event.register($1, array[u.id], array[gen_random_uuid()], array['{}'::jsonb]) r where u.login = $2`,
      values: [occurrenceId, user.login],
    })
  ).rows[0] as { state: string };
const factsOf = async (eventId: string) =>
  (
    await system.db.query({
      name: "test_facts",
      text: `select kind, payload - 'eventId' as rest from outbox.fact where payload ->> 'eventId' = $1 and kind like 'event.%' order by id`,
      values: [eventId],
    })
  ).rows as { kind: string; rest: Record<string, unknown> }[];

test("an event is created as its organizer says, with times in UTC and in its zone", async () => {
  const made = await organizer.call("POST", "/v1/events", {
    body: { ...basic, text: { ru: "Приходите" }, tags: ["pvp", "турнир"], capacity: 20, opensAt: "2126-02-01T12:00" },
    headers: { "accept-language": "en" },
  });
  expect(made.status).toBe(201);
  expect(made.headers.get("location")).toBe("/v1/events/winter-tournament");
  expect(made.json).toMatchObject({
    slug: "winter-tournament",
    state: "published",
    startsAt: "2126-03-01T18:00:00.000Z",
    startsAtLocal: "2126-03-01T19:00:00+01:00",
    endsAtLocal: "2126-03-01T21:00:00+01:00",
    opensAt: "2126-02-01T11:00:00.000Z",
    timeZone: "Europe/Berlin",
    shown: { title: { lang: "en", fallback: false }, text: { lang: "ru", fallback: true } },
    organizer: "organizer",
    organization: null,
    role: "organizer",
    sequence: 0,
    registrations: [],
  });
  expect(made.json.occurrences).toEqual([
    expect.objectContaining({
      startsAt: "2126-03-01T18:00:00.000Z",
      capacity: 20,
      taken: 0,
      waiting: 0,
      cancelled: false,
    }),
  ]);
  expect(await factsOf(made.json.id)).toEqual([{ kind: "event.published", rest: {} }]);
  const seen = await get("winter-tournament", system.call);
  expect([seen.status, seen.json.role, seen.headers.get("etag")]).toEqual([200, null, expect.stringMatching(/^"1-/)]);
  const etag = (await get("winter-tournament", stranger.call)).headers.get("etag") ?? "";
  const again = await stranger.call("GET", "/v1/events/winter-tournament", { headers: { "if-none-match": etag } });
  expect([again.status, again.text]).toEqual([304, ""]);
});

test("a creating request that is repeated makes one event", async () => {
  const send = () =>
    organizer.call("POST", "/v1/events", {
      body: { ...basic, title: { ru: "Однажды" } },
      headers: { "idempotency-key": "events-once" },
    });
  const [first, second] = [await send(), await send()];
  expect([first.status, second.status, second.json.id]).toEqual([201, 201, first.json.id]);
});

test("addresses are made of titles and never used again", async () => {
  const title = { ru: "Ёлка: щедрый вечер — «Хэллоуин»!" };
  const slug = async (more: object = {}) =>
    (await organizer.call("POST", "/v1/events", { body: { ...basic, title, ...more } })).json.slug;
  expect(await slug()).toBe("elka-schedryy-vecher-hellouin");
  expect(await slug()).toBe("elka-schedryy-vecher-hellouin-2");
  expect((await organizer.call("DELETE", "/v1/events/elka-schedryy-vecher-hellouin")).status).toBe(204);
  expect(await slug()).toBe("elka-schedryy-vecher-hellouin-3");
  const taken = await organizer.call("POST", "/v1/events", {
    body: { ...basic, slug: "elka-schedryy-vecher-hellouin" },
  });
  expect([taken.status, taken.json.errors[0].pointer]).toEqual([409, "/slug"]);
  expect(await slug({ title: { en: "日本" } })).toMatch(/^event(-\d+)?$/);
});

const wrong: [why: string, change: object, pointer: string][] = [
  ["no language at all", { title: {} }, "/title"],
  ["a language of its own", { title: { de: "Turnier" } }, "/title/de"],
  ["an unknown member", { colour: "red" }, "/colour"],
  ["a time zone that is none", { timeZone: "Europe/Nowhere" }, "/timeZone"],
  ["an offset for a zone", { timeZone: "+03:00" }, "/timeZone"],
  ["an end before the start", { endsAt: "2126-03-01T18:00" }, "/endsAt"],
  ["a time that is none", { startsAt: "tomorrow" }, "/startsAt"],
  ["a day that is none", { startsAt: "2126-02-30T19:00" }, "/startsAt"],
  [
    "a question with a name that is taken",
    { questions: [{ id: "constructor", label: { en: "A" }, kind: "text", required: true }] },
    "/questions/0/id",
  ],
  ["a rule that is none", { rrule: "FREQ=SECONDLY" }, "/rrule"],
  ["a place that is none", { place: { kind: "moon" } }, "/place/kind"],
  ["a place with members of another", { place: { kind: "online", address: "x" } }, "/place/address"],
  ["a script for an address", { place: { kind: "online", url: "javascript:alert(1)" } }, "/place/url"],
  ["members without an organization", { visibility: "members" }, "/visibility"],
  ["a pack that is not there", { pack: { slug: "no-such-pack" } }, "/pack/slug"],
  ["an album that is not there", { album: "00000000-0000-7000-8000-000000000000" }, "/album"],
  ["an organization that is not there", { organization: "no-such-one" }, "/organization"],
  ["less than no seats", { capacity: -1 }, "/capacity"],
  [
    "a choice without options",
    { questions: [{ id: "a", label: { en: "A" }, kind: "choice", required: true }] },
    "/questions/0/options",
  ],
  [
    "a question twice",
    { questions: ["a", "a"].map((id) => ({ id, label: { en: "A" }, kind: "text", required: false })) },
    "/questions/1/id",
  ],
];
test.each(wrong)("refused: %s", async (_why, change, pointer) => {
  const { status, json } = await organizer.call("POST", "/v1/events", { body: { ...basic, ...change } });
  expect([status, json.code]).toEqual([422, "invalid"]);
  expect(json.errors.map((place: { pointer: string }) => place.pointer)).toContain(pointer);
});

test("organizers create their own, managers their organization's, nobody else any", async () => {
  const post = async (user: TestUser, more: object = {}) =>
    (await user.call("POST", "/v1/events", { body: { ...basic, ...more } })).status;
  expect(await post(stranger)).toBe(403);
  expect(await post(manager)).toBe(403);
  expect(await post(manager, { organization: team })).toBe(201);
  expect(await post(member, { organization: team })).toBe(403);
  expect(await post(organizer, { organization: team })).toBe(403);
  expect(await post(admin, { organization: team })).toBe(201);
  expect((await system.call("POST", "/v1/events", { body: basic })).status).toBe(401);
});

/** Who may see an event: organizer's own or the organization's, by state and visibility. */
const visibility: [more: object, seen: Record<string, number>, listed: string[]][] = [
  [
    {},
    { anonymous: 200, stranger: 200, member: 200, manager: 200, organizer: 200, admin: 200 },
    ["anonymous", "stranger", "member", "manager", "organizer", "admin"],
  ],
  [
    { visibility: "unlisted" },
    { anonymous: 200, stranger: 200, member: 200, manager: 200, organizer: 200, admin: 200 },
    [],
  ],
  [{ draft: true }, { anonymous: 404, stranger: 404, member: 404, manager: 404, organizer: 200, admin: 200 }, []],
  [
    { organization: team, visibility: "members" },
    { anonymous: 404, stranger: 404, member: 200, manager: 200, organizer: 404, admin: 200 },
    ["member", "manager", "admin"],
  ],
  [
    { organization: team, draft: true },
    { anonymous: 404, stranger: 404, member: 404, manager: 200, organizer: 404, admin: 200 },
    [],
  ],
  [
    { organization: team },
    { anonymous: 200, stranger: 200, member: 200, manager: 200, organizer: 200, admin: 200 },
    ["anonymous", "stranger", "member", "manager", "organizer", "admin"],
  ],
];
test.each(visibility)("who sees %j, by its page, its times, its seats and in lists", async (more, seen, listed) => {
  const owner = "organization" in more ? manager : organizer;
  const word = Math.random()
    .toString(36)
    .replace(/[^a-z]/g, "")
    .slice(0, 8);
  const { slug } = await create({ ...more, title: { ru: word } }, owner);
  const calls: Record<string, Call> = { anonymous: system.call };
  for (const user of [stranger, member, manager, organizer, admin]) calls[user.login] = user.call;
  for (const [who, call] of Object.entries(calls)) {
    for (const path of ["", "/occurrences", "/availability"])
      expect([who, path, (await call("GET", `/v1/events/${slug}${path}`)).status]).toEqual([who, path, seen[who] ?? 0]);
    const found = await call("GET", `/v1/events?query=${word}&sort=startsAt`);
    expect([who, found.json.items.length]).toEqual([who, listed.includes(who) ? 1 : 0]);
    const near = await call("GET", "/v1/events?from=2126-03-01&to=2126-03-02&limit=100");
    expect([who, near.text.includes(`"${slug}"`)]).toEqual([who, listed.includes(who)]);
    // Who may not see it is told what he would be told if it were not there.
    if (seen[who] === 404)
      expect((await call("GET", `/v1/events/${slug}`)).json.detail).toBe(
        `There is no event "${slug}" that you may see`,
      );
  }
  const runs = (await owner.call("GET", `/v1/events?mine=organizing&query=${word}`)).json.items;
  expect(runs.map((event: { slug: string }) => event.slug)).toEqual([slug]);
});

test("only those who run an event change it, with the tag of what they saw", async () => {
  const { slug } = await create();
  const change = (call: Call, headers: Record<string, string> = { "if-match": '"1"' }) =>
    call("PATCH", `/v1/events/${slug}`, { body: { tags: ["new"] }, headers });
  expect((await change(system.call)).status).toBe(401);
  expect((await change(stranger.call)).status).toBe(403);
  expect((await change(organizer.call, {})).status).toBe(428);
  expect((await change(organizer.call, { "if-match": '"7"' })).status).toBe(412);
  expect((await change(organizer.call)).json.tags).toEqual(["new"]);
  expect((await change(organizer.call)).status).toBe(412);
  const others: [method: string, path: string, body?: object][] = [
    ["DELETE", ""],
    ["POST", "/publish"],
    ["POST", "/cancel", {}],
    ["POST", "/duplicate", { startsAt: basic.startsAt }],
  ];
  for (const [method, path, body] of others)
    expect([path, (await stranger.call(method, `/v1/events/${slug}${path}`, body && { body })).status]).toEqual([
      path,
      403,
    ]);
});

test("an event is given to an organization and taken out again by who manages it, with its people; for members only there", async () => {
  const { slug, occurrences } = await create({ capacity: 5 });
  await register(occurrences[0].id, stranger);
  const give = (organization: string | null, user: TestUser, more = {}) =>
    patch(slug, { organization, ...more }, { user });
  expect((await give(team, organizer)).status).toBe(403); // not his organization
  expect((await give("nowhere", organizer)).status).toBe(404);
  await system.db.query({
    name: "test_both",
    text: `insert into organization.member (organization_id, user_id, role)
      select o.id, u.id, 'manager' from organization.organization o, account."user" u where o.slug = $1 and u.login = 'organizer'`,
    values: [team],
  });
  const given = await give(team, organizer, { visibility: "members" });
  expect(given.json).toMatchObject({ organization: { slug: team }, organizer: null, visibility: "members" });
  expect((await get(slug, stranger.call)).json.registrations).toHaveLength(1);
  expect((await give(null, member)).status).toBe(403);
  expect((await give(null, manager, { visibility: "public" })).status).toBe(403); // he has no events of his own
  expect((await give(null, organizer)).status).toBe(422); // for members of what?
  const back = await give(null, organizer, { visibility: "public" });
  expect(back.json).toMatchObject({ organization: null, organizer: "organizer" });
  expect((await get(slug, manager.call)).json.role).toBeNull();
});

test("who asks for confirmation by link where no mail is sent is told so", async () => {
  const { slug } = await create();
  const refused = await patch(slug, { confirmByLink: true });
  expect([refused.status, refused.json.errors[0].pointer]).toEqual([422, "/confirmByLink"]);
});

test("what people must hear of raises the sequence and is stated with its fields", async () => {
  const { slug, id } = await create({ draft: true });
  await patch(slug, { place: { kind: "online" } }); // of a draft nobody hears
  expect((await organizer.call("POST", `/v1/events/${slug}/publish`)).json.state).toBe("published");
  await organizer.call("POST", `/v1/events/${slug}/publish`); // once more changes nothing
  expect((await patch(slug, { tags: ["a"], text: { en: "More" } })).json.sequence).toBe(1);
  expect((await patch(slug, { startsAt: "2126-03-01T20:00" })).json.sequence).toBe(2);
  expect((await patch(slug, { tags: ["a"] })).json.sequence).toBe(2);
  expect(await factsOf(id)).toEqual([
    { kind: "event.published", rest: {} },
    { kind: "event.changed", rest: { fields: ["text", "tags"] } },
    { kind: "event.changed", rest: { fields: ["startsAt", "endsAt"] } },
  ]);
});

test("a moved event keeps its length, its occurrence and who is registered", async () => {
  const { slug, occurrences } = await create();
  await register(occurrences[0].id, stranger);
  const { json } = await patch(slug, { startsAt: "2126-04-01T10:00" });
  expect(json).toMatchObject({ startsAtLocal: "2126-04-01T10:00:00+02:00", endsAtLocal: "2126-04-01T12:00:00+02:00" });
  expect(json.occurrences).toEqual([
    expect.objectContaining({ id: occurrences[0].id, taken: 1, startsAtLocal: "2126-04-01T10:00:00+02:00" }),
  ]);
  const own = await get(slug, stranger.call);
  expect(own.json.registrations).toEqual([
    expect.objectContaining({ occurrenceId: occurrences[0].id, state: "confirmed", offeredUntil: null }),
  ]);
  expect((await patch(slug, { timeZone: "Asia/Tokyo" })).status).toBe(422);
});

test("seats are not taken from who has them, and new ones go to who waits", async () => {
  const { slug, occurrences, id } = await create({ capacity: 1, offerSeconds: 0 });
  const [{ id: occurrence }] = occurrences;
  expect((await register(occurrence, stranger)).state).toBe("confirmed");
  expect((await register(occurrence, member)).state).toBe("waitlisted");
  const refused = await patch(slug, { capacity: 0 });
  expect([refused.status, refused.json.taken]).toEqual([409, 1]);
  expect((await get(slug)).json.capacity).toBe(1); // nothing of it was kept
  const { json } = await patch(slug, { capacity: 2 });
  expect(json.occurrences[0]).toMatchObject({ capacity: 2, taken: 2, waiting: 0 });
  expect(
    (await patch(slug, { capacity: 5 }, { path: `/occurrences/${occurrence}` })).json.occurrences[0].capacity,
  ).toBe(5);
  // An exception keeps its own.
  expect((await patch(slug, { capacity: null })).json.occurrences[0].capacity).toBe(5);
  expect((await factsOf(id)).at(-2)).toEqual({
    kind: "event.changed",
    rest: { occurrenceId: occurrence, fields: ["capacity"] },
  });
});

test("a series has its occurrences, and a changed rule keeps those with people", async () => {
  const soon = Temporal.Now.plainDateISO("Europe/Berlin").add({ days: 10 });
  const at = (day: Temporal.PlainDate, time = "19:00") => `${day}T${time}`;
  const { slug, id } = await create({
    startsAt: at(soon),
    endsAt: at(soon, "21:00"),
    rrule: "FREQ=DAILY;COUNT=4",
    capacity: 5,
  });
  const all = async () => (await organizer.call("GET", `/v1/events/${slug}/occurrences`)).json.items;
  const before = await all();
  expect(before.map((one: any) => one.startsAtLocal.slice(0, 16))).toEqual(
    [0, 1, 2, 3].map((days) => at(soon.add({ days }))),
  );
  await register(before[1].id, stranger);
  await register(before[2].id, stranger);

  // Every second day: the third stays what it is, the second has somebody and is called off, the fourth is gone.
  await patch(slug, { rrule: "FREQ=DAILY;INTERVAL=2;COUNT=2" });
  const after = await all();
  expect(after.map(({ id, cancelled, taken }: any) => [id, cancelled, taken])).toEqual([
    [before[0].id, false, 0],
    [before[1].id, true, 1],
    [before[2].id, false, 1],
  ]);
  expect((await factsOf(id)).slice(1)).toEqual([
    { kind: "event.changed", rest: { fields: ["rrule"] } },
    { kind: "event.cancelled", rest: { occurrenceId: before[1].id } },
  ]);

  // Later in the day and a day later: each goes along, with its people.
  await patch(slug, { startsAt: at(soon.add({ days: 1 }), "20:30") });
  const moved = (await all()).filter(({ cancelled }: any) => !cancelled);
  expect(moved.map(({ id, startsAtLocal, taken }: any) => [id, startsAtLocal.slice(0, 16), taken])).toEqual([
    [before[0].id, at(soon.add({ days: 1 }), "20:30"), 0],
    [before[2].id, at(soon.add({ days: 3 }), "20:30"), 1],
  ]);

  // One of them is an exception: the series does not move it any more.
  const { json } = await patch(
    slug,
    { startsAt: at(soon.add({ days: 3 }), "12:00"), capacity: 9 },
    { path: `/occurrences/${before[2].id}` },
  );
  expect(json.occurrences.find((one: any) => one.id === before[2].id)).toMatchObject({ edited: true, capacity: 9 });
  await patch(slug, { startsAt: at(soon.add({ days: 1 }), "18:00"), capacity: 3 });
  const last = (await all()).filter(({ cancelled }: any) => !cancelled);
  expect(last.map(({ startsAtLocal, capacity }: any) => [startsAtLocal.slice(11, 16), capacity])).toEqual([
    ["18:00", 3],
    ["12:00", 9],
  ]);

  // Called off for one day, and on again.
  const off = await patch(slug, { cancelled: true }, { path: `/occurrences/${before[0].id}` });
  expect(off.json.occurrences[0].cancelled).toBe(true);
  expect((await factsOf(id)).at(-1)).toEqual({ kind: "event.cancelled", rest: { occurrenceId: before[0].id } });
  expect(
    (await patch(slug, { cancelled: false }, { path: `/occurrences/${before[0].id}` })).json.occurrences[0].cancelled,
  ).toBe(false);
  expect((await patch(slug, { cancelled: true }, { path: `/occurrences/${Bun.randomUUIDv7()}` })).status).toBe(404);

  // Once is once again.
  await patch(slug, { rrule: null });
  expect((await all()).filter(({ cancelled }: any) => !cancelled).map(({ id }: any) => id)).toEqual([before[0].id]);
});

test("a date that takes place again gives the seats that were given up meanwhile to who waits", async () => {
  const soon = Temporal.Now.plainDateISO("Europe/Berlin").add({ days: 10 });
  const times = { startsAt: `${soon}T19:00`, endsAt: `${soon}T21:00` };
  const { slug, occurrences } = await create({ ...times, rrule: "FREQ=DAILY;COUNT=2", capacity: 1, offerSeconds: 0 });
  const second = occurrences[1].id;
  expect([(await register(second, stranger)).state, (await register(second, member)).state]).toEqual([
    "confirmed",
    "waitlisted",
  ]);
  await patch(slug, { rrule: "FREQ=DAILY;COUNT=1" });
  const [own] = (await get(slug, stranger.call)).json.registrations;
  expect((await stranger.call("POST", `/v1/events/${slug}/registrations/${own.id}/cancel`, { body: {} })).status).toBe(
    200,
  );
  const { json } = await patch(slug, { rrule: "FREQ=DAILY;COUNT=2" });
  expect(json.occurrences[1]).toMatchObject({ id: second, cancelled: false, taken: 1, waiting: 0 });
  expect((await get(slug, member.call)).json.registrations[0].state).toBe("confirmed");
});

test("a series that goes on is made for a year ahead, in pages", async () => {
  const soon = Temporal.Now.plainDateISO("Europe/Moscow").add({ days: 1 });
  const { slug } = await create({
    startsAt: `${soon}T19:00`,
    endsAt: `${soon}T20:00`,
    timeZone: "Europe/Moscow",
    rrule: "FREQ=WEEKLY",
  });
  const first = await system.call("GET", `/v1/events/${slug}/occurrences?limit=30`);
  const second = await system.call("GET", `/v1/events/${slug}/occurrences?limit=100&cursor=${first.json.nextCursor}`);
  const all = [...first.json.items, ...second.json.items];
  expect([first.json.items.length, new Set(all.map(({ id }: any) => id)).size, second.json.nextCursor]).toEqual([
    30,
    all.length,
    null,
  ]);
  expect([57, 58]).toContain(all.length);
  expect(new Set(all.map(({ startsAtLocal }: any) => startsAtLocal.slice(11))).size).toBe(1);
  expect((await get(slug)).json.occurrences.length).toBe(10);
});

test("a duplicate is a draft at another time, without people or pictures", async () => {
  const former = await create({
    opensAt: "2126-02-22T19:00",
    tags: ["again"],
    questions: [{ id: "nick", label: { en: "Nick" }, kind: "text", required: true }],
  });
  await register(former.occurrences[0].id, stranger);
  const { status, json } = await organizer.call("POST", `/v1/events/${former.slug}/duplicate`, {
    body: { startsAt: "2126-07-01T19:00" },
  });
  expect([status, json.state, json.slug]).toEqual([201, "draft", expect.stringMatching(/^winter-tournament-\d+$/)]);
  expect(json).toMatchObject({
    tags: ["again"],
    questions: former.questions,
    startsAtLocal: "2126-07-01T19:00:00+02:00",
    endsAtLocal: "2126-07-01T21:00:00+02:00",
    opensAt: "2126-06-24T17:00:00.000Z",
  });
  expect(json.occurrences).toEqual([expect.objectContaining({ taken: 0, waiting: 0 })]);
  expect((await get(json.slug, stranger.call)).status).toBe(404);
});

test("an event that is called off stays, and one that people come to is not deleted before", async () => {
  const { slug, id, occurrences } = await create();
  await register(occurrences[0].id, stranger);
  expect((await organizer.call("DELETE", `/v1/events/${slug}`)).status).toBe(409);
  const off = await organizer.call("POST", `/v1/events/${slug}/cancel`, { body: { reason: "Сервер сгорел" } });
  expect(off.json).toMatchObject({ state: "cancelled", cancelledReason: "Сервер сгорел", sequence: 1 });
  expect((await organizer.call("POST", `/v1/events/${slug}/cancel`, { body: {} })).json.cancelledReason).toBe(
    "Сервер сгорел",
  );
  expect((await factsOf(id)).slice(1)).toEqual([{ kind: "event.cancelled", rest: {} }]);
  expect((await patch(slug, { tags: ["late"] })).status).toBe(409);
  expect((await get(slug, stranger.call)).json.registrations.length).toBe(1);
  expect((await stranger.call("GET", "/v1/events?mine=registered&limit=100")).text).toContain(`"${slug}"`);
  expect((await organizer.call("DELETE", `/v1/events/${slug}`)).status).toBe(204);
  expect((await get(slug)).status).toBe(404);
});

test("packs, versions and pictures are linked by who may see them, and shown to who may", async () => {
  await publishPack(organizer, { slug: "open-pack", version: "1.0.0", files: { "a.jar": "a" } });
  await publishPack(organizer, {
    slug: "closed-pack",
    version: "1.0.0",
    files: { "b.jar": "b" },
    visibility: "private",
  });
  const { slug } = await create({ pack: { slug: "open-pack", version: "1.0.0" } });
  expect((await get(slug, system.call)).json.pack).toEqual({ slug: "open-pack", name: "open-pack", version: "1.0.0" });
  expect((await patch(slug, { pack: { slug: "open-pack", version: "9" } })).status).toBe(422);
  const { json } = await patch(slug, { pack: { slug: "closed-pack" } });
  expect(json.pack).toEqual({ slug: "closed-pack", name: "closed-pack", version: null });
  expect((await get(slug, stranger.call)).json.pack).toBe(null);
  const other = await admin.call("POST", "/v1/albums", { body: { title: "Not his" } });
  expect((await patch(slug, { album: other.json.id })).status).toBe(422);
  const own = await organizer.call("POST", "/v1/albums", { body: { title: "Photos" } });
  expect((await patch(slug, { album: own.json.id })).json.album).toBe(own.json.id);
  expect((await get(slug, system.call)).json.album).toBe(null); // it is private
});

test("seats are told live, to those who may see the event", async () => {
  const { slug, occurrences } = await create({ capacity: 2 });
  const [{ id }] = occurrences;
  const seats = async () => (await system.call("GET", `/v1/events/${slug}/availability`)).json;
  const first = await system.call("GET", `/v1/events/${slug}/availability?occurrence=${id}`);
  expect(first.headers.get("cache-control")).toBe("no-store");
  expect(first.json).toEqual({
    occurrence: id,
    capacity: 2,
    taken: 0,
    waiting: 0,
    open: true,
    opensAt: null,
    closesAt: occurrences[0].startsAt,
    asOf: expect.any(String),
  });
  await register(id, stranger); // tells nobody: what is remembered is a second old at the most
  await waitFor(async () => (await seats()).taken === 1, "the seat to be seen");
  await patch(slug, { capacity: 3 }); // tells: seen at once where it was changed
  if (parts === "embedded") expect((await seats()).capacity).toBe(3);
  await waitFor(async () => (await seats()).capacity === 3, "the capacity to be seen");
  await patch(slug, { opensAt: "2126-02-28T12:00" });
  await waitFor(async () => !(await seats()).open, "the registration to be seen closed");
  expect((await system.call("GET", `/v1/events/${slug}/availability?occurrence=${Bun.randomUUIDv7()}`)).status).toBe(
    404,
  );
});

test("fields changed by hand are noted on an event that came from a source", async () => {
  const { slug, id } = await create({ organization: team }, manager);
  await system.db.query({
    name: "test_source",
    text: `with s as (insert into event.source (id, organization_id, url, format, name) select gen_random_uuid(), organization_id, 'https://example.org/a.ics', 'ics', 'Elsewhere' from event.event where id = $1 returning id)
      update event.event set source_id = (select id from s), source_uid = 'x' where id = $1`,
    values: [id],
  });
  await patch(slug, { title: { ru: "Иначе" } }, { user: manager });
  const { json } = await patch(slug, { startsAt: "2126-05-01T10:00" }, { user: manager });
  expect([json.source, json.edited]).toEqual(["Elsewhere", ["endsAt", "startsAt", "title"]]);
  expect((await get(slug, system.call)).json.edited).toEqual([]);
  const path = `/occurrences/${json.occurrences[0].id}`;
  expect((await patch(slug, { capacity: 7 }, { user: manager, path })).json.edited).not.toContain("exceptions");
  expect((await patch(slug, { cancelled: true }, { user: manager, path })).json.edited).toContain("exceptions");
});

test("the events of somebody who deletes his account vanish at once, and come back with him", async () => {
  const leaver = await system.signUp("leaver", ["organizer"]);
  const { slug } = await create({ title: { ru: "Прощание" } }, leaver);
  const asked = async () => [
    (await get(slug, system.call)).status,
    (await system.call("GET", "/v1/events?query=прощание")).json.items.length,
    (await system.call("GET", "/v1/events?from=2126-03-01&limit=100")).text.includes(`"${slug}"`),
  ];
  expect(await asked()).toEqual([200, 1, true]);
  expect((await leaver.call("DELETE", "/v1/me", { body: { password: "a long test password" } })).status).toBe(200);
  expect(await asked()).toEqual([404, 0, false]);
  const back = { login: "leaver", password: "a long test password" };
  expect((await system.call("POST", "/v1/auth/undelete", { body: back })).status).toBe(200);
  expect(await asked()).toEqual([200, 1, true]);
});

test("an event has galleries of its own, which its organizers fill and whoever sees it looks at", async () => {
  const { slug } = await create({ organization: team, visibility: "members" }, manager);
  const gallery = { title: "Photos", event: slug, visibility: "page" };
  expect((await stranger.call("POST", "/v1/albums", { body: gallery })).status).toBe(404);
  expect((await member.call("POST", "/v1/albums", { body: gallery })).status).toBe(403);
  expect((await manager.call("POST", "/v1/albums", { body: { ...gallery, organization: team } })).status).toBe(422);
  const made = await manager.call("POST", "/v1/albums", { body: gallery });
  expect([made.status, made.json.event, made.json.role]).toEqual([201, slug, "editor"]);
  expect((await member.call("GET", `/v1/albums/${made.json.id}`)).json).toMatchObject({ event: slug, role: "reader" });
  expect((await stranger.call("GET", `/v1/albums/${made.json.id}`)).status).toBe(404);
  const listed = await member.call("GET", `/v1/events/${slug}/albums`);
  expect(listed.json.items.map(({ id }: any) => id)).toEqual([made.json.id]);
  expect((await stranger.call("GET", `/v1/events/${slug}/albums`)).status).toBe(404);
  expect((await patch(slug, { album: made.json.id }, { user: manager })).json.album).toBe(made.json.id);
  expect((await get(slug, member.call)).json.album).toBe(made.json.id);
});
