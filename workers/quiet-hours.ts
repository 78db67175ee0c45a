/** When in a person's day he is left alone: `from` and `to` are HH:MM of the clock in his time zone; over midnight too. */
export type QuietHours = { timeZone: string; from: string; to: string };

/**
 * The moment at which something may ring that is due at `at`: that moment, or the end of the quiet hours it falls into. By
 * the clock on the wall: in a night when clocks change they are longer or shorter by as much. An end that the clock skips
 * is moved forward, and of one that comes twice the second counts, for a day is quiet until they are over.
 */
export function afterQuietHours(at: Date, { timeZone, from, to }: QuietHours): Date {
  if (from === to) return at;
  const local = zoned(at, timeZone);
  const now = local.toPlainTime();
  const [begin, end] = [Temporal.PlainTime.from(from), Temporal.PlainTime.from(to)];
  const isAfterBegin = Temporal.PlainTime.compare(now, begin) >= 0;
  const isBeforeEnd = Temporal.PlainTime.compare(now, end) < 0;
  const overMidnight = Temporal.PlainTime.compare(begin, end) > 0;
  if (overMidnight ? !(isAfterBegin || isBeforeEnd) : !(isAfterBegin && isBeforeEnd)) return at;
  const day = overMidnight && isAfterBegin ? local.toPlainDate().add({ days: 1 }) : local.toPlainDate();
  return atClock(day, end, local.timeZoneId);
}

const digestAt = Temporal.PlainTime.from("09:00");
const monday = 1;

/** When the next digest goes out after `at`: at nine in the morning of the person's zone, weekly ones on Mondays. */
export function nextDigest(at: Date, { timeZone, digest }: { timeZone: string; digest: "daily" | "weekly" }): Date {
  const local = zoned(at, timeZone);
  for (let days = 0; days <= 8; days++) {
    const day = local.toPlainDate().add({ days });
    const moment = atClock(day, digestAt, local.timeZoneId);
    if (moment > at && (digest === "daily" || day.dayOfWeek === monday)) return moment;
  }
  throw new Error("a week has no Monday");
}

/** "later": a time that the clock skips is moved forward, and of one that comes twice it is the second. */
function atClock(day: Temporal.PlainDate, time: Temporal.PlainTime, timeZone: string): Date {
  const moment = day.toPlainDateTime(time).toZonedDateTime(timeZone, { disambiguation: "later" });
  return new Date(moment.epochMilliseconds);
}

/** A zone that this system does not know (any more) is UTC: better at a wrong hour than never. */
function zoned(at: Date, timeZone: string): Temporal.ZonedDateTime {
  const instant = Temporal.Instant.fromEpochMilliseconds(at.getTime());
  try {
    return instant.toZonedDateTimeISO(timeZone);
  } catch {
    return instant.toZonedDateTimeISO("UTC");
  }
}
