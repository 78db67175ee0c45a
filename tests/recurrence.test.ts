import { expect, test } from "bun:test";
import fc from "fast-check";
import ICAL from "ical.js";
import { isTimeZone, readTime, showLocal, spellTimeZone } from "../local-time.ts";
import { listStarts } from "../recurrence.ts";
import { readRule } from "../recurrence-rule.ts";
import { long } from "./harness.ts";

const list = (rrule: string, start: string, timeZone: string, until: string) =>
  listStarts(
    { rrule, startsAt: readTime(start, timeZone), timeZone },
    { from: readTime(start, timeZone), until: readTime(until, timeZone) },
  );

/** What clocks show, over a change of them. */
const changes: [title: string, rrule: string, start: string, timeZone: string, expected: string[]][] = [
  [
    "Berlin, spring: 19:00 stays 19:00, an hour earlier in UTC",
    "FREQ=DAILY;COUNT=3",
    "2026-03-28T19:00",
    "Europe/Berlin",
    ["2026-03-28T19:00:00+01:00", "2026-03-29T19:00:00+02:00", "2026-03-30T19:00:00+02:00"],
  ],
  [
    "Berlin, autumn",
    "FREQ=WEEKLY;COUNT=3",
    "2026-10-17T20:00",
    "Europe/Berlin",
    ["2026-10-17T20:00:00+02:00", "2026-10-24T20:00:00+02:00", "2026-10-31T20:00:00+01:00"],
  ],
  [
    "Berlin, spring: 02:30 is skipped by the clocks and moved to 03:30, for that day alone",
    "FREQ=DAILY;COUNT=3",
    "2026-03-28T02:30",
    "Europe/Berlin",
    ["2026-03-28T02:30:00+01:00", "2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"],
  ],
  [
    "Berlin, autumn: 02:30 comes twice, the first counts",
    "FREQ=DAILY;COUNT=3",
    "2026-10-24T02:30",
    "Europe/Berlin",
    ["2026-10-24T02:30:00+02:00", "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
  ],
  [
    "New York changes two weeks before Berlin",
    "FREQ=WEEKLY;BYDAY=SU;COUNT=3",
    "2026-03-01T18:00",
    "America/New_York",
    ["2026-03-01T18:00:00-05:00", "2026-03-08T18:00:00-04:00", "2026-03-15T18:00:00-04:00"],
  ],
  [
    "New York, autumn, the second 01:30 as the first occurrence",
    "FREQ=DAILY;COUNT=2",
    "2026-11-01T01:30:00-05:00",
    "America/New_York",
    ["2026-11-01T01:30:00-05:00", "2026-11-02T01:30:00-05:00"],
  ],
  [
    "Moscow has no change since 2014",
    "FREQ=MONTHLY;COUNT=4",
    "2026-01-31T19:00",
    "Europe/Moscow",
    [
      "2026-01-31T19:00:00+03:00",
      "2026-03-31T19:00:00+03:00",
      "2026-05-31T19:00:00+03:00",
      "2026-07-31T19:00:00+03:00",
    ],
  ],
  [
    "Moscow in 2014 gave up its summer time for good",
    "FREQ=WEEKLY;COUNT=3",
    "2014-10-18T19:00",
    "Europe/Moscow",
    ["2014-10-18T19:00:00+04:00", "2014-10-25T19:00:00+04:00", "2014-11-01T19:00:00+03:00"],
  ],
];

test.each(changes)("%s", (_title, rrule, start, timeZone, expected) => {
  const { starts, ended } = list(rrule, start, timeZone, "2027-01-01T00:00");
  expect(starts.map((time) => showLocal(time, timeZone))).toEqual(expected);
  expect(ended).toBe(true);
});

/** Rules of the RFC (RFC 5545, 3.8.5.3), by what they say in words. */
const rules: [rrule: string, start: string, until: string, days: string[]][] = [
  ["FREQ=MONTHLY;BYDAY=1FR;COUNT=3", "2026-01-02T19:00", "2027-01-01T00:00", ["01-02", "02-06", "03-06"]],
  ["FREQ=MONTHLY;BYDAY=-1SU", "2026-01-25T19:00", "2026-04-30T00:00", ["01-25", "02-22", "03-29", "04-26"]],
  ["FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-31T19:00", "2026-04-30T23:00", ["01-31", "02-28", "03-31", "04-30"]],
  ["FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2", "2026-01-30T19:00", "2027-01-01T00:00", ["01-30", "02-27"]],
  [
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=MO;COUNT=4",
    "2026-08-04T19:00",
    "2027-01-01T00:00",
    ["08-04", "08-09", "08-18", "08-23"],
  ],
  [
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU;COUNT=4",
    "2026-08-04T19:00",
    "2027-01-01T00:00",
    ["08-04", "08-16", "08-18", "08-30"],
  ],
  ["FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "2026-02-13T19:00", "2026-12-31T00:00", ["02-13", "03-13", "11-13"]],
  ["FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "2026-11-26T19:00", "2027-12-31T00:00", ["11-26", "11-25"]],
  ["FREQ=DAILY;INTERVAL=10;UNTIL=20260121", "2026-01-01T19:00", "2027-01-01T00:00", ["01-01", "01-11", "01-21"]],
  ["FREQ=DAILY;UNTIL=20260103T155959Z", "2026-01-01T19:00", "2027-01-01T00:00", ["01-01", "01-02"]],
  ["FREQ=DAILY;UNTIL=20260103T160000Z", "2026-01-01T19:00", "2027-01-01T00:00", ["01-01", "01-02", "01-03"]],
  ["FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "2026-02-01T19:00", "2027-01-01T00:00", ["02-01"]], // no such day: only the first
];

test.each(rules)("%s from %s", (rrule, start, until, days) => {
  const { starts } = list(rrule, start, "Europe/Moscow", until);
  expect(starts.map((time) => showLocal(time, "Europe/Moscow").slice(5, 10))).toEqual(days);
});

test("what goes on is not over at the end of the window, and is looked at from any day", () => {
  const series = {
    rrule: "FREQ=WEEKLY",
    startsAt: readTime("2020-01-01T19:00", "Europe/Berlin"),
    timeZone: "Europe/Berlin",
  };
  const { starts, ended } = listStarts(series, { from: new Date("2026-11-01"), until: new Date("2026-11-20") });
  expect([starts.map((time) => time.toISOString().slice(0, 10)), ended]).toEqual([
    ["2026-11-04", "2026-11-11", "2026-11-18"],
    false,
  ]);
  const over = { ...series, rrule: "FREQ=WEEKLY;COUNT=2" };
  expect(listStarts(over, { from: new Date("2026-11-01"), until: new Date("2026-11-20") })).toEqual({
    starts: [new Date("2020-01-08T18:00:00Z")],
    ended: true,
  });
});

const weekDay = fc.constantFrom("MO", "TU", "WE", "TH", "FR", "SA", "SU");
const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.uniqueArray(arbitrary, { minLength: 1, maxLength: 3 });
const anyRule = fc.oneof(
  fc.record({ freq: fc.constant("DAILY") }),
  fc.record({ freq: fc.constant("WEEKLY"), byday: some(weekDay), wkst: weekDay }),
  fc.record({ freq: fc.constant("MONTHLY"), bymonthday: some(fc.integer({ min: 1, max: 31 })) }),
  fc.record({
    freq: fc.constant("MONTHLY"),
    byday: some(fc.tuple(fc.constantFrom("1", "2", "-1"), weekDay).map((parts) => parts.join(""))),
  }),
  fc.record({
    freq: fc.constant("YEARLY"),
    bymonth: some(fc.integer({ min: 1, max: 12 })),
    bymonthday: some(fc.integer({ min: 1, max: 28 })),
  }),
);
const anyCase = fc.record({
  rule: anyRule,
  interval: fc.integer({ min: 1, max: 4 }),
  count: fc.integer({ min: 1, max: 30 }),
  day: fc.integer({ min: 0, max: 700 }),
});

test("rules give the days that ical.js gives", () => {
  fc.assert(
    fc.property(anyCase, ({ rule, interval, count, day }) => {
      const parts = Object.entries({ ...rule, interval, count }).map(
        ([name, value]) => `${name.toUpperCase()}=${value}`,
      );
      const text = parts.join(";");
      const from = ICAL.Time.fromJSDate(new Date(Date.UTC(2026, 0, 1 + day, 19)), true);
      // There a first day that the rule does not name is none; here it is, and is counted. So both start with a day of the rule.
      const first = ICAL.Recur.fromString(text).iterator(from).next()?.toString().slice(0, 19) ?? "";
      const series = { rrule: text, startsAt: new Date(`${first}Z`), timeZone: "UTC" };
      const { starts } = listStarts(series, { from: new Date(0), until: new Date("2200-01-01") });
      expect([text, ...starts.map((time) => time.toISOString().slice(0, 19))]).toEqual([
        text,
        ...askOther(text, first, count),
      ]);
    }),
    { numRuns: long ? 3000 : 300 },
  );
});

function askOther(text: string, first: string, count: number): string[] {
  const iterator = ICAL.Recur.fromString(text).iterator(ICAL.Time.fromJSDate(new Date(`${first}Z`), true));
  return Array.from({ length: count }, () => iterator.next()?.toString().slice(0, 19) ?? "");
}

const refused = [
  "",
  "FREQ=SECONDLY",
  "FREQ=HOURLY;INTERVAL=2",
  "FREQ=DAILY;INTERVAL=0",
  "FREQ=DAILY;INTERVAL=-1",
  "FREQ=DAILY;COUNT=0",
  "FREQ=DAILY;COUNT=3;UNTIL=20270101",
  "FREQ=DAILY;COUNT=3;COUNT=4",
  "FREQ=DAILY;BYHOUR=1,2",
  "FREQ=DAILY;BYDAY=1MO",
  "FREQ=WEEKLY;BYDAY=XX",
  "FREQ=WEEKLY;BYMONTHDAY=1",
  "FREQ=YEARLY;BYWEEKNO=20",
  "FREQ=DAILY;X-OURS=1",
  "FREQ=DAILY;BYSETPOS=1",
  "INTERVAL=2",
  "RRULE:",
];
test.each(refused)('the rule "%s" is refused', (text) => {
  expect(() => readRule(text)).toThrow("Cannot use the rule");
});

test("a rule that never comes costs no more than its window", () => {
  const series = { rrule: "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", startsAt: new Date("2026-01-01"), timeZone: "UTC" };
  expect(listStarts(series, { from: new Date("2026-01-01"), until: new Date("2027-02-05") }).starts).toEqual([
    new Date("2026-01-01"),
  ]);
});

test("time zones are names, not offsets", () => {
  expect(["europe/berlin", "AMERICA/new_york", "utc"].map(spellTimeZone)).toEqual([
    "Europe/Berlin",
    "America/New_York",
    "UTC",
  ]);
  expect(["Europe/Moscow", "America/New_York", "UTC", "Asia/Kolkata"].filter(isTimeZone).length).toBe(4);
  expect(["", "+03:00", "Europe/Nowhere", "Moscow Time", "../etc"].filter(isTimeZone)).toEqual([]);
});
