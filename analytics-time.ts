/** A range of time in equal steps (UTC): `to` is where the step after the last one begins. */
export type Range = { from: Date; to: Date; interval: Interval };
type Interval = "hour" | "day" | "week" | "month";

const hourMs = 3600_000;
const dayMs = 24 * hourMs;

/** Where the hour, day, week (from Monday) or month of a time begins. */
export function startOf(interval: Interval, at: Date): Date {
  const day = Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate());
  if (interval === "hour") return new Date(Math.floor(+at / hourMs) * hourMs);
  if (interval === "day") return new Date(day);
  if (interval === "week") return new Date(day - ((at.getUTCDay() + 6) % 7) * dayMs);
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1));
}

/** So many steps later; `at` is the beginning of one. */
export function addSteps(interval: Interval, at: Date, steps: number): Date {
  if (interval === "month") return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + steps, 1));
  return new Date(+at + steps * { hour: hourMs, day: dayMs, week: 7 * dayMs }[interval]);
}

/** Every beginning of a range; at most `limit` and one more. */
export function listStarts({ from, to, interval }: Range, limit: number): Date[] {
  const starts: Date[] = [];
  for (let start = from; start < to && starts.length <= limit; start = addSteps(interval, start, 1)) starts.push(start);
  return starts;
}
