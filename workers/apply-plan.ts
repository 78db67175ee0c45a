import { cancelEvent, type EventValues, insertEvent, reviveEvent, updateEvent } from "../db/event.ts";
import { pickSlug } from "../db/event-slug.ts";
import { findLastEnd, settleTimes } from "../db/event-times.ts";
import { listOccurrences, releaseOccurrences, updateOccurrence } from "../db/occurrence.ts";
import { insertFacts } from "../db/outbox.ts";
import type { Db } from "../db/query.ts";
import { lockSource, type SourcedEvent, type SourceRow, setSource } from "../db/source.ts";
import type { Deps } from "../deps.ts";
import type { FeedEvent } from "../feed.ts";
import { type Plan, toSaid } from "../feed-plan.ts";

type Sync = { source: SourceRow; plan: Plan<SourcedEvent>; signal: AbortSignal };

/** Applies a plan event by event, each in a transaction that holds the source: what was done before a crash is not done again. */
export async function applyPlan({ db, bus }: Pick<Deps, "db" | "bus">, { source, plan, signal }: Sync): Promise<void> {
  for (const step of plan.steps) {
    signal.throwIfAborted();
    const told = await db.transaction(async (tx) => {
      if (!(await lockSource(tx, source.id))) return undefined; // the subscription ended meanwhile
      if (step.act === "add") return add(tx, { source, event: step.event });
      if (step.act === "cancel") return cancel(tx, { source, known: step.known });
      return change(tx, { source, ...step });
    });
    if (!told) continue;
    bus.publish("event.changed", told.slug);
    for (const id of told.occurrenceIds) bus.publish("seats.changed", id);
  }
}

type Told = { slug: string; occurrenceIds: string[] } | undefined;

async function add(tx: Db, { source, event }: { source: SourceRow; event: FeedEvent }): Promise<Told> {
  if (source.authorId === null) return undefined;
  const id = Bun.randomUUIDv7();
  const slug = await pickSlug(tx, event.title);
  const values = withLastEnd({ ...fresh, ...ownFields(event), visibility: source.visibility });
  await insertEvent(tx, {
    ...values,
    id,
    slug,
    ownerId: source.authorId,
    organizationId: source.organizationId,
    state: "published",
  });
  await setSource(tx, { id, sourceId: source.id, uid: event.uid, said: toSaid(event) });
  await settleTimes(tx, { event: { ...values, id }, before: values, now: new Date() });
  await settleExceptions(tx, { eventId: id, exceptions: event.exceptions });
  // The first sync brings what has long been there.
  if (source.fetchedAt !== null) await insertFacts(tx, [{ kind: "event.published", payload: { eventId: id } }]);
  return { slug, occurrenceIds: [] };
}

/** Forgets what the feed has said of it: so it is known that a sync has cancelled it, and that it may come back. */
async function cancel(
  tx: Db,
  { source, known: { id, slug, uid } }: { source: SourceRow; known: SourcedEvent },
): Promise<Told> {
  if ((await cancelEvent(tx, { id, reason: "" })) === 0) return undefined;
  await setSource(tx, { id, sourceId: source.id, uid, said: {} });
  await insertFacts(tx, [{ kind: "event.cancelled", payload: { eventId: id } }]);
  return { slug, occurrenceIds: [] };
}

type Change = { source: SourceRow; event: FeedEvent; known: SourcedEvent; fields: string[] };

