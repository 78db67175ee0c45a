import { listHeldByHidden } from "../db/registration.ts";
import { changeRegistration } from "../db/seats.ts";
import type { Handle } from "../queues/actor.ts";
import type { LeaveEvents } from "../queues/leave-events.ts";

/** One registration after the other, so that no two occurrences are locked at once. One who is back keeps what is left. */
export const handle: Handle<LeaveEvents, "db" | "bus"> = async ({ payload: { userId }, deps: { db, bus }, signal }) => {
  let left = 0;
  for (const { id, occurrenceId } of await listHeldByHidden(db, userId)) {
    signal.throwIfAborted();
    const changed = await changeRegistration(db, {
      id,
      expected: ["pending", "confirmed", "waitlisted", "offered"],
      target: "cancelled",
      reason: "account-deleted",
      actorId: null,
    });
    if (!changed?.changed) continue;
    bus.publish("seats.changed", occurrenceId);
    left += 1;
  }
  return { left };
};
