import type { Entry } from "./calendar.ts";

/** An event as calendars show it. Times in `exceptions` are RFC 3339. */
export type CalendarRow = {
  id: string;
  slug: string;
  title: Record<string, string>;
  text: Record<string, string>;
  place: Record<string, unknown>;
  tags: string[];
  startsAt: Date;
  endsAt: Date;
  timeZone: string;
  rrule: string | null;
  sequence: number;
  status: "CONFIRMED" | "TENTATIVE" | "CANCELLED";
  createdAt: Date;
  updatedAt: Date;
  exceptions: { recursAt: string; startsAt: string; endsAt: string; cancelled: boolean }[];
};

/** An event as an entry of a calendar in one language; words that are there in another only are taken from it. */
export function describeEntry(row: CalendarRow, { language, base }: { language: string; base: string }): Entry {
  const { id, slug, sequence, tags, startsAt, endsAt, timeZone, rrule, status, createdAt, updatedAt } = row;
  const pick = (words: Record<string, string>) => words[language] || words.ru || words.en || "";
  const exceptions = row.exceptions.map((exception) => ({
    recursAt: new Date(exception.recursAt),
    startsAt: new Date(exception.startsAt),
    endsAt: new Date(exception.endsAt),
    cancelled: exception.cancelled,
  }));
  return {
    uid: id,
    sequence,
    changedAt: updatedAt,
    createdAt,
    title: pick(row.title),
    text: pick(row.text),
    place: describePlace(row.place),
    url: `${base}/v1/events/${slug}`,
    tags,
    startsAt,
    endsAt,
    timeZone,
    rrule,
    status,
    exceptions,
  };
}

function describePlace({ name, address, url }: Record<string, unknown>): string {
  return [name, address, url].filter((part) => typeof part === "string").join(", ");
}
