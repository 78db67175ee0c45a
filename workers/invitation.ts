import { writeCalendar } from "../calendar.ts";
import { describeEntry } from "../calendar-entry.ts";
import { listCalendarRegistrations } from "../db/calendar.ts";
import type { Db } from "../db/query.ts";
import type { NamedNotification } from "../notification-words.ts";

type Addressee = { userId: string; email: string; language: string; base: string; from: string };

/** Kinds that change what stands in somebody's calendar. */
const kinds = [
  "registration.confirmed",
  "registration.cancelled",
  "registration.declined",
  "registration.offer-expired",
  "event.changed",
  "event.cancelled",
];

/**
 * What goes with a mail about an event that somebody takes part in (RFC 5546): calendars put it in, move it, or take it out
 * again, by the UID that his own calendar here has as well. Nothing when he takes no part in it.
 */
export async function makeInvitation(
  db: Db,
  { kind, subject }: NamedNotification,
  { userId, email, language, base, from }: Addressee,
) {
  if (!kinds.includes(kind)) return undefined;
  const occurrenceId = subject.occurrenceId ?? null;
  const rows = await listCalendarRegistrations(db, {
    userId,
    occurrenceId,
    eventId: subject.eventId ?? null,
    limit: 50,
  });
  const gone = kind.startsWith("registration.") ? kind !== "registration.confirmed" : kind === "event.cancelled";
  // An invitation or its end is about one UID (RFC 5546, 3.2.2 and 3.2.5): of a series the next date.
  const row = rows
    .filter(({ status }) => status === (gone ? "CANCELLED" : "CONFIRMED"))
    .toSorted((a, b) => a.startsAt.getTime() - b.startsAt.getTime())
    .at(0);
  if (!row) return undefined;
  const method = gone ? ("CANCEL" as const) : ("REQUEST" as const);
  const entries = [describeEntry(row, { language, base })];
  return { method, content: writeCalendar({ name: "", entries, method, attendee: email, organizer: addressOf(from) }) };
}

/** The address in `Name <address>`. */
const addressOf = (from: string) => /<([^<>]+)>\s*$/.exec(from)?.[1] ?? from.trim();
