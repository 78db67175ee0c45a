import { writeLocal, writeZone } from "./calendar-zone.ts";

/** One appointment, or a series, as calendars know it (RFC 5545, 3.6.1). */
export type Entry = {
  /** Stays the same for ever. */
  uid: string;
  /** Raised by changes that people must hear of. */
  sequence: number;
  changedAt: Date;
  createdAt: Date;
  title: string;
  text: string;
  place: string;
  url: string;
  tags: string[];
  startsAt: Date;
  endsAt: Date;
  /** IANA. */
  timeZone: string;
  rrule: string | null;
  status: "CONFIRMED" | "TENTATIVE" | "CANCELLED";
  /** Dates of the series that are not as the rule has them. */
  exceptions: { recursAt: Date; startsAt: Date; endsAt: Date; cancelled: boolean }[];
};

type Calendar = {
  name: string;
  entries: Entry[];
  /** Of a mail (RFC 5546): an invitation, or its end; none for a feed. */
  method?: "PUBLISH" | "REQUEST" | "CANCEL";
  /** Who is invited by a mail, and by whom: addresses. */
  attendee?: string;
  organizer?: string;
  /** Zones are described beyond it. */
  now?: Date;
};

/**
 * A calendar as text (RFC 5545; name and refreshing by RFC 7986). What takes place once is in UTC, a series in its zone, which
 * is described along with it. Lines end with CRLF and are folded at 75 octets, never inside a character.
 */
export function writeCalendar({ name, entries, method, attendee, organizer, now = new Date() }: Calendar): string {
  const series = entries.filter(({ rrule }) => rrule !== null);
  const zones = Map.groupBy(series, ({ timeZone }) => timeZone);
  const lines = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//Sunduk//Sunduk//EN",
    "CALSCALE:GREGORIAN",
    ...(method ? [`METHOD:${method}`] : []),
    ...(name ? [`NAME:${writeText(name)}`, `X-WR-CALNAME:${writeText(name)}`] : []),
    "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
    "X-PUBLISHED-TTL:PT1H",
    ...[...zones].flatMap(([timeZone, used]) =>
      writeZone(timeZone, { starts: used.map(({ startsAt }) => startsAt), now }),
    ),
    ...entries.flatMap((entry) => writeEntry(entry, { attendee, organizer })),
    "END:VCALENDAR",
  ];
  return lines.map((line) => `${fold(line)}\r\n`).join("");
}

type People = { attendee: string | undefined; organizer: string | undefined };

function writeEntry(entry: Entry, people: People): string[] {
  const { rrule, startsAt, endsAt, exceptions } = entry;
  const series = writeEvent(entry, { startsAt, endsAt, people, own: rrule === null ? [] : [writeRule(rrule, entry)] });
  const others = exceptions.map(({ recursAt, startsAt, endsAt, cancelled }) =>
    writeEvent(
      { ...entry, status: cancelled ? "CANCELLED" : entry.status },
      { startsAt, endsAt, people, own: [writeTime("RECURRENCE-ID", recursAt, entry)] },
    ),
  );
  return [...series, ...others.flat()];
}

type Times = { startsAt: Date; endsAt: Date; own: string[]; people: People };

function writeEvent(entry: Entry, { startsAt, endsAt, own, people: { attendee, organizer } }: Times): string[] {
  const { uid, sequence, changedAt, createdAt, title, text, place, url, tags, status } = entry;
  return [
    "BEGIN:VEVENT",
    `UID:${uid}`,
    `SEQUENCE:${sequence}`,
    `DTSTAMP:${writeUtc(changedAt)}`,
    `CREATED:${writeUtc(createdAt)}`,
    `LAST-MODIFIED:${writeUtc(changedAt)}`,
    writeTime("DTSTART", startsAt, entry),
    writeTime("DTEND", endsAt, entry),
    ...own,
    `SUMMARY:${writeText(title)}`,
    ...(text ? [`DESCRIPTION:${writeText(text)}`] : []),
    ...(place ? [`LOCATION:${writeText(place)}`] : []),
    ...(url ? [`URL:${url}`] : []),
    ...(tags.length > 0 ? [`CATEGORIES:${tags.map(writeText).join(",")}`] : []),
    ...(organizer ? [`ORGANIZER:mailto:${organizer}`] : []),
    ...(attendee ? [`ATTENDEE;PARTSTAT=ACCEPTED;RSVP=FALSE:mailto:${attendee}`] : []),
    `STATUS:${status}`,
    "TRANSP:OPAQUE",
    "END:VEVENT",
  ];
}

function writeTime(name: string, time: Date, { rrule, timeZone }: Entry): string {
  if (rrule === null) return `${name}:${writeUtc(time)}`;
  const local = Temporal.Instant.fromEpochMilliseconds(time.getTime()).toZonedDateTimeISO(timeZone).toPlainDateTime();
  return `${name};TZID=${timeZone}:${writeLocal(local)}`;
}

/** `20261120T190000Z`. */
function writeUtc(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace(/[-:]/g, "")}Z`;
}

/** A series in a zone ends at a time in UTC (RFC 5545, 3.3.10), whatever its author wrote. */
function writeRule(rrule: string, { timeZone }: Entry): string {
  const rule = rrule
    .replace(/^RRULE:/i, "")
    .replace(/UNTIL=(\d{8})(T\d{6})?(?=;|$)/i, (_, day: string, time = "T235959") => {
      const local = Temporal.PlainDateTime.from(`${day}${time}`);
      return `UNTIL=${writeUtc(new Date(local.toZonedDateTime(timeZone).epochMilliseconds))}`;
    });
  return `RRULE:${rule}`;
}

/** A TEXT value (RFC 5545, 3.3.11); control characters but the line break are left out. */
function writeText(text: string): string {
  return text
    .replace(/\r\n?/g, "\n")
    .replace(/\p{Cc}/gu, (control) => (control === "\n" ? control : ""))
    .replace(/[\\;,]/g, "\\$&")
    .replaceAll("\n", "\\n");
}

const lineBytes = 75;

/** RFC 5545, 3.1: a line that goes on begins with a space, which counts. */
function fold(line: string): string {
  if (line.length <= lineBytes / 4 || Buffer.byteLength(line) <= lineBytes) return line;
  const folded: string[] = [];
  let part = "";
  let bytes = 0;
  for (const character of line) {
    const size = Buffer.byteLength(character);
    if (bytes + size > lineBytes) {
      folded.push(part);
      part = " ";
      bytes = 1;
    }
    part += character;
    bytes += size;
  }
  return [...folded, part].join("\r\n");
}
