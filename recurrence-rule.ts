import { Fault } from "./fault.ts";

const frequencies = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"] as const;
const weekDays = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/** A recurrence rule (RFC 5545, 3.3.10). Days of the week are 0 (Monday) to 6. */
export type Rule = {
  frequency: (typeof frequencies)[number];
  interval: number;
  count: number | null;
  /** Local: the last day, or the last moment of it, that counts. */
  until: { text: string; utc: boolean } | null;
  weekStart: number;
  days: { day: number; nth: number | null }[];
  monthDays: number[];
  months: number[];
  positions: number[];
};

/** A part of a rule: what it looks like. What is not here is refused: other clients of the calendar would show other dates. */
const shapes: Record<string, RegExp> = {
  FREQ: /^(DAILY|WEEKLY|MONTHLY|YEARLY)$/,
  INTERVAL: /^[1-9]\d{0,2}$/,
  COUNT: /^[1-9]\d{0,3}$/,
  UNTIL: /^\d{8}(T\d{6}Z?)?$/,
  WKST: /^(MO|TU|WE|TH|FR|SA|SU)$/,
  BYDAY: /^([+-]?[1-9]\d?)?(MO|TU|WE|TH|FR|SA|SU)(,([+-]?[1-9]\d?)?(MO|TU|WE|TH|FR|SA|SU)){0,34}$/,
  BYMONTHDAY: /^[+-]?([1-9]|[12]\d|3[01])(,[+-]?([1-9]|[12]\d|3[01])){0,61}$/,
  BYMONTH: /^([1-9]|1[0-2])(,([1-9]|1[0-2])){0,11}$/,
  BYSETPOS: /^[+-]?[1-9]\d{0,2}(,[+-]?[1-9]\d{0,2}){0,20}$/,
};

/** Reads a rule: 422 for what is none, and for parts that are not understood here. */
export function readRule(text: string): Rule {
  const parts = new Map<string, string>();
  for (const part of text
    .replace(/^RRULE:/i, "")
    .toUpperCase()
    .split(";")) {
    const [name = "", value = ""] = part.split("=", 2);
    if (!shapes[name]?.test(value) || parts.has(name)) throw refuse(text, part || "it is empty");
    parts.set(name, value);
  }
  const frequency = frequencies.find((one) => one === parts.get("FREQ"));
  if (!frequency) throw refuse(text, "FREQ is missing");
  const numbers = (name: string) => parts.get(name)?.split(",").map(Number) ?? [];
  const until = parts.get("UNTIL");
  const rule: Rule = {
    frequency,
    interval: Number(parts.get("INTERVAL") ?? 1),
    count: parts.has("COUNT") ? Number(parts.get("COUNT")) : null,
    until: until === undefined ? null : { text: until.replace("Z", ""), utc: until.endsWith("Z") },
    weekStart: weekDays.indexOf(parts.get("WKST") ?? "MO"),
    days: (parts.get("BYDAY")?.split(",") ?? []).map((day) => ({
      day: weekDays.indexOf(day.slice(-2)),
      nth: day.length > 2 ? Number(day.slice(0, -2)) : null,
    })),
    monthDays: numbers("BYMONTHDAY"),
    months: numbers("BYMONTH"),
    positions: numbers("BYSETPOS"),
  };
  checkParts(text, rule);
  return rule;
}

/** What the RFC rules out. */
function checkParts(text: string, { frequency, count, until, days, monthDays, months, positions }: Rule): void {
  if (count !== null && until) throw refuse(text, "it has both COUNT and UNTIL");
  if (frequency === "WEEKLY" && monthDays.length > 0) throw refuse(text, "BYMONTHDAY says nothing of weeks");
  if (days.some(({ nth }) => nth !== null) && (frequency === "DAILY" || frequency === "WEEKLY"))
    throw refuse(text, "a numbered BYDAY needs months or years");
  if (positions.length > 0 && days.length + monthDays.length + months.length === 0)
    throw refuse(text, "BYSETPOS needs another BY part");
}

function refuse(text: string, reason: string): Fault {
  return new Fault("invalid", `Cannot use the rule "${text}": ${reason}`, {
    errors: [
      {
        pointer: "/rrule",
        detail: `${reason}. FREQ is DAILY, WEEKLY, MONTHLY or YEARLY; there may be INTERVAL, COUNT or UNTIL, WKST, BYDAY, BYMONTHDAY, BYMONTH and BYSETPOS`,
      },
    ],
  });
}
