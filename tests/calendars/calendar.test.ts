import { expect, test } from "bun:test";
import { join } from "node:path";
import ICAL from "ical.js";
import { type Entry, writeCalendar } from "../../calendar.ts";

const hour = 3_600_000;

/** A weekly series of four from a local time on, over the zone's next change of clocks; the second date is moved, the third cancelled. */
function makeSeries(timeZone: string, local: string): Entry {
  const zoned = Temporal.PlainDateTime.from(local).toZonedDateTime(timeZone);
  const week = (number: number, days = 0) => new Date(zoned.add({ weeks: number, days }).epochMilliseconds);
  const until = (time: Date, hours: number) => new Date(time.getTime() + hours * hour);
  return {
    uid: "0198c0de-0000-7000-8000-000000000001",
    sequence: 3,
    changedAt: new Date("2026-02-01T10:00:00Z"),
    createdAt: new Date("2026-01-01T10:00:00Z"),
    title: "Турнир по строительству; большой, очень большой и долгий — с названием на русском языке 🏰",
    text: "Первая строка\nвторая, с \\ и ;",
    place: "play.example.org:25565",
    url: "https://example.org/v1/events/turnir",
    tags: ["турнир", "build-week"],
    startsAt: week(0),
    endsAt: until(week(0), 2),
    timeZone,
    rrule: "FREQ=WEEKLY;COUNT=4",
    status: "CONFIRMED",
    exceptions: [
      { recursAt: week(1), startsAt: week(1, 1), endsAt: until(week(1, 1), 3), cancelled: false },
      { recursAt: week(2), startsAt: week(2), endsAt: until(week(2), 2), cancelled: true },
    ],
  };
}

const zones = [
  ["Europe/Moscow", "2014-10-19T19:00"],
  ["Europe/Berlin", "2026-03-20T19:00"],
  ["America/New_York", "2026-02-27T19:00"],
] as const;

for (const [timeZone, local] of zones) {
  const entry = makeSeries(timeZone, local);
  const text = writeCalendar({ name: "Сундук", entries: [entry], now: entry.startsAt });

  test(`a series in ${timeZone} over a change of clocks is what the golden file says`, async () => {
    const golden = join(import.meta.dir, `${timeZone.replace("/", "-").toLowerCase()}.ics`);
    expect(text).toBe(await Bun.file(golden).text());
  });

  test(`ical.js reads the series in ${timeZone} with the zone as it is described there, and finds the same instants`, () => {
    const calendar = new ICAL.Component(ICAL.parse(text));
    const zone = new ICAL.Timezone(calendar.getFirstSubcomponent("vtimezone") ?? undefined);
    const [series, ...exceptions] = calendar.getAllSubcomponents("vevent").map((part) => new ICAL.Event(part));
    if (!series) throw new Error("there is no series");
    const instant = (time: ICAL.Time) => {
      const zoned = time.clone();
      zoned.zone = zone;
      return zoned.toUnixTime() * 1000;
    };
    const dates = series.iterator();
    const starts = Array.from({ length: 5 }, () => dates.next()).filter((time) => time !== null && time !== undefined);
    const weekly = Array.from(
      { length: 4 },
      (_, index) =>
        Temporal.PlainDateTime.from(local).toZonedDateTime(timeZone).add({ weeks: index }).epochMilliseconds,
    );
    expect(starts.map(instant)).toEqual(weekly);
    expect(series.summary).toBe(entry.title);
    expect(series.description).toBe(entry.text);
    expect(exceptions.map(({ recurrenceId }) => instant(recurrenceId))).toEqual(weekly.slice(1, 3));
    expect(exceptions.map((exception) => exception.component.getFirstPropertyValue("status"))).toEqual([
      "CONFIRMED",
      "CANCELLED",
    ]);
    expect(instant(exceptions[0]?.startDate ?? series.startDate)).toBe(Number(entry.exceptions[0]?.startsAt));
  });
}

test("a series that began long ago is at its hour today: its zone is described until then", () => {
  const entry = { ...makeSeries("Europe/Berlin", "2008-01-04T19:00"), rrule: "FREQ=WEEKLY", exceptions: [] };
  const calendar = new ICAL.Component(ICAL.parse(writeCalendar({ name: "", entries: [entry] })));
  const zone = new ICAL.Timezone(calendar.getFirstSubcomponent("vtimezone") ?? undefined);
  const summer = ICAL.Time.fromDateTimeString(`${new Date().getUTCFullYear() + 1}-07-01T19:00:00`);
  summer.zone = zone;
  expect(new Date(summer.toUnixTime() * 1000).toISOString()).toContain("T17:00");
});

test("no line has more than 75 octets, none ends inside a character, and all end with CRLF", () => {
  const entry = { ...makeSeries("Europe/Berlin", "2026-03-20T19:00"), text: "ё🏰, ".repeat(500) };
  const text = writeCalendar({ name: "", entries: [entry] });
  const lines = text.split("\r\n");
  expect(lines.pop()).toBe("");
  expect(
    lines.filter((line) => Buffer.byteLength(line) > 75 || line.includes("\n") || line.includes("\uFFFD")),
  ).toEqual([]);
  expect(text.replaceAll("\r\n ", "")).toContain("DESCRIPTION:ё🏰\\, ё🏰");
});

test("what would begin a line of its own cannot leave its value", () => {
  const entry = { ...makeSeries("Europe/Berlin", "2026-03-20T19:00"), title: "a\r\nATTENDEE:mailto:x@y\u0000\u0007" };
  const text = writeCalendar({ name: "b\nX-C:d", entries: [entry] });
  expect(text).not.toMatch(/^(ATTENDEE|X-C)/m);
  expect(text).toContain("SUMMARY:a\\nATTENDEE:mailto:x@y\r\n");
});

test("what takes place once is in UTC and needs no zone; a mail names its method and people", () => {
  const once = {
    ...makeSeries("Europe/Berlin", "2026-03-20T19:00"),
    rrule: null,
    exceptions: [],
    status: "CANCELLED" as const,
  };
  const text = writeCalendar({
    name: "",
    entries: [once],
    method: "CANCEL",
    attendee: "a@b.example",
    organizer: "o@b.example",
  });
  expect(text).not.toContain("VTIMEZONE");
  for (const line of ["METHOD:CANCEL", "DTSTART:20260320T180000Z", "STATUS:CANCELLED", "ORGANIZER:mailto:o@b.example"])
    expect(text).toContain(`${line}\r\n`);
});

test("the end of a series is told in UTC, as a series in a zone asks for", () => {
  const write = (rrule: string) =>
    /RRULE:(.*)\r/.exec(
      writeCalendar({ name: "", entries: [{ ...makeSeries("Europe/Berlin", "2026-03-20T19:00"), rrule }] }),
    )?.[1];
  expect(write("FREQ=DAILY;UNTIL=20260705T190000;INTERVAL=2")).toBe("FREQ=DAILY;UNTIL=20260705T170000Z;INTERVAL=2");
  expect(write("FREQ=DAILY;UNTIL=20260105")).toBe("FREQ=DAILY;UNTIL=20260105T225959Z");
  expect(write("FREQ=DAILY;UNTIL=20260705T190000Z")).toBe("FREQ=DAILY;UNTIL=20260705T190000Z");
});
