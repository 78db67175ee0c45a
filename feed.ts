import { type Static, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Fault } from "./fault.ts";
import { isTimeZone, readTime } from "./local-time.ts";
import { readRule } from "./recurrence-rule.ts";

/** An event as a feed tells it: what it does not tell is left as it is here. */
export type FeedEvent = {
  uid: string;
  title: { ru?: string; en?: string };
  text: { ru?: string; en?: string };
  place: Place;
  startsAt: Date;
  endsAt: Date;
  timeZone: string;
  rrule: string | null;
  cancelled: boolean;
  tags: string[];
  /** Dates of a series that are not as the rule has them. */
  exceptions: { recursAt: Date; startsAt: Date; endsAt: Date; cancelled: boolean }[];
};
type Place =
  | { kind: "online"; url?: string }
  | { kind: "server"; address: string }
  | { kind: "physical"; address: string };

/** What a feed holds, and what of it cannot be taken over, and why; `uid` is null where nobody knows which events these are. */
export type Feed = { events: FeedEvent[]; skipped: { uid: string | null; reason: string }[] };

export const maxFeedEvents = 1_000;
const maxExceptions = 1_000;
const [titleCharacters, textCharacters, placeCharacters, maxTags] = [200, 50_000, 500, 20];

const Words = t.Union([
  t.String({ minLength: 1 }),
  t.Object({ ru: t.Optional(t.String()), en: t.Optional(t.String()) }, { minProperties: 1 }),
]);
const JsonEvent = t.Object({
  uid: t.String({ minLength: 1, maxLength: 500 }),
  title: Words,
  text: t.Optional(Words),
  startsAt: t.String(),
  endsAt: t.Optional(t.String()),
  timeZone: t.Optional(t.String()),
  rrule: t.Optional(t.String()),
  place: t.Optional(t.String()),
  url: t.Optional(t.String()),
  tags: t.Optional(t.Array(t.String())),
  cancelled: t.Optional(t.Boolean()),
});
type JsonEvent = Static<typeof JsonEvent>;

/** Reads a JSON feed, `{events: [{uid, title, startsAt, …}]}`; docs/organizers.md describes it. 422 for what is none. */
export function readJsonFeed(text: string, { timeZone }: { timeZone: string }): Feed {
  const events = readEvents(text);
  const feed: Feed = { events: [], skipped: [] };
  for (const [index, given] of events.slice(0, maxFeedEvents).entries()) {
    const wrong = Value.Errors(JsonEvent, given).First();
    if (!Value.Check(JsonEvent, given)) {
      feed.skipped.push({
        uid: findUid(given),
        reason: `event ${index}: ${wrong?.path || "it"} ${wrong?.message ?? "is not understood"}`,
      });
      continue;
    }
    addTo(feed, given.uid, () => readJsonEvent(given, timeZone));
  }
  return withoutTwins(feed, events.length);
}

function findUid(given: unknown): string | null {
  return typeof given === "object" &&
    given !== null &&
    "uid" in given &&
    typeof given.uid === "string" &&
    given.uid !== ""
    ? given.uid.slice(0, 500)
    : null;
}

function readEvents(text: string): unknown[] {
  try {
    const parsed: unknown = JSON.parse(text, clean);
    if (typeof parsed === "object" && parsed !== null && "events" in parsed && Array.isArray(parsed.events))
      return parsed.events;
  } catch {
    // told below
  }
  throw new Fault("invalid", 'Cannot read the feed: it is not JSON with a list "events"');
}

/** Texts as the database keeps them: whole characters, and none that nobody sees. */
function clean(_key: string, value: unknown): unknown {
  return typeof value === "string" ? value.toWellFormed().replace(/[^\P{Cc}\r\n\t]/gu, "") : value;
}

function readJsonEvent(given: JsonEvent, zone: string): FeedEvent {
  const { uid, title, text = {}, tags = [], cancelled = false } = given;
  const timeZone = given.timeZone ?? zone;
  if (!isTimeZone(timeZone)) throw new Fault("invalid", `the time zone "${timeZone}" is not known`);
  const startsAt = readTime(given.startsAt, timeZone);
  const endsAt = given.endsAt === undefined ? hourAfter(startsAt) : readTime(given.endsAt, timeZone);
  const wordsOf = (words: string | { ru?: string; en?: string }) =>
    typeof words === "string" ? toWords(words) : words;
  return finish({
    uid,
    title: wordsOf(title),
    text: wordsOf(text),
    place: toPlace(given.place, given.url),
    startsAt,
    endsAt,
    timeZone,
    rrule: given.rrule ?? null,
    cancelled,
    tags,
    exceptions: [],
  });
}

export const hourAfter = (time: Date) => new Date(time.getTime() + 3_600_000);

/** Adds what can be read, or why it cannot. */
export function addTo(feed: Feed, uid: string, read: () => FeedEvent): void {
  try {
    feed.events.push(read());
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    feed.skipped.push({ uid, reason: error.message });
  }
}

/** Cuts what is too long, and refuses what makes no sense. */
export function finish(event: FeedEvent): FeedEvent {
  if (event.endsAt < event.startsAt) throw new Fault("invalid", "it ends before it begins");
  if (event.rrule !== null) readRule(event.rrule);
  if (event.exceptions.length > maxExceptions)
    throw new Fault("invalid", `it has more than ${maxExceptions} dates that are not as its rule has them`);
  const title = cut(event.title, titleCharacters);
  if (title.ru === undefined && title.en === undefined) throw new Fault("invalid", "it has no title");
  const tags = event.tags.map((tag) => tag.toLowerCase().trim().replace(/\s+/g, "-"));
  return {
    ...event,
    title,
    text: cut(event.text, textCharacters),
    tags: [...new Set(tags)].filter((tag) => /^[a-zа-яё0-9][a-zа-яё0-9-]{0,31}$/.test(tag)).slice(0, maxTags),
  };
}

function cut({ ru, en }: { ru?: string; en?: string }, characters: number): { ru?: string; en?: string } {
  const short = (text: string) => [...text.slice(0, 2 * characters)].slice(0, characters).join("");
  return { ...(ru && { ru: short(ru) }), ...(en && { en: short(en) }) };
}

/** A text is in Russian when most of its letters are Cyrillic. */
export function toWords(text: string): { ru?: string; en?: string } {
  const [cyrillic, latin] = [text.match(/\p{Script=Cyrillic}/gu)?.length ?? 0, text.match(/[a-z]/gi)?.length ?? 0];
  return text === "" ? {} : cyrillic > latin ? { ru: text } : { en: text };
}

export function toPlace(place: string | undefined, url: string | undefined): Place {
  const text = place?.trim().slice(0, placeCharacters).toWellFormed() ?? "";
  const link = [text, url].find((one) => one !== undefined && /^https?:\/\/\S+$/.test(one) && one.length <= 2_000);
  if (text === "" || text === link) return { kind: "online", ...(link !== undefined && { url: link }) };
  return /^[\w-]+(\.[\w-]+)+:\d{1,5}$/.test(text)
    ? { kind: "server", address: text }
    : { kind: "physical", address: text };
}

/** Of events with one UID the last counts; what is beyond the limit is said to be left out. */
export function withoutTwins({ events, skipped }: Feed, all: number): Feed {
  const left =
    all > maxFeedEvents ? [{ uid: null, reason: `only the first ${maxFeedEvents} of ${all} events are read` }] : [];
  return { events: [...new Map(events.map((event) => [event.uid, event])).values()], skipped: [...skipped, ...left] };
}
