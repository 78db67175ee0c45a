import { Fault } from "./fault.ts";

/** Whether that is the name of a time zone (IANA) that this program knows; offsets such as "+03:00" are none. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The name of a time zone with its letters as they are written: "europe/berlin" is "Europe/Berlin". */
export function spellTimeZone(name: string): string {
  return toZoned(new Date(0), name).timeZoneId;
}

/**
 * The instant that people mean: a time with an offset (RFC 3339) says it itself, one without is local in that zone. What a
 * clock change skips is moved forward by as much, and of what comes twice the first is meant (Temporal's "compatible").
 */
export function readTime(text: string, timeZone: string, { pointer }: { pointer?: string } = {}): Date {
  try {
    if (/(Z|[+-]\d\d:\d\d)$/i.test(text)) return new Date(Temporal.Instant.from(text).epochMilliseconds);
    return toInstant(Temporal.PlainDateTime.from(text), timeZone);
  } catch (cause) {
    throw new Fault("invalid", `Cannot read the time "${text}": it is a date and a time, with or without an offset`, {
      cause,
      ...(pointer !== undefined && { errors: [{ pointer, detail: "is no time" }] }),
    });
  }
}

/** What the clocks there show at that instant. */
export function toLocal(time: Date, timeZone: string): Temporal.PlainDateTime {
  return toZoned(time, timeZone).toPlainDateTime();
}

/** When the clocks there show that. */
export function toInstant(local: Temporal.PlainDateTime, timeZone: string): Date {
  return new Date(local.toZonedDateTime(timeZone).epochMilliseconds);
}

/** As it is shown to people there: RFC 3339 with the offset that is in force then. */
export function showLocal(time: Date, timeZone: string): string {
  return toZoned(time, timeZone).toString({ timeZoneName: "never", smallestUnit: "second" });
}

function toZoned(time: Date, timeZone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(time.getTime()).toZonedDateTimeISO(timeZone);
}