async function change(tx: Db, { source, event, known, fields }: Change): Promise<Told> {
  const { id, slug, revision } = known;
  const said = toSaid(event);
  const own = ownFields(event);
  const taken = Object.fromEntries(Object.entries(own).filter(([field]) => fields.includes(field)));
  const values = withLastEnd({ ...known, ...taken });
  const moves = fields.some((field) => ["startsAt", "endsAt", "timeZone", "rrule", "exceptions"].includes(field));
  const isBack = known.state === "cancelled";
  const raisesSequence = moves || isBack || fields.includes("place");
  // Somebody was first: what he changed is by hand now, and is looked at the next time.
  if (fields.length > 0 && (await updateEvent(tx, { id, revision, values, raisesSequence, edited: [] })) === 0)
    return undefined;
  await setSource(tx, { id, sourceId: source.id, uid: known.uid, said });
  if (fields.length === 0) return undefined;
  if (isBack) await reviveEvent(tx, id);
  if (fields.includes("exceptions"))
    await releaseOccurrences(tx, { eventId: id, recursAt: listReleased(known.said.exceptions, event.exceptions) });
  const settled =
    moves || isBack
      ? await settleTimes(tx, { event: { ...values, id }, before: known, now: new Date() })
      : { cancelled: [], changed: [] };
  const { exceptions } = event;
  const changed = fields.includes("exceptions") ? await settleExceptions(tx, { eventId: id, exceptions }) : undefined;
  const { cancelled = [], moved = [] } = changed ?? {};
  const tell = (occurrenceId: string) => ({ eventId: id, occurrenceId });
  await insertFacts(tx, [
    { kind: "event.changed", payload: { eventId: id, fields } },
    ...[...settled.cancelled, ...cancelled].map((one) => ({ kind: "event.cancelled" as const, payload: tell(one) })),
    ...moved.map((one) => ({
      kind: "event.changed" as const,
      payload: { ...tell(one), fields: ["startsAt", "endsAt"] },
    })),
  ]);
  return { slug, occurrenceIds: [...settled.cancelled, ...cancelled, ...settled.changed, ...moved].slice(0, 100) };
}

/** Dates that the feed had made exceptions, as they were kept, and that are none any more. */
function listReleased(said: unknown, exceptions: FeedEvent["exceptions"]): Date[] {
  const still = new Set(exceptions.map(({ recursAt }) => recursAt.getTime()));
  const former = Array.isArray(said) ? said.map(({ recursAt }) => new Date(recursAt)) : [];
  return former.filter((time) => !still.has(time.getTime()));
}

/** Makes dates what the feed says of them. Answers with those that are cancelled now, and those that were moved. */
async function settleExceptions(
  tx: Db,
  { eventId, exceptions }: { eventId: string; exceptions: FeedEvent["exceptions"] },
): Promise<{ cancelled: string[]; moved: string[] }> {
  const settled: { cancelled: string[]; moved: string[] } = { cancelled: [], moved: [] };
  if (exceptions.length === 0) return settled;
  const occurrences = await listOccurrences(tx, { eventId, from: null, to: null, after: null, limit: 1_000 });
  const byStart = new Map(occurrences.map((occurrence) => [occurrence.recursAt.getTime(), occurrence]));
  for (const { recursAt, startsAt, endsAt, cancelled } of exceptions) {
    const occurrence = byStart.get(recursAt.getTime());
    if (!occurrence) continue;
    const { id } = occurrence;
    await updateOccurrence(tx, { id, startsAt, endsAt, cancelled });
    if (cancelled && occurrence.cancelledAt === null) settled.cancelled.push(id);
    else if (!cancelled && (+startsAt !== +occurrence.startsAt || +endsAt !== +occurrence.endsAt))
      settled.moved.push(id);
  }
  return settled;
}

const ownFields = ({ title, text, place, startsAt, endsAt, timeZone, rrule, tags }: FeedEvent) => ({
  title,
  text,
  place,
  startsAt,
  endsAt,
  timeZone,
  rrule,
  tags,
});

const withLastEnd = <Values extends EventValues>(values: Values) => ({
  ...values,
  endsLastAt: findLastEnd(values, new Date()),
});

/** What an event has of which a feed says nothing: people come without registering. */
const fresh: Omit<EventValues, keyof ReturnType<typeof ownFields> | "visibility"> = {
  endsLastAt: null,
  capacity: null,
  opensAt: null,
  closesBeforeSeconds: 0,
  approval: "instant",
  confirmByLink: false,
  offerSeconds: 12 * 3600,
  packId: null,
  versionId: null,
  albumId: null,
  questions: [],
};
