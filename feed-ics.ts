import ICAL from "ical.js";
import { Fault } from "./fault.ts";
import {
  addTo,
  type Feed,
  type FeedEvent,
  finish,
  hourAfter,
  maxFeedEvents,
  toPlace,
  toWords,
  withoutTwins,
} from "./feed.ts";
import { isTimeZone, toInstant } from "./local-time.ts";

const day = 24 * 3_600_000;

/** Reads an iCalendar feed (RFC 5545). Times without a zone are in that of the source. 422 for what is none. */
export function readIcsFeed(text: string, { timeZone }: { timeZone: string }): Feed {
  // The database keeps no U+0000, and nobody reads the others.
  const calendar = parse(text.replace(/[^\P{Cc}\r\n\t]/gu, ""));
  const zones = readZones(calendar);
  const named = textOf(calendar, "x-wr-timezone");
  const context = { zones, timeZone: isTimeZone(named) ? named : timeZone };
  const parts = calendar.getAllSubcomponents("vevent");
  const [series, exceptions] = [
    parts.filter((part) => !part.hasProperty("recurrence-id")),
    Map.groupBy(
      parts.filter((part) => part.hasProperty("recurrence-id")),
      (part) => textOf(part, "uid"),
    ),
  ];
  const feed: Feed = { events: [], skipped: [] };
  for (const part of series.slice(0, maxFeedEvents)) {
    const uid = textOf(part, "uid").slice(0, 500).toWellFormed();
    if (uid === "") feed.skipped.push({ uid: null, reason: "it has no UID" });
    else addTo(feed, uid, () => readEvent(part, { ...context, exceptions: exceptions.get(uid) ?? [] }));
  }
  const known = new Set(series.map((part) => textOf(part, "uid")));
  for (const uid of exceptions.keys())
    if (!known.has(uid)) feed.skipped.push({ uid: uid.slice(0, 500), reason: "its series is not in the feed" });
  return withoutTwins(feed, series.length);
}

function parse(text: string): ICAL.Component {
  // One that was cut off would look as if its last events had been removed.
  if (!/END:VCALENDAR\s*$/i.test(text))
    throw new Fault("invalid", "Cannot read the feed: it is no iCalendar file, or not whole");
  try {
    const parsed = ICAL.parse(text);
    const calendar = new ICAL.Component(parsed);
    if (calendar.name === "vcalendar") return calendar;
  } catch (cause) {
    throw new Fault("invalid", "Cannot read the feed: it is not an iCalendar file", { cause });
  }
  throw new Fault("invalid", "Cannot read the feed: it is not an iCalendar file with one calendar");
}

const maxObservances = 500;
/** What zones are described with. Anything else, such as each second, ical.js would follow into the year 2035 change by change. */
const zoneRule =
  /^FREQ=YEARLY(;(INTERVAL=\d+|COUNT=\d+|UNTIL=\w+|WKST=\w+|BYMONTH=\d+|BYDAY=[+-]?\d?\w\w|BYMONTHDAY=[-\d]+(,[-\d]+){0,6}))*$/;

/** Zones that the feed describes, as far as their rules are of a kind that zones have. */
function readZones(calendar: ICAL.Component): Map<string, ICAL.Timezone> {
  const parts = calendar.getAllSubcomponents("vtimezone");
  if (parts.reduce((sum, part) => sum + part.getAllSubcomponents().length, 0) > maxObservances)
    throw new Fault("invalid", `Cannot read the feed: its time zones have more than ${maxObservances} parts`);
  const isPlain = (part: ICAL.Component) =>
    part.getAllSubcomponents().every((observance) => {
      const rules = observance.getAllProperties("rrule");
      return rules.length <= 1 && rules.every((rule) => zoneRule.test(String(rule.getFirstValue())));
    });
  return new Map(parts.filter(isPlain).map((part) => [textOf(part, "tzid"), new ICAL.Timezone(part)]));
}

type Context = { zones: Map<string, ICAL.Timezone>; timeZone: string };

