import { toLocal } from "./local-time.ts";

/** One time that an event takes place, as it is now. */
export type Occurrence = {
  id: string;
  /** The start that the rule gives it. */
  recursAt: Date;
  startsAt: Date;
  endsAt: Date;
  /** An exception: its own times stay. */
  edited: boolean;
  cancelledAt: Date | null;
};
export type Times = { recursAt: Date; startsAt: Date; endsAt: Date };
export type Series = { startsAt: Date; endsAt: Date; timeZone: string; rrule: string | null };

type Change = { occurrences: Occurrence[]; before: Series; after: Series; starts: Date[]; now: Date };

/**
 * What a changed series means for its occurrences. A series is moved as a whole: each goes where the first one goes, counted
 * in local days, and stays the same occurrence, with its registrations, where the new rule has one that day. The others are
 * dropped. What is over stays as it was, but for an event that takes place once.
 */
export function planOccurrences({ occurrences, before, after, starts, now }: Change) {
  const moved: (Times & { id: string; revived: boolean })[] = [];
  const dropped: { id: string; recursAt: Date }[] = [];
  const lengthMs = after.endsAt.getTime() - after.startsAt.getTime();
  const isOver = (times: Pick<Times, "endsAt">) => after.rrule !== null && times.endsAt <= now;
  const past = occurrences.filter(isOver);
  const open = new Map(starts.map((start) => [dayOf(start, after.timeZone).toString(), start]));
  for (const { recursAt } of past) open.delete(dayOf(recursAt, after.timeZone).toString());
  const taken = new Set(past.map(({ recursAt }) => recursAt.getTime()));
  const shift = dayOf(before.startsAt, before.timeZone).until(dayOf(after.startsAt, after.timeZone));
  // One that takes place comes before one that was dropped from the same day.
  for (const occurrence of occurrences.toSorted(
    (a, b) => Number(a.cancelledAt !== null) - Number(b.cancelledAt !== null),
  )) {
    if (isOver(occurrence)) continue;
    const day = dayOf(occurrence.recursAt, before.timeZone).add(shift).toString();
    const recursAt = open.get(day);
    if (recursAt === undefined) {
      dropped.push(occurrence);
      continue;
    }
    open.delete(day);
    taken.add(recursAt.getTime());
    const { id, edited, cancelledAt } = occurrence;
    const times = edited ? occurrence : { startsAt: recursAt, endsAt: new Date(recursAt.getTime() + lengthMs) };
    moved.push({
      id,
      recursAt,
      startsAt: times.startsAt,
      endsAt: times.endsAt,
      revived: cancelledAt !== null && !edited,
    });
  }
  const added = [...open.values()]
    .map((start) => ({ recursAt: start, startsAt: start, endsAt: new Date(start.getTime() + lengthMs) }))
    .filter((times) => !isOver(times) || occurrences.length === 0);
  for (const { recursAt } of added) taken.add(recursAt.getTime());
  return { moved, added, dropped: dropped.map(({ id, recursAt }) => ({ id, recursAt: findFree(recursAt, taken) })) };
}

function dayOf(time: Date, timeZone: string): Temporal.PlainDate {
  return toLocal(time, timeZone).toPlainDate();
}

/** A dropped one that is kept for its registrations gives its place in the series to another. */
function findFree(time: Date, taken: Set<number>): Date {
  let ms = time.getTime();
  while (taken.has(ms)) ms += 1;
  taken.add(ms);
  return new Date(ms);
}
