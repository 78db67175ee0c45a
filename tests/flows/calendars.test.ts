import { afterAll, beforeAll, expect, test } from "bun:test";
import ICAL from "ical.js";
import { one, run } from "../../db/query.ts";
import { type System, startSystem, type TestUser } from "../harness.ts";
import { arrangeEvent } from "../registrations/arrange.ts";

let system: System;
let organizer: TestUser;
let anna: TestUser;
let boris: TestUser;

beforeAll(async () => {
  system = await startSystem({ pods: 0 });
  [organizer, anna, boris] = await Promise.all([
    system.signUp("organizer"),
    system.signUp("anna"),
    system.signUp("boris"),
  ]);
});
afterAll(() => system?.stop());

async function makeEvent(capacity: number, change: { visibility?: string } = {}) {
  const owner = await one<{ id: string }>(system.db, {
    name: "test_owner",
    text: `select id from account."user" where login = 'organizer'`,
  });
  const event = await arrangeEvent(system.db, String(owner?.id), { capacity });
  await run(system.db, {
    name: "test_event_words",
    text: `update event.event set title = '{"ru": "Турнир", "en": "Tournament"}', visibility = $2 where id = $1`,
    values: [event.eventId, change.visibility ?? "public"],
  });
  return { ...event, path: `/v1/events/${event.slug}` };
}

const read = (text: string) =>
  new ICAL.Component(ICAL.parse(text)).getAllSubcomponents("vevent").map((part) => ({
    uid: part.getFirstPropertyValue("uid"),
    summary: part.getFirstPropertyValue("summary"),
    status: part.getFirstPropertyValue("status"),
    sequence: Number(part.getFirstPropertyValue("sequence")),
  }));

test("an event in calendars: in the language that is asked for, unchanged while it is, cancelled when it is", async () => {
  const { path, eventId } = await makeEvent(5);
  const russian = await system.call("GET", `${path}/calendar.ics?language=ru`, { headers: { accept: "text/html" } });
  expect(russian.headers.get("content-type")).toBe("text/calendar; charset=utf-8");
  expect(read(russian.text)).toMatchObject([{ uid: eventId, summary: "Турнир", status: "CONFIRMED", sequence: 0 }]);
  const english = await system.call("GET", `${path}/calendar.ics`, { headers: { "accept-language": "en" } });
  expect(read(english.text)[0]?.summary).toBe("Tournament");
  const again = await system.call("GET", `${path}/calendar.ics?language=ru`, {
    headers: { "if-none-match": russian.headers.get("etag") ?? "" },
  });
  expect([again.status, again.text]).toEqual([304, ""]);
  await run(system.db, {
    name: "test_cancel",
    text: `update event.event set state = 'cancelled', sequence = sequence + 1 where id = $1`,
    values: [eventId],
  });
  const cancelled = await system.call("GET", `${path}/calendar.ics`);
  expect(read(cancelled.text)).toMatchObject([{ uid: eventId, status: "CANCELLED", sequence: 1 }]);
});

test("an event that somebody may not see is in no calendar of his", async () => {
  const { path } = await makeEvent(5, { visibility: "members" });
  for (const [call, status] of [
    [system.call, 404],
    [anna.call, 404],
    [organizer.call, 200],
  ] as const)
    expect((await call("GET", `${path}/calendar.ics`)).status).toBe(status);
});

test("a person's calendar has what he takes part in, at an address that can be replaced and ended", async () => {
  const [sure, waiting] = [await makeEvent(5), await makeEvent(0)];
  const taken = await anna.call("POST", `${sure.path}/registrations`, { body: {} });
  await anna.call("POST", `${waiting.path}/registrations`, { body: {} });
  await boris.call("POST", `${sure.path}/registrations`, { body: {} });
  expect((await anna.call("GET", "/v1/me/calendar")).status).toBe(404);
  const first = (await anna.call("POST", "/v1/me/calendar")).json.url;
  // Of many that are made at once one is left.
  const made = await Promise.all(Array.from({ length: 5 }, () => anna.call("POST", "/v1/me/calendar")));
  const opened = await Promise.all(made.map(({ json }) => system.call("GET", new URL(json.url).pathname)));
  expect(opened.filter(({ status }) => status === 200)).toHaveLength(1);
  const { url } = (await anna.call("POST", "/v1/me/calendar")).json;
  const fetchCalendar = (address: string) => system.call("GET", new URL(address).pathname);
  expect((await fetchCalendar(first)).status).toBe(404);
  const shown = await fetchCalendar(url);
  expect(shown.headers.get("cache-control")).toContain("private");
  expect(new Map(read(shown.text).map(({ uid, status }) => [uid, status]))).toEqual(
    new Map([
      [sure.occurrenceId, "CONFIRMED"],
      [waiting.occurrenceId, "TENTATIVE"],
    ]),
  );
  const before = read(shown.text).find(({ uid }) => uid === sure.occurrenceId)?.sequence ?? 0;
  await anna.call("POST", `${sure.path}/registrations/${taken.json.id}/cancel`, { body: {} });
  const after = read((await fetchCalendar(url)).text).find(({ uid }) => uid === sure.occurrenceId);
  expect(after?.status).toBe("CANCELLED");
  expect(after?.sequence).toBeGreaterThan(before);
  expect((await anna.call("GET", "/v1/me/calendar")).json.usedAt).not.toBeNull();
  expect((await anna.call("DELETE", "/v1/me/calendar")).status).toBe(204);
  expect((await fetchCalendar(url)).status).toBe(404);
});