function readEvent(
  part: ICAL.Component,
  { exceptions, ...context }: Context & { exceptions: ICAL.Component[] },
): FeedEvent {
  const rrule = part.getFirstPropertyValue("rrule");
  if (part.hasProperty("rdate")) throw new Fault("invalid", "dates of its own (RDATE) are not understood here");
  if (part.getAllProperties("rrule").length > 1) throw new Fault("invalid", "it has more than one rule");
  const { startsAt, endsAt, timeZone } = readTimes(part, context);
  const lengthMs = endsAt.getTime() - startsAt.getTime();
  const removed = part
    .getAllProperties("exdate")
    .flatMap((property) =>
      property
        .getValues()
        .flatMap((value) => (value instanceof ICAL.Time ? [readInstant(value, property, context).time] : [])),
    );
  const url = textOf(part, "url");
  return finish({
    uid: textOf(part, "uid").slice(0, 500).toWellFormed(),
    title: toWords(textOf(part, "summary").trim() || "—"),
    text: toWords(textOf(part, "description").trim()),
    place: toPlace(textOf(part, "location"), url === "" ? undefined : url),
    startsAt,
    endsAt,
    timeZone,
    rrule: rrule === null ? null : String(rrule),
    cancelled: textOf(part, "status").toUpperCase() === "CANCELLED",
    tags: part.getAllProperties("categories").flatMap((property) => property.getValues().map(String)),
    exceptions: [
      ...removed.map((recursAt) => ({
        recursAt,
        startsAt: recursAt,
        endsAt: new Date(recursAt.getTime() + lengthMs),
        cancelled: true,
      })),
      ...exceptions.map((exception) => readException(exception, context)),
    ],
  });
}

function readException(part: ICAL.Component, context: Context): FeedEvent["exceptions"][number] {
  const property = part.getFirstProperty("recurrence-id");
  const value = property?.getFirstValue();
  if (!property || !(value instanceof ICAL.Time)) throw new Fault("invalid", "an exception of it has no date");
  const { startsAt, endsAt } = readTimes(part, context);
  const cancelled = textOf(part, "status").toUpperCase() === "CANCELLED";
  return { recursAt: readInstant(value, property, context).time, startsAt, endsAt, cancelled };
}

function readTimes(part: ICAL.Component, context: Context): { startsAt: Date; endsAt: Date; timeZone: string } {
  const start = part.getFirstProperty("dtstart");
  const value = start?.getFirstValue();
  if (!start || !(value instanceof ICAL.Time)) throw new Fault("invalid", "it does not say when it begins");
  const { time: startsAt, timeZone } = readInstant(value, start, context);
  const end = part.getFirstProperty("dtend");
  const endValue = end?.getFirstValue();
  if (end && endValue instanceof ICAL.Time)
    return { startsAt, timeZone, endsAt: readInstant(endValue, end, context).time };
  const duration = part.getFirstPropertyValue("duration");
  if (duration instanceof ICAL.Duration)
    return { startsAt, timeZone, endsAt: new Date(startsAt.getTime() + duration.toSeconds() * 1000) };
  return { startsAt, timeZone, endsAt: value.isDate ? new Date(startsAt.getTime() + day) : hourAfter(startsAt) };
}

/** When that is: in UTC, in a zone by its name, in one that the feed describes, or in the source's own. */
function readInstant(
  value: ICAL.Time,
  property: ICAL.Property,
  { zones, timeZone }: Context,
): { time: Date; timeZone: string } {
  const parameter = property.getParameter("tzid");
  const name = typeof parameter === "string" ? parameter : "";
  if (value.zone === ICAL.Timezone.utcTimezone) return { time: value.toJSDate(), timeZone };
  const { year, month, day, hour, minute, second } = value;
  const local = () => Temporal.PlainDateTime.from({ year, month, day, hour, minute, second }, { overflow: "reject" });
  try {
    if (isTimeZone(name)) return { time: toInstant(local(), name), timeZone: name };
    const described = zones.get(name);
    if (!described) return { time: toInstant(local(), timeZone), timeZone };
    const zoned = value.clone();
    zoned.zone = described;
    return { time: new Date(zoned.toUnixTime() * 1000), timeZone };
  } catch (cause) {
    throw new Fault("invalid", "it is at a time that there is not", { cause });
  }
}

function textOf(part: ICAL.Component, name: string): string {
  const value = part.getFirstPropertyValue(name);
  return value === null || value === undefined ? "" : String(value);
}
