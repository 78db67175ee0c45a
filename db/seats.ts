import { type Db, many, one } from "./query.ts";

export type RegistrationState =
  | "pending"
  | "confirmed"
  | "waitlisted"
  | "offered"
  | "declined"
  | "cancelled"
  | "checked-in"
  | "no-show";

/** Why somebody was not registered: the event is not there for him, was cancelled, is not open yet or any more, or its organizer declined him. */
export type Refusal = "gone" | "cancelled" | "not-open" | "closed" | "declined";

export type Applicant = { userId: string; registrationId: string; answers: Record<string, unknown> };

export type Registered = {
  id: string | null;
  state: RegistrationState | null;
  /** Among those who wait, from 1. */
  place: number | null;
  offeredUntil: Date | null;
  /** Whether this request made it. */
  created: boolean;
  refusal: Refusal | null;
};

/**
 * Registers people for an occurrence, in their order, in one statement and so in one transaction: all of it or nothing.
 * Answers are in the same order. The database's function holds the occurrence's lock, ends offers that are over, and seats
 * nobody past those who wait.
 */
export function registerAll(
  db: Db,
  { occurrenceId, applicants }: { occurrenceId: string; applicants: Applicant[] },
): Promise<Registered[]> {
  return many<Registered>(db, {
    name: "seats_register",
    text: `select id, state, place, offered_until as "offeredUntil", created, refusal from event.register($1, $2, $3, $4) order by n`,
    values: [
      occurrenceId,
      applicants.map(({ userId }) => userId),
      applicants.map(({ registrationId }) => registrationId),
      applicants.map(({ answers }) => JSON.stringify(answers)),
    ],
  });
}

/** Ends offers whose time is over and seats who waits longest. How many seats changed hands. */
export async function settleSeats(db: Db, occurrenceId: string): Promise<number> {
  const row = await one<{ moved: number }>(db, {
    name: "seats_settle",
    text: `select event.settle_seats($1) as moved`,
    values: [occurrenceId],
  });
  return row?.moved ?? 0;
}

type Change = {
  id: string;
  /** States that it may be in; in any other nothing is changed. */
  expected: RegistrationState[];
  /** A state, or `admitted`: a seat where there is one, else the last place among those who wait. */
  target: Exclude<RegistrationState, "waitlisted" | "pending"> | "admitted";
  /** A word for the line that is kept: what happened. `undone` is told to nobody. */
  reason: string;
  actorId: string | null;
  note?: string;
};

/** Changes one registration, and gives the seat that it frees to who waits longest. Undefined when there is none. */
export function changeRegistration(
  db: Db,
  { id, expected, target, reason, actorId, note = "" }: Change,
): Promise<{ id: string; former: RegistrationState; state: RegistrationState; changed: boolean } | undefined> {
  return one(db, {
    name: "seats_change",
    text: `select id, former, state, changed from event.change_registration($1, $2, $3, $4, $5, $6)`,
    values: [id, expected, target, reason, actorId, note],
  });
}

/** Changes how many seats an occurrence has (null: any number); not below what is taken. Undefined when there is none. */
export function changeCapacity(
  db: Db,
  { occurrenceId, capacity }: { occurrenceId: string; capacity: number | null },
): Promise<{ taken: number; changed: boolean } | undefined> {
  return one(db, {
    name: "seats_change_capacity",
    text: `select taken, changed from event.change_capacity($1, $2)`,
    values: [occurrenceId, capacity],
  });
}

/** Draws lots among the pending. How many were seated; null when there is no such occurrence, or it is called off. */
export async function drawLots(
  db: Db,
  { occurrenceId, actorId }: { occurrenceId: string; actorId: string | null },
): Promise<number | null> {
  const row = await one<{ seated: number | null }>(db, {
    name: "seats_draw",
    text: `select event.draw($1, $2) as seated`,
    values: [occurrenceId, actorId],
  });
  return row?.seated ?? null;
}

/** Occurrences with an offer whose time is over. */
export async function listDueOccurrences(db: Db, limit: number): Promise<string[]> {
  const rows = await many<{ id: string }>(db, {
    name: "seats_list_due",
    text: `select distinct occurrence_id as id from (
      select occurrence_id from event.registration where state = 'offered' and offered_until <= now() order by offered_until limit $1) due`,
    values: [limit],
  });
  return rows.map(({ id }) => id);
}
