import { Fault } from "../fault.ts";
import { planOccurrences, type Series } from "../plan-occurrences.ts";
import { listStarts } from "../recurrence.ts";
import {
  dropOccurrences,
  insertOccurrences,
  lockOccurrences,
  moveOccurrences,
  type OccurrenceRow,
  updateFreeCapacities,
} from "./occurrence.ts";
import type { Db } from "./query.ts";
import { changeCapacity, settleSeats } from "./seats.ts";

const day = 24 * 3600 * 1000;
/** A series that goes on has its occurrences so far ahead; `extend-events` adds to them as time goes by. */
const horizonMs = 400 * day;
/** A series that began long ago is kept so far back when it comes here. */
const historyMs = 31 * day;

type Event = Series & { id: string; capacity: number | null };

/** When the last occurrence of a series ends; null while that is not known. Throws what the rule is refused with. */
export function findLastEnd(series: Series, now: Date): Date | null {
  const { starts, ended } = list(series, now);
  const last = starts.at(-1);
  return ended && last ? new Date(last.getTime() + series.endsAt.getTime() - series.startsAt.getTime()) : null;
}

const list = (series: Series, now: Date) =>
  listStarts(series, { from: new Date(now.getTime() - historyMs), until: new Date(now.getTime() + horizonMs) });

/**
 * Makes an event's occurrences what its series and capacity say, in the transaction that changed them and holds the event's
 * row. Registrations are kept: what falls out of the series is cancelled where somebody has registered. 409 when more seats
 * are taken than there would be. Answers with the occurrences that were cancelled and those whose seats may have changed.
 */
export async function settleTimes(
  tx: Db,
  { event, before, now }: { event: Event; before: Series; now: Date },
): Promise<{ cancelled: string[]; changed: string[] }> {
  const occurrences = await lockOccurrences(tx, event.id);
  const { starts } = list(event, now);
  const { moved, added, dropped } = planOccurrences({ occurrences, before, after: event, starts, now });
  const known = new Map(occurrences.map((occurrence) => [occurrence.id, occurrence]));
  const cancelled = dropped.length > 0 ? await dropOccurrences(tx, dropped) : [];
  const elsewhere = moved.filter(({ id, recursAt, startsAt, endsAt, revived }) => {
    const former = known.get(id);
    return (
      revived ||
      +recursAt !== +(former?.recursAt ?? 0) ||
      +startsAt !== +(former?.startsAt ?? 0) ||
      +endsAt !== +(former?.endsAt ?? 0)
    );
  });
  if (elsewhere.length > 0) await moveOccurrences(tx, elsewhere);
  if (added.length > 0) await insertOccurrences(tx, { eventId: event.id, capacity: event.capacity, times: added });
  const resized = moved
    .flatMap(({ id }) => known.get(id) ?? [])
    .filter(({ edited, capacity }) => !edited && capacity !== event.capacity);
  await resize(tx, { occurrences: resized, capacity: event.capacity });
  // Seats that were given up while it did not take place go to those who wait.
  const awaited = moved.filter(({ id }) => (known.get(id)?.waiting ?? 0) > 0);
  for (const { id } of awaited) await settleSeats(tx, id);
  return { cancelled, changed: [...resized, ...elsewhere].map(({ id }) => id) };
}

async function resize(
  tx: Db,
  { occurrences, capacity }: { occurrences: OccurrenceRow[]; capacity: number | null },
): Promise<void> {
  const isFree = ({ taken, waiting }: OccurrenceRow) => taken === 0 && waiting === 0;
  const ids = occurrences.filter(isFree).map(({ id }) => id);
  if (ids.length > 0) await updateFreeCapacities(tx, { ids, capacity });
  for (const { id } of occurrences.filter((occurrence) => !isFree(occurrence)))
    await resizeOccurrence(tx, { occurrenceId: id, capacity });
}

/** Changes the seats of one occurrence, and gives new ones to who waits; 409 when more are taken. */
export async function resizeOccurrence(
  tx: Db,
  { occurrenceId, capacity }: { occurrenceId: string; capacity: number | null },
): Promise<void> {
  const answer = await changeCapacity(tx, { occurrenceId, capacity });
  if (answer && !answer.changed)
    throw new Fault("conflict", `Cannot leave ${capacity} seats: ${answer.taken} are taken`, {
      errors: [{ pointer: "/capacity", detail: `must be ${answer.taken} or more` }],
      extra: { taken: answer.taken, occurrenceId },
    });
}
