import { insertActivity } from "../../db/activity.ts";
import {
  type EventRow,
  type EventValues,
  findEvent,
  insertEvent,
  updateEvent,
  updateEventOwner,
} from "../../db/event.ts";
import { pickSlug } from "../../db/event-slug.ts";
import { settleTimes } from "../../db/event-times.ts";
import { findOrganization, shareManagedOrganization } from "../../db/organization.ts";
import { insertFact, insertFacts } from "../../db/outbox.ts";
import { type Db, isDuplicate } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { readTime } from "../../local-time.ts";
import { toReader } from "../caller.ts";
import { changedMeanwhile } from "../packs/service.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { EventChange, EventInput } from "./model.ts";
import { planMove, requireOwnEvents } from "./ownership.ts";
import { compareValues, readValues } from "./values.ts";

type Events = Pick<Deps, "db" | "bus" | "config">;

/** An event that the caller may see; there is no other. */
export async function getEvent(
  { db }: Pick<Events, "db">,
  { slug, caller }: { slug: string; caller: Caller | null },
): Promise<EventRow> {
  const event = await findEvent(db, { slug, reader: toReader(caller) });
  if (!event) throw new Fault("not-found", `There is no event "${slug}" that you may see`);
  return event;
}

/** An event that the caller runs: 404 when he may not see it, 403 when he only may see it. */
export async function getOwnEvent(
  events: Pick<Events, "db">,
  { slug, caller }: { slug: string; caller: Caller },
): Promise<EventRow> {
  const event = await getEvent(events, { slug, caller });
  if (event.role !== "organizer") throw new Fault("not-allowed", `Not allowed: "${slug}" is run by others`);
  return event;
}

type NewEvent = EventInput & { slug?: string; organization?: string; draft?: boolean };

/** Makes an event of the caller's, or of an organization that he manages. */
export async function createEvent(
  events: Events,
  { caller, slug, organization, draft = false, ...input }: NewEvent & { caller: Caller },
): Promise<EventRow> {
  const organizationId = await requireOrganizer(events.db, { caller, organization });
  const shared = organizationId !== null;
  checkMail(events, input);
  const values = await readValues(events.db, { caller, input, former: undefined, shared });
  return insertNew(events, { caller, slug, organizationId, state: draft ? "draft" : "published", values });
}

/** A draft of the same event at another time: registration opens as long before, and the gallery stays with the first. */
export async function duplicateEvent(
  events: Events,
  { caller, slug, startsAt, newSlug }: { caller: Caller; slug: string; startsAt: string; newSlug?: string | undefined },
): Promise<EventRow> {
  const former = await getOwnEvent(events, { slug, caller });
  const organizationId = former.organizationId;
  if (organizationId === null) await requireOrganizer(events.db, { caller, organization: undefined });
  const start = readTime(startsAt, former.timeZone);
  const opensAt = former.opensAt && new Date(start.getTime() - (former.startsAt.getTime() - former.opensAt.getTime()));
  const input = { startsAt, album: null, ...(opensAt && { opensAt: opensAt.toISOString() }) };
  const values = await readValues(events.db, { caller, input, former, shared: organizationId !== null });
  return insertNew(events, { caller, slug: newSlug, organizationId, state: "draft", values });
}

/** The organization that the event will belong to: null for one of the caller's own, which needs the role organizer. */
async function requireOrganizer(
  db: Db,
  { caller, organization }: { caller: Caller; organization: string | undefined },
): Promise<string | null> {
  if (organization === undefined) {
    requireOwnEvents(caller);
    return null;
  }
  const found = await findOrganization(db, { slug: organization, reader: toReader(caller) });
  if (!found)
    throw new Fault("invalid", `There is no organization "${organization}" that you may see`, {
      errors: [{ pointer: "/organization", detail: "is not there" }],
    });
  if (found.role === "owner" || found.role === "manager") return found.id;
  throw new Fault("not-allowed", `Cannot create an event: you do not manage "${organization}"`);
}

type Insert = {
  caller: Caller;
  slug: string | undefined;
  organizationId: string | null;
  state: "draft" | "published";
  values: EventValues;
};

