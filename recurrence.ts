import { toInstant, toLocal } from "./local-time.ts";
import { type Rule, readRule } from "./recurrence-rule.ts";

type Series = {
  /** RFC 5545, 3.3.10; null: once. */
  rrule: string | null;
  startsAt: Date;
  timeZone: string;
};

/**
 * The starts of a series from one day to another, one at least, and whether it ends there by its rule. The rule is followed
 * in local time, so that 19:00 stays 19:00 over clock changes; the first start always counts, as calendars have it.
 */
export function listStarts({ rrule, startsAt, timeZone }: Series, { from, until }: { from: Date; until: Date }) {
  if (rrule === null) return { starts: [startsAt], ended: true };
  const rule = readRule(rrule);
  const first = toLocal(startsAt, timeZone);
  const untilDay = rule.until && readUntil(rule.until, { time: first.toPlainTime(), timeZone });
  const lastDay = toDay(toLocal(until, timeZone));
  const days = listDays(rule, { firstDay: toDay(first), lastDay: Math.min(lastDay, untilDay ?? lastDay) });
  const fromDay = toDay(toLocal(from, timeZone));
  const wanted = days.filter((day) => day >= fromDay);
  const starts = (wanted.length > 0 ? wanted : days.slice(-1)).map((day) =>
    day === days[0] ? startsAt : toInstant(readDay(day).toPlainDateTime(first.toPlainTime()), timeZone),
  );
  return { starts, ended: days.length === rule.count || (untilDay !== null && untilDay <= lastDay) };
}

/** Days are counted from 1970-01-01: a rule is asked about thousands of them. */
function toDay({ year, month, day }: Pick<Temporal.PlainDate, "year" | "month" | "day">): number {
  return Date.UTC(year, month - 1, day) / 86_400_000;
}

function readDay(day: number): Temporal.PlainDate {
  const date = new Date(day * 86_400_000);
  return new Temporal.PlainDate(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate());
}

/** The last day that UNTIL lets in, for what begins at that time of day. */
function readUntil(
  { text, utc }: NonNullable<Rule["until"]>,
  { time, timeZone }: { time: Temporal.PlainTime; timeZone: string },
): number {
  const [, date = "", clock] = /^(\d{8})(T\d{6})?$/.exec(text) ?? [];
  if (clock === undefined) return toDay(Temporal.PlainDate.from(date));
  const local = utc
    ? Temporal.Instant.from(`${text}Z`).toZonedDateTimeISO(timeZone).toPlainDateTime()
    : Temporal.PlainDateTime.from(text);
  return toDay(local) - (Temporal.PlainTime.compare(local, time) < 0 ? 1 : 0);
}

/** The first day, and those that the rule gives after it, up to the last. */
function listDays(rule: Rule, { firstDay, lastDay }: { firstDay: number; lastDay: number }): number[] {
  const days = [firstDay];
  for (let period = 0; ; period += rule.interval) {
    const [begin, length] = findPeriod(rule, { firstDay, period });
    if (begin > lastDay) return days;
    const matching = Array.from({ length }, (_, index) => begin + index).filter((day) => matches(rule, day, firstDay));
    for (const day of choose(matching, rule.positions)) {
      if (day > lastDay || days.length === rule.count) return days;
      if (day > firstDay) days.push(day);
    }
    if (days.length === rule.count) return days;
  }
}

/** Where that day, week, month or year begins, and how many days it has. */
function findPeriod(
  { frequency, weekStart }: Rule,
  { firstDay, period }: { firstDay: number; period: number },
): [begin: number, length: number] {
  if (frequency === "DAILY") return [firstDay + period, 1];
  if (frequency === "WEEKLY") return [firstDay - ((weekDayOf(firstDay) - weekStart + 7) % 7) + 7 * period, 7];
  const { year, month } = readDay(firstDay);
  const [begin, next] =
    frequency === "MONTHLY"
      ? [Date.UTC(year, month - 1 + period), Date.UTC(year, month + period)]
      : [Date.UTC(year + period, 0), Date.UTC(year + period + 1, 0)];
  return [begin / 86_400_000, (next - begin) / 86_400_000];
}

/** 0 is Monday; 1970-01-01 was a Thursday. */
const weekDayOf = (day: number) => (((day + 3) % 7) + 7) % 7;

function matches(rule: Rule, day: number, firstDay: number): boolean {
  const { frequency, days, monthDays, months } = rule;
  const date = readDay(day);
  if (months.length > 0 && !months.includes(date.month)) return false;
  if (monthDays.length > 0 && !monthDays.some((wanted) => isNth(wanted, date.day, date.daysInMonth))) return false;
  if (days.length > 0) {
    const [place, length] =
      frequency === "YEARLY" && months.length === 0 ? [date.dayOfYear, date.daysInYear] : [date.day, date.daysInMonth];
    const week = Math.ceil(place / 7);
    const weeks = week + Math.floor((length - place) / 7);
    return days.some((one) => one.day === weekDayOf(day) && (one.nth === null || isNth(one.nth, week, weeks)));
  }
  if (monthDays.length > 0 || frequency === "DAILY") return true;
  if (frequency === "WEEKLY") return weekDayOf(day) === weekDayOf(firstDay);
  const first = readDay(firstDay);
  return date.day === first.day && (frequency === "MONTHLY" || months.length > 0 || date.month === first.month);
}

/** Whether that place is the wanted one, which counts from the end when it is negative. */
const isNth = (wanted: number, place: number, length: number) => wanted === place || wanted === place - length - 1;

function choose(days: number[], positions: number[]): number[] {
  if (positions.length === 0) return days;
  return days.filter((_, index) => positions.some((wanted) => isNth(wanted, index + 1, days.length)));
}
