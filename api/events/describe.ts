import type { EventRow } from "../../db/event.ts";
import type { OwnRegistration, PageAlbum } from "../../db/event-links.ts";
import type { OccurrenceRow } from "../../db/occurrence.ts";
import { showLocal } from "../../local-time.ts";
import { pickText, type Words } from "../language.ts";

/** Times in UTC and as clocks show them in the event's zone. */
const describeTimes = ({ startsAt, endsAt }: { startsAt: Date; endsAt: Date }, timeZone: string) => ({
  startsAt: startsAt.toISOString(),
  endsAt: endsAt.toISOString(),
  startsAtLocal: showLocal(startsAt, timeZone),
  endsAtLocal: showLocal(endsAt, timeZone),
});

/** Which language of what was written the reader is shown. */
export function describeShown(words: { title: Words; text: Words }, request: Request) {
  const shown = (of: Words) => {
    const picked = pickText(of, request);
    return picked && { lang: picked.lang, fallback: picked.fallback };
  };
  return { title: shown(words.title) ?? { lang: "en" as const, fallback: true }, text: shown(words.text) };
}

export function describeOccurrence(occurrence: OccurrenceRow, timeZone: string) {
  const { id, capacity, taken, waiting, edited, cancelledAt } = occurrence;
  const cancelled = cancelledAt !== null;
  return { id, ...describeTimes(occurrence, timeZone), capacity, taken, waiting, edited, cancelled };
}

/** A name that is linked to, where the reader may see what it leads to. */
export const describeLink = (slug: string | null, name: string | null) =>
  slug === null ? null : { slug, name: name ?? slug };

type Page = { occurrences: OccurrenceRow[]; registrations: OwnRegistration[]; albums: PageAlbum[]; request: Request };

/** The page of an event, as this reader sees it. */
export function describeEvent(event: EventRow, { occurrences, registrations, albums, request }: Page) {
  const { id, slug, state, cancelledReason, title, text, place, timeZone, rrule, capacity, opensAt } = event;
  const { closesBeforeSeconds, approval, confirmByLink, offerSeconds, visibility, tags, questions, sequence, role } =
    event;
  const pack = describeLink(event.packSlug, event.packName);
  return {
    id,
    slug,
    state,
    cancelledReason,
    title,
    text,
    shown: describeShown(event, request),
    place,
    ...describeTimes(event, timeZone),
    timeZone,
    rrule,
    capacity,
    opensAt: opensAt?.toISOString() ?? null,
    closesBeforeSeconds,
    approval,
    confirmByLink,
    offerSeconds,
    visibility,
    pack: pack && { ...pack, version: event.versionName },
    album: event.shownAlbumId,
    albums,
    tags,
    questions,
    organization: describeLink(event.organizationSlug, event.organizationName),
    organizer: event.organizerLogin,
    source: event.sourceName,
    edited: role === null ? [] : event.edited,
    sequence,
    role,
    occurrences: occurrences.map((occurrence) => describeOccurrence(occurrence, timeZone)),
    registrations: registrations.map(({ offeredUntil, ...registration }) => ({
      ...registration,
      offeredUntil: offeredUntil?.toISOString() ?? null,
    })),
    createdAt: event.createdAt.toISOString(),
    updatedAt: event.updatedAt.toISOString(),
  };
}