/** Who asks for something that this server cannot send is told so at once. */
function checkMail({ config }: Pick<Events, "config">, { confirmByLink = false }: EventInput): void {
  if (confirmByLink && !config.SMTP_URL)
    throw new Fault("invalid", "Cannot ask for confirmation by link: this server sends no mail", {
      errors: [{ pointer: "/confirmByLink", detail: "needs mail, which the operator has not set up" }],
    });
}

async function insertNew({ db }: Events, { caller, slug: wanted, values, ...rest }: Insert): Promise<EventRow> {
  const slug = wanted ?? (await pickSlug(db, values.title));
  const id = Bun.randomUUIDv7();
  try {
    await db.transaction(async (tx) => {
      await confirmCaller(tx, caller);
      // Deleted at this moment, or managed by him no more: then it gets nothing.
      const { organizationId: ownerId } = rest;
      if (ownerId !== null && !(await shareManagedOrganization(tx, { id: ownerId, reader: toReader(caller) })))
        throw new Fault("conflict", `Cannot create "${slug}": the organization has changed at this moment`);
      await insertEvent(tx, { ...values, ...rest, id, slug, ownerId: caller.userId });
      await settleTimes(tx, { event: { ...values, id }, before: values, now: new Date() });
      await insertActivity(tx, { userId: caller.userId, kind: "event-created", subject: slug });
      if (rest.state === "published") await insertFact(tx, { kind: "event.published", payload: { eventId: id } });
    });
  } catch (error) {
    if (isDuplicate(error, "event_slug_key"))
      throw new Fault("conflict", `Cannot create "${slug}": the slug is taken, or was once`, {
        cause: error,
        errors: [{ pointer: "/slug", detail: "is taken" }],
      });
    throw error;
  }
  return getEvent({ db }, { slug, caller });
}

/** Changes an event and its occurrences, or whose it is; who is registered stays so. */
export async function changeEvent(
  { db, bus, config }: Events,
  { caller, slug, revision, change }: { caller: Caller; slug: string; revision: number; change: EventChange },
): Promise<EventRow> {
  const { organization, ...input } = change;
  const event = await getOwnEvent({ db }, { slug, caller });
  if (event.state === "cancelled") throw new Fault("conflict", `Cannot change "${slug}": it is cancelled`);
  if (event.revision !== revision) throw changedMeanwhile(slug);
  if (!event.confirmByLink) checkMail({ config }, input);
  const shared = (organization === undefined ? event.organizationId : organization) !== null;
  const values = await readValues(db, { caller, input, former: event, shared });
  const { fields, raisesSequence } = compareValues(event, values);
  const settled = await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    const moved = organization === undefined ? undefined : await planMove(tx, { event, caller, organization });
    if ((await updateEvent(tx, { id: event.id, revision, values, raisesSequence, edited: fields })) === 0)
      throw changedMeanwhile(slug);
    if (moved) await updateEventOwner(tx, { id: event.id, ownerId: caller.userId, ...moved });
    await insertActivity(tx, { userId: caller.userId, kind: "event-changed", subject: slug });
    const { cancelled, changed } =
      raisesSequence || fields.includes("capacity")
        ? await settleTimes(tx, { event: { ...values, id: event.id }, before: event, now: new Date() })
        : { cancelled: [], changed: [] };
    if (event.state === "published" && fields.length > 0)
      await insertFacts(tx, [
        { kind: "event.changed", payload: { eventId: event.id, fields } },
        ...cancelled.map((occurrenceId) => ({
          kind: "event.cancelled" as const,
          payload: { eventId: event.id, occurrenceId },
        })),
      ]);
    return [...cancelled, ...changed];
  });
  tellChanged(bus, { slug, occurrenceIds: settled });
  return getEvent({ db }, { slug, caller });
}

/** Other processes forget what they remember of an event. */
export function tellChanged(
  bus: Deps["bus"],
  { slug, occurrenceIds }: { slug: string; occurrenceIds: string[] },
): void {
  bus.publish("event.changed", slug);
  for (const id of occurrenceIds.slice(0, 100)) bus.publish("seats.changed", id);
}
