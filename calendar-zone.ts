/** A zone is described from the year before its first series begins until so many years from its last, or from now: what lies further ahead nobody knows. */
const yearsAhead = 11;

type Change = { at: Temporal.ZonedDateTime; fromMinutes: number; toMinutes: number };

/**
 * A zone as calendars want it described (RFC 5545, 3.6.5): every change of its clocks in those years, by the offsets that it
 * changes between. Its rules are those of this program's own time zone database.
 */
export function writeZone(timeZone: string, { starts, now }: { starts: Date[]; now: Date }): string[] {
  const years = starts.map((start) => start.getUTCFullYear());
  const startOf = (year: number) => Temporal.ZonedDateTime.from({ timeZone, year, month: 1, day: 1 });
  const begin = startOf(Math.min(...years) - 1);
  const changes = listChanges(begin, startOf(Math.max(now.getUTCFullYear(), ...years) + yearsAhead));
  const first: Change = { at: begin, fromMinutes: minutesOf(begin), toMinutes: minutesOf(begin) };
  return ["BEGIN:VTIMEZONE", `TZID:${timeZone}`, ...[first, ...changes].flatMap(writeObservance), "END:VTIMEZONE"];
}

function listChanges(begin: Temporal.ZonedDateTime, end: Temporal.ZonedDateTime): Change[] {
  const changes: Change[] = [];
  let before = begin;
  for (;;) {
    const at = before.getTimeZoneTransition("next");
    if (!at || Temporal.ZonedDateTime.compare(at, end) >= 0) return changes;
    changes.push({ at, fromMinutes: minutesOf(before), toMinutes: minutesOf(at) });
    before = at;
  }
}

/** One for each change: of lists of dates (RDATE) some calendars read the first only. */
function writeObservance({ at, fromMinutes, toMinutes }: Change): string[] {
  const kind = toMinutes > fromMinutes ? "DAYLIGHT" : "STANDARD";
  // The clock's time at a change is told by the offset before it.
  const onset = writeLocal(at.withTimeZone("UTC").add({ minutes: fromMinutes }).toPlainDateTime());
  return [
    `BEGIN:${kind}`,
    `DTSTART:${onset}`,
    `TZOFFSETFROM:${writeOffset(fromMinutes)}`,
    `TZOFFSETTO:${writeOffset(toMinutes)}`,
    `TZNAME:${nameOf(at)}`,
    `END:${kind}`,
  ];
}

const minutesOf = (time: Temporal.ZonedDateTime) => Math.round(time.offsetNanoseconds / 60e9);

/** `+0300`. */
function writeOffset(minutes: number): string {
  const size = Math.abs(minutes);
  const digits = `${Math.floor(size / 60)}`.padStart(2, "0") + `${size % 60}`.padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${digits}`;
}

function nameOf(time: Temporal.ZonedDateTime): string {
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: time.timeZoneId, timeZoneName: "short" }).formatToParts(
    time.epochMilliseconds,
  );
  return parts.find(({ type }) => type === "timeZoneName")?.value ?? time.timeZoneId;
}

/** `20261120T190000`, in a zone that is named elsewhere. */
export function writeLocal(local: Temporal.PlainDateTime): string {
  return local.toString({ smallestUnit: "second" }).replace(/[-:]/g, "");
}
