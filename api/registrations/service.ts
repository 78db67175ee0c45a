import { Type as t } from "@sinclair/typebox";
import {
  findByConfirmToken,
  findEventRole,
  findOccurrenceOf,
  findRegistration,
  listChanges,
  listOwnRegistrations,
  listRegistrations,
  type RegistrationRow,
} from "../../db/registration.ts";
import { changeRegistration, drawLots, type Refusal, type RegistrationState } from "../../db/seats.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { toReader } from "../caller.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import type { Caller } from "../tokens.ts";
import { findFlaws } from "./answers.ts";
import type { KnownEvent } from "./known-events.ts";
import type { Action, FullRegistration, NewRegistration, Registration, Registrations } from "./model.ts";
import type { Registrar } from "./registrar.ts";

const Cursor = t.Tuple([CursorId]);

export type Seats = {
  registrar: Registrar;
  findKnownEvent: (slug: string) => Promise<KnownEvent | undefined>;
};

const refusals: Record<Exclude<Refusal, "gone">, string> = {
  cancelled: "it is cancelled",
  "not-open": "registration has not begun yet",
  closed: "registration is closed",
  declined: "the organizer has declined your registration",
};

/** Registers the caller, or answers with what he has. One statement for many callers: see `registrar.ts`. */
export async function register(
  api: Pick<Api, "bus" | "db"> & Seats,
  { caller, slug, occurrence, answers = {} }: NewRegistration & { caller: Caller; slug: string },
): Promise<{ registration: Registration; created: boolean }> {
  const event = await api.findKnownEvent(slug);
  if (!event) throw isUnknown();
  // Whether he may see it is decided with the seat; what is refused before that is told only to who may.
  const refuse = async (fault: Fault) =>
    (await findEventRole(api.db, { slug, reader: toReader(caller) })) ? fault : isUnknown();
  const known = pickOccurrence(event, occurrence);
  if (!known)
    throw await refuse(
      new Fault("conflict", `Cannot register: "${slug}" ${occurrence ? "does not take place then" : "is over"}`),
    );
  const flaws = findFlaws(event.questions, answers);
  if (flaws.length > 0)
    throw await refuse(new Fault("invalid", "Cannot register: the answers are not complete", { errors: flaws }));
  const wish = { userId: caller.userId, answers };
  const { id, state, place, offeredUntil, created, refusal } = await api.registrar(known.id, wish);
  if (refusal !== null && refusal !== "gone")
    throw new Fault("conflict", `Cannot register for "${slug}": ${refusals[refusal]}`, { extra: { reason: refusal } });
  if (id === null || state === null) throw isUnknown();
  if (created) api.bus.publish("seats.changed", known.id);
  const registration = {
    id,
    event: slug,
    occurrence: known.id,
    state,
    place,
    offeredUntil: offeredUntil?.toISOString() ?? null,
  };
  return { registration, created };
}

/** The date that is meant: without a name the next one that has not begun, or else the one that is on. */
function pickOccurrence({ occurrences }: KnownEvent, id: string | undefined) {
  if (id !== undefined) return occurrences.find((occurrence) => occurrence.id === id);
  return occurrences.find(({ startsAt }) => startsAt.getTime() > Date.now()) ?? occurrences[0];
}

/** A registration with its history, for its person and for organizers; for everybody else it is not there. */
export async function getRegistration(
  { db }: Pick<Api, "db">,
  { caller, slug, id }: { caller: Caller; slug: string; id: string },
): Promise<FullRegistration> {
  const row = await findRegistration(db, { slug, id });
  if (!row || (row.userId !== caller.userId && !(await isOrganizer(db, { caller, slug })))) throw isUnknown();
  const changes = await listChanges(db, id);
  return { ...describeRow(row), changes: changes.map((change) => ({ ...change, at: change.at.toISOString() })) };
}

type Search = {
  slug: string;
  caller: Caller;
  occurrence?: string | undefined;
  state?: RegistrationState | undefined;
  limit?: number | undefined;
  cursor?: string | undefined;
};

/** Registrations of an event, for its organizers. */
export async function searchRegistrations(
  { db }: Pick<Api, "db">,
  { slug, caller, occurrence, state, limit = 50, cursor }: Search,
): Promise<Registrations> {
  const eventId = await requireOrganizer(db, { caller, slug });
  const rows = await listRegistrations(db, {
    eventId,
    occurrenceId: occurrence ?? null,
    state: state ?? null,
    after: readCursor(cursor, Cursor)?.[0] ?? null,
    limit: limit + 1,
  });
  return describePage(rows, limit);
}

export async function searchOwn(
  { db }: Pick<Api, "db">,
  { caller, limit = 50, cursor }: { caller: Caller; limit?: number; cursor?: string },
): Promise<Registrations> {
  const before = readCursor(cursor, Cursor)?.[0] ?? null;
  return describePage(await listOwnRegistrations(db, { userId: caller.userId, before, limit: limit + 1 }), limit);
}

type Step = {
  who: "person" | "organizer";
  expected: RegistrationState[];
  target: "cancelled" | "confirmed" | "declined" | "checked-in" | "no-show" | "admitted";
  reason: string;
};

