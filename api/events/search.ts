import { Type as t } from "@sinclair/typebox";
import {
  type Found,
  listFoundEvents,
  listLastEvents,
  listNextEvents,
  searchEvents,
  searchEventsByTime,
} from "../../db/event-search.ts";
import { listOccurrencesByIds } from "../../db/occurrence.ts";
import { findOrganization } from "../../db/organization.ts";
import { findPack } from "../../db/pack.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { requireCaller, toReader } from "../caller.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import type { Caller } from "../tokens.ts";
import { describeLink, describeOccurrence, describeShown } from "./describe.ts";
import type { EventQuery, ListedEvent } from "./model.ts";

type Search = typeof EventQuery.static & { caller: Caller | null; request: Request };

/** Where the page before ended, in the order that it had: the sort, a start or a rank, and an id. */
const Cursor = t.Tuple([t.String(), t.Union([t.String({ pattern: "^\\d{4}-[0-9T:.-]+Z$" }), t.Number()]), CursorId]);
const lowest = "00000000-0000-0000-0000-000000000000";
const highest = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** Events that the caller may find, each once. Without `from` and `to`: those that are not over. */
export async function findEvents(
  { db }: Pick<Deps, "db">,
  { caller, request, query: asked, cursor, limit = 50, hasSeats, tag, mine, ...search }: Search,
): Promise<{ items: ListedEvent[]; nextCursor: string | null }> {
  const reader = toReader(caller);
  if (mine) requireCaller(caller);
  const query = asked?.trim() || null;
  const fallback = query ? "relevance" : "startsAt";
  const sort = query || search.sort !== "relevance" ? (search.sort ?? fallback) : fallback;
  const organization = search.organization && (await findOrganization(db, { slug: search.organization, reader }));
  const pack = search.pack && (await findPack(db, { slug: search.pack, reader }));
  // What the caller may not see owns nothing, for him.
  if ((search.organization !== undefined && !organization) || (search.pack !== undefined && !pack))
    return { items: [], nextCursor: null };
  const range = readRange(search);
  const after = readPosition(cursor, sort);
  const backwards = sort === "-startsAt";
  const asking = { reader, ...range, hasSeats: hasSeats === "true", after, limit: limit + 1 };
  const narrow = {
    query,
    spelled: query === null ? null : readSpelled(query),
    organizationId: organization ? organization.id : null,
    packId: pack ? pack.id : null,
    tag: tag ?? null,
    mine: mine ?? null,
  };
  const isNarrow = Object.values(narrow).some((value) => value !== null);
  const found = isNarrow
    ? sort === "relevance"
      ? await searchEvents(db, { ...asking, ...narrow })
      : await searchEventsByTime(db, { ...asking, ...narrow, backwards })
    : await (backwards ? listLastEvents : listNextEvents)(db, asking);
  const shown = found.slice(0, limit);
  const last = found.length > limit ? shown.at(-1) : undefined;
  return {
    items: await showFound({ db }, { found: shown, caller, request }),
    nextCursor: last
      ? writeCursor([sort, sort === "relevance" ? last.rank : last.startsAt.toISOString(), last.eventId])
      : null,
  };
}

/** Without both what is not over; with one of them everything on that side of it. */
export function readRange({ from, to }: { from?: string; to?: string }) {
  const read = (name: string, text: string) => {
    const time = new Date(text);
    if (!Number.isNaN(time.getTime())) return time.toISOString();
    throw new Fault("malformed", `Cannot read ${name}: there is no such day`, {
      errors: [{ parameter: name, detail: "is no day" }],
    });
  };
  return {
    from: from !== undefined ? read("from", from) : to === undefined ? new Date().toISOString() : "-infinity",
    to: to === undefined ? "infinity" : read("to", to),
  };
}

function readPosition(cursor: string | undefined, sort: string) {
  const backwards = sort === "-startsAt";
  const start = {
    startsAt: backwards ? "infinity" : "-infinity",
    rank: 1e9,
    id: sort === "startsAt" ? lowest : highest,
  };
  const [order, value, id] = readCursor(cursor, Cursor) ?? [];
  if (value === undefined || id === undefined || order !== sort) return start;
  return typeof value === "number" ? { ...start, rank: value, id } : { ...start, startsAt: value, id };
}

/** The words of a search that may be misspelled: none where it says what must not be there, or in which order. */
function readSpelled(query: string): string[] | null {
  if (/["«»]|(^|\s)-\S|(^|\s)or(\s|$)/i.test(query)) return null;
  const words = query.match(/[\p{L}\p{N}]+/gu) ?? [];
  return words.length > 0 ? words : null;
}

type Show = { found: Found[]; caller: Caller | null; request: Request };

async function showFound({ db }: Pick<Deps, "db">, { found, caller, request }: Show): Promise<ListedEvent[]> {
  const reader = toReader(caller);
  const [rows, occurrences] = await Promise.all([
    listFoundEvents(db, { ids: found.map(({ eventId }) => eventId), reader }),
    listOccurrencesByIds(
      db,
      found.map(({ occurrenceId }) => occurrenceId),
    ),
  ]);
  const events = new Map(rows.map((row) => [row.id, row]));
  const times = new Map(occurrences.map((row) => [row.id, row]));
  return found.flatMap(({ eventId, occurrenceId }) => {
    const event = events.get(eventId);
    const occurrence = times.get(occurrenceId);
    if (!event || !occurrence) return [];
    const { slug, state, title, place, timeZone, rrule, visibility, tags } = event;
    return {
      slug,
      state,
      title,
      shown: describeShown({ title, text: {} }, request),
      place,
      timeZone,
      rrule,
      visibility,
      tags,
      pack: describeLink(event.packSlug, event.packName),
      organization: describeLink(event.organizationSlug, event.organizationName),
      organizer: event.organizerLogin,
      occurrence: describeOccurrence(occurrence, timeZone),
    };
  });
}
