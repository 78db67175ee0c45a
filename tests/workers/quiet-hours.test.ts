import { expect, test } from "bun:test";
import { afterQuietHours, nextDigest } from "../../workers/quiet-hours.ts";

const utc = (text: string) => new Date(`${text}Z`);
const show = (at: Date) => at.toISOString().slice(0, 16);

// zone, quiet from and to (the clock there), due (UTC), told (UTC)
const cases: [zone: string, from: string, to: string, due: string, told: string, what: string][] = [
  ["Europe/Moscow", "22:00", "08:00", "2026-11-20T18:59", "2026-11-20T18:59", "a minute before they begin"],
  ["Europe/Moscow", "22:00", "08:00", "2026-11-20T19:00", "2026-11-21T05:00", "when they begin"],
  ["Europe/Moscow", "22:00", "08:00", "2026-11-21T04:59", "2026-11-21T05:00", "a minute before they end"],
  ["Europe/Moscow", "22:00", "08:00", "2026-11-21T05:00", "2026-11-21T05:00", "when they end"],
  ["Europe/Moscow", "13:00", "15:00", "2026-11-20T11:30", "2026-11-20T12:00", "within one day"],
  ["Europe/Moscow", "13:00", "15:00", "2026-11-20T12:30", "2026-11-20T12:30", "after those of one day"],
  ["Europe/Moscow", "08:00", "08:00", "2026-11-20T12:30", "2026-11-20T12:30", "none"],
  // Summer time ends in Berlin on 2026-10-25 at 03:00 (+02:00), and begins on 2026-03-29 at 02:00 (+01:00).
  ["Europe/Berlin", "22:00", "07:00", "2026-10-24T21:00", "2026-10-25T06:00", "a night that is an hour longer"],
  ["Europe/Berlin", "22:00", "07:00", "2026-03-28T22:00", "2026-03-29T05:00", "a night that is an hour shorter"],
  [
    "Europe/Berlin",
    "22:00",
    "02:30",
    "2026-03-28T22:00",
    "2026-03-29T01:30",
    "an end that the clock skips: moved forward",
  ],
  ["Europe/Berlin", "22:00", "02:30", "2026-10-24T21:00", "2026-10-25T01:30", "an end that comes twice: the second"],
  // Summer time ends in New York on 2026-11-01 at 02:00 (-04:00).
  ["America/New_York", "23:00", "06:00", "2026-11-01T03:30", "2026-11-01T11:00", "New York, a longer night"],
  ["Nowhere/Unknown", "22:00", "08:00", "2026-11-20T23:00", "2026-11-21T08:00", "a zone that is not known: UTC"],
];

for (const [timeZone, from, to, due, told, what] of cases)
  test(`quiet hours ${from} to ${to} in ${timeZone}, ${due}: ${what}`, () => {
    expect(show(afterQuietHours(utc(due), { timeZone, from, to }))).toBe(told);
  });

const digests: [zone: string, digest: "daily" | "weekly", at: string, next: string][] = [
  ["Europe/Moscow", "daily", "2026-11-20T05:59", "2026-11-20T06:00"],
  ["Europe/Moscow", "daily", "2026-11-20T06:00", "2026-11-21T06:00"],
  ["Europe/Moscow", "weekly", "2026-11-20T06:00", "2026-11-23T06:00"],
  ["Europe/Moscow", "weekly", "2026-11-23T06:00", "2026-11-30T06:00"],
  ["Europe/Berlin", "daily", "2026-10-24T12:00", "2026-10-25T08:00"],
  ["Europe/Berlin", "daily", "2026-03-28T12:00", "2026-03-29T07:00"],
];

for (const [timeZone, digest, at, next] of digests)
  test(`a ${digest} digest in ${timeZone} after ${at} goes out at nine in the morning there`, () => {
    expect(show(nextDigest(utc(at), { timeZone, digest }))).toBe(next);
  });