const held: RegistrationState[] = ["pending", "confirmed", "waitlisted", "offered"];
const steps: Record<Action, Step> = {
  cancel: { who: "person", expected: held, target: "cancelled", reason: "cancelled" },
  confirm: { who: "person", expected: ["offered"], target: "confirmed", reason: "accepted" },
  approve: { who: "organizer", expected: ["pending", "declined"], target: "admitted", reason: "approved" },
  decline: { who: "organizer", expected: held, target: "declined", reason: "declined" },
  "check-in": { who: "organizer", expected: ["confirmed", "no-show"], target: "checked-in", reason: "checked-in" },
  "no-show": { who: "organizer", expected: ["confirmed"], target: "no-show", reason: "no-show" },
  undo: { who: "organizer", expected: ["checked-in", "no-show"], target: "confirmed", reason: "undone" },
};

/** Does one step. Repeating it changes nothing; from a state that it does not start from it is 409. */
export async function changeState(
  api: Pick<Api, "db" | "bus">,
  { caller, slug, id, action, note }: { caller: Caller; slug: string; id: string; action: Action; note?: string },
): Promise<FullRegistration> {
  const row = await findRegistration(api.db, { slug, id });
  const { who, expected, target, reason } = steps[action];
  const organizer =
    row !== undefined &&
    (who === "organizer" || row.userId !== caller.userId) &&
    (await isOrganizer(api.db, { caller, slug }));
  if (!row || (row.userId !== caller.userId && !organizer)) throw isUnknown();
  if (who === "organizer" && !organizer) throw notOrganizer();
  if (action === "confirm" && row.userId !== caller.userId)
    throw new Fault("not-allowed", "Cannot confirm: only the person who was offered the seat takes it");
  const changed = await changeRegistration(api.db, {
    id,
    expected,
    target,
    reason: action === "cancel" && organizer ? "cancelled-by-organizer" : reason,
    actorId: caller.userId,
    ...(note !== undefined && { note }),
  });
  if (!changed) throw isUnknown();
  if (!changed.changed && changed.state !== target) {
    const why = expected.includes(changed.state) ? "the event is cancelled" : `the registration is ${changed.state}`;
    throw new Fault("conflict", `Cannot ${action}: ${why}`, { extra: { state: changed.state } });
  }
  if (changed.changed) api.bus.publish("seats.changed", row.occurrenceId);
  return getRegistration(api, { caller, slug, id });
}

/** Takes the seat that a mailed link offers. Following it again changes nothing. */
export async function confirmByLink(
  api: Pick<Api, "db" | "bus">,
  token: string,
): Promise<{ event: string; state: RegistrationState }> {
  const found = await findByConfirmToken(api.db, hashToken(token));
  const changed =
    found &&
    (await changeRegistration(api.db, {
      id: found.id,
      expected: ["offered"],
      target: "confirmed",
      reason: "accepted",
      actorId: found.userId,
    }));
  if (!found || changed?.state !== "confirmed")
    throw new Fault("gone", "This link holds no more: the seat was not taken in time, or was given up");
  if (changed.changed) {
    const row = await findRegistration(api.db, found);
    if (row) api.bus.publish("seats.changed", row.occurrenceId);
  }
  return { event: found.slug, state: changed.state };
}

/** Draws lots among those who asked. */
export async function draw(
  api: Pick<Api, "db" | "bus">,
  { caller, slug, occurrence }: { caller: Caller; slug: string; occurrence: string },
): Promise<{ seated: number }> {
  const eventId = await requireOrganizer(api.db, { caller, slug });
  if (!(await findOccurrenceOf(api.db, { eventId, occurrenceId: occurrence })))
    throw new Fault("not-found", `"${slug}" does not take place then`);
  const seated = await drawLots(api.db, { occurrenceId: occurrence, actorId: caller.userId });
  if (seated === null) throw new Fault("conflict", `Cannot draw lots: "${slug}" is cancelled`);
  api.bus.publish("seats.changed", occurrence);
  return { seated };
}

/** The event's id when the caller runs it; 404 when he may not see it, 403 when he only may. */
export async function requireOrganizer(
  db: Api["db"],
  { caller, slug }: { caller: Caller; slug: string },
): Promise<string> {
  const found = await findEventRole(db, { slug, reader: toReader(caller) });
  if (!found) throw isUnknown();
  if (found.role !== "organizer") throw notOrganizer();
  return found.id;
}

async function isOrganizer(db: Api["db"], { caller, slug }: { caller: Caller; slug: string }): Promise<boolean> {
  return (await findEventRole(db, { slug, reader: toReader(caller) }))?.role === "organizer";
}

const isUnknown = () => new Fault("not-found", "There is no such event or registration that you may see");
const notOrganizer = () => new Fault("not-allowed", "Not allowed: this is for the event's organizers");

function describePage(rows: RegistrationRow[], limit: number): Registrations {
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return { items: rows.slice(0, limit).map(describeRow), nextCursor: last ? writeCursor([last.id]) : null };
}

function describeRow(row: RegistrationRow): FullRegistration {
  const { id, slug, title, occurrenceId, state, place, answers, userId, login, displayName } = row;
  return {
    id,
    event: slug,
    title,
    occurrence: occurrenceId,
    startsAt: row.startsAt.toISOString(),
    person: { id: userId, login, displayName },
    state,
    place,
    offeredUntil: row.offeredUntil?.toISOString() ?? null,
    answers,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
