import { expect, test } from "bun:test";
import fc from "fast-check";
import { toLocal } from "../local-time.ts";
import { planOccurrences } from "../plan-occurrences.ts";
import { listStarts } from "../recurrence.ts";
import { long } from "./harness.ts";

const hour = 3600 * 1000;
const now = new Date("2026-05-01T12:00:00Z");
const window = { from: new Date("2026-03-01"), until: new Date("2027-03-01") };
const rule = fc.constantFrom(
  ...[
    null,
    "FREQ=DAILY;COUNT=9",
    "FREQ=DAILY;INTERVAL=2;COUNT=40",
    "FREQ=WEEKLY",
    "FREQ=WEEKLY;BYDAY=MO,SA",
    "FREQ=MONTHLY;BYDAY=-1FR",
  ],
);
const series = fc
  .record({
    rrule: rule,
    startsAt: fc.integer({ min: -40 * 24, max: 60 * 24 }).map((hours) => new Date(now.getTime() + hours * hour)),
    timeZone: fc.constantFrom<string[]>("Europe/Moscow", "Europe/Berlin", "America/New_York"),
    hours: fc.integer({ min: 0, max: 30 }),
  })
  .map(({ hours, ...rest }) => ({ ...rest, endsAt: new Date(rest.startsAt.getTime() + hours * hour) }));

type Series = typeof series extends fc.Arbitrary<infer Value> ? Value : never;
const first: Series = { rrule: null, startsAt: now, endsAt: now, timeZone: "UTC" };
const plan = (occurrences: Parameters<typeof planOccurrences>[0]["occurrences"], before: Series, after: Series) =>
  planOccurrences({ occurrences, before, after, starts: listStarts(after, window).starts, now });

test("whatever a series becomes, no occurrence is lost or there twice, and the new rule is kept", () => {
  fc.assert(
    fc.property(fc.array(series, { minLength: 2, maxLength: 5 }), fc.infiniteStream(fc.nat(9)), (changes, dice) => {
      let before = first;
      let occurrences: Parameters<typeof planOccurrences>[0]["occurrences"] = [];
      let made = 0;
      for (const after of changes) {
        const { moved, added, dropped } = plan(occurrences, before, after);
        const kept = occurrences.filter(({ id }) => ![...moved, ...dropped].some((one) => one.id === id));
        // What is left alone is over, and only in a series.
        expect(kept.every(({ endsAt }) => after.rrule !== null && endsAt <= now)).toBe(true);
        const former = new Map(occurrences.map((one) => [one.id, one]));
        occurrences = [
          ...kept,
          ...moved.flatMap(({ id, recursAt, startsAt, endsAt, revived }) => {
            const one = former.get(id);
            return one ? [{ ...one, recursAt, startsAt, endsAt, cancelledAt: revived ? null : one.cancelledAt }] : [];
          }),
          // Some had people, and stay as cancelled.
          ...dropped.flatMap(({ id, recursAt }) => {
            const one = former.get(id);
            return one && dice.next().value > 4 ? [{ ...one, recursAt, cancelledAt: one.cancelledAt ?? now }] : [];
          }),
          ...added.map((times) => ({
            ...times,
            id: String(++made),
            edited: dice.next().value === 0,
            cancelledAt: null,
          })),
        ];
        const places = occurrences.map(({ recursAt }) => recursAt.getTime());
        expect(new Set(places).size).toBe(places.length);
        // Every start of the new rule that is still ahead has one occurrence; one that was called off by hand is one too, and a
        // day that has had its own gets no second one.
        const dayOf = (time: Date) => toLocal(time, after.timeZone).toPlainDate().toString();
        const had = kept.map(({ recursAt }) => dayOf(recursAt));
        const ahead = listStarts(after, window).starts.filter((start) => start > now && !had.includes(dayOf(start)));
        const there = occurrences
          .filter(({ cancelledAt, edited }) => cancelledAt === null || edited)
          .map(({ recursAt }) => recursAt.getTime());
        expect(ahead.filter((start) => !there.includes(start.getTime()))).toEqual([]);
        before = after;
      }
    }),
    { numRuns: long ? 2_000 : 200 },
  );
});

test("a series that stays the same changes nothing", () => {
  fc.assert(
    fc.property(series, (same) => {
      const { added } = plan([], first, same);
      const occurrences = added.map((times, index) => ({
        ...times,
        id: String(index),
        edited: false,
        cancelledAt: null,
      }));
      const again = plan(occurrences, same, same);
      expect([again.added, again.dropped]).toEqual([[], []]);
      expect(again.moved.every(({ id, recursAt }) => +recursAt === +(occurrences[Number(id)]?.recursAt ?? 0))).toBe(
        true,
      );
    }),
    { numRuns: long ? 2_000 : 200 },
  );
});
