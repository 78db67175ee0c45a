import { insertActivity } from "../../db/activity.ts";
import { cancelEvent, type EventRow, markEventDeleted, publishEvent, touchEvent } from "../../db/event.ts";
import { resizeOccurrence } from "../../db/event-times.ts";
import { lockOccurrence, updateOccurrence } from "../../db/occurrence.ts";
import { insertFact } from "../../db/outbox.ts";
import { settleSeats } from "../../db/seats.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { changedMeanwhile } from "../packs/service.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { OccurrenceChange } from "./model.ts";
import { getEvent, getOwnEvent, tellChanged } from "./service.ts";
import { readTimes } from "./values.ts";

type Events = Pick<Deps, "db" | "bus">;
type Asked = { caller: Caller; slug: string };

/** Shows a draft to those whom its visibility names; one that is published stays so. */
export async function showEvent({ db, bus }: Events, { caller, slug }: Asked): Promise<EventRow> {
  const event = await getOwnEvent({ db }, { slug, caller });
  if (event.state === "cancelled") throw new Fault("conflict", `Cannot publish "${slug}": it is cancelled`);
  await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    if ((await publishEvent(tx, event.id)) > 0)
      await insertFact(tx, { kind: "event.published", payload: { eventId: event.id } });
  });
  tellChanged(bus, { slug, occurrenceIds: [] });
  return getEvent({ db }, { slug, caller });
}

/** Calls an event off, with all its occurrences. Its page and its registrations stay; cancelling again changes nothing. */
export async function callOffEvent(
  { db, bus }: Events,
  { caller, slug, reason }: Asked & { reason: string },
): Promise<EventRow> {
  const event = await getOwnEvent({ db }, { slug, caller });
  if (event.state === "draft") throw new Fault("conflict", `Cannot cancel "${slug}": it is a draft. Delete it`);
  await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    if ((await cancelEvent(tx, { id: event.id, reason })) === 0) return;
    await insertFact(tx, { kind: "event.cancelled", payload: { eventId: event.id } });
    await insertActivity(tx, { userId: caller.userId, kind: "event-cancelled", subject: slug });
  });
  tellChanged(bus, { slug, occurrenceIds: [] });
  return getEvent({ db }, { slug, caller });
}

/** Hides an event for good. One that people are coming to is cancelled first, so that they hear of it. */
export async function deleteEvent(
  { db, bus }: Events,
  { caller, slug, revision }: Asked & { revision: number | undefined },
): Promise<void> {
  const event = await getOwnEvent({ db }, { slug, caller });
  if (revision !== undefined && revision !== event.revision) throw changedMeanwhile(slug);
  await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    if ((await markEventDeleted(tx, event.id)) === 0)
      throw new Fault(
        "conflict",
        `Cannot delete "${slug}": people are registered. Cancel it first, so that they hear of it`,
      );
    await insertActivity(tx, { userId: caller.userId, kind: "event-deleted", subject: slug });
  });
  tellChanged(bus, { slug, occurrenceIds: [] });
}

type Exception = Asked & { id: string; revision: number; change: typeof OccurrenceChange.static };

/** Makes one occurrence another than its series says. */
export async function changeOccurrence(
  { db, bus }: Events,
  { caller, slug, id, revision, change }: Exception,
): Promise<EventRow> {
  const event = await getOwnEvent({ db }, { slug, caller });
  if (event.state === "cancelled") throw new Fault("conflict", `Cannot change "${slug}": it is cancelled`);
  const { capacity, cancelled, startsAt, endsAt } = change;
  const heard = startsAt !== undefined || endsAt !== undefined || cancelled !== undefined;
  await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    if ((await touchEvent(tx, { id: event.id, revision, raisesSequence: heard })) === 0) throw changedMeanwhile(slug);
    const former = await lockOccurrence(tx, { id, eventId: event.id });
    if (!former) throw new Fault("not-found", `"${slug}" has no such occurrence`);
    const times = readTimes({ startsAt, endsAt, timeZone: event.timeZone }, former);
    await updateOccurrence(tx, { id, ...times, cancelled: cancelled ?? former.cancelledAt !== null });
    if (capacity !== undefined) await resizeOccurrence(tx, { occurrenceId: id, capacity });
    else if (cancelled === false) await settleSeats(tx, id); // those who wait may be seated again
    const settled = await lockOccurrence(tx, { id, eventId: event.id });
    if (!settled) throw new Fault("not-found", `"${slug}" has no such occurrence`);
    const fields = [
      ...(+former.startsAt !== +settled.startsAt ? ["startsAt"] : []),
      ...(+former.endsAt !== +settled.endsAt ? ["endsAt"] : []),
      ...(former.capacity !== settled.capacity ? ["capacity"] : []),
      ...(former.cancelledAt && !settled.cancelledAt ? ["cancelled"] : []),
    ];
    await insertActivity(tx, { userId: caller.userId, kind: "event-changed", subject: slug });
    const ids = { eventId: event.id, occurrenceId: id };
    if (event.state === "published" && !former.cancelledAt && settled.cancelledAt)
      await insertFact(tx, { kind: "event.cancelled", payload: ids });
    else if (event.state === "published" && fields.length > 0)
      await insertFact(tx, { kind: "event.changed", payload: { ...ids, fields } });
  });
  tellChanged(bus, { slug, occurrenceIds: [id] });
  return getEvent({ db }, { slug, caller });
}
