import { listDueOccurrences, settleSeats } from "../db/seats.ts";
import type { Handle } from "../queues/actor.ts";
import type { SettleSeats } from "../queues/settle-seats.ts";

const atOnce = 500;

/** Each occurrence in a transaction of its own; whatever else changes its seats meanwhile does the same first. */
export const handle: Handle<SettleSeats, "db" | "bus"> = async ({ deps: { db, bus }, signal }) => {
  let moved = 0;
  for (const occurrenceId of await listDueOccurrences(db, atOnce)) {
    signal.throwIfAborted();
    const seats = await settleSeats(db, occurrenceId);
    if (seats > 0) bus.publish("seats.changed", occurrenceId);
    moved += seats;
  }
  return { moved };
};
