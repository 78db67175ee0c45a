import type { Feed, FeedEvent } from "./feed.ts";

/** An event that a source has brought, as it is here. */
export type Known = {
  uid: string;
  state: "draft" | "published" | "cancelled";
  deleted: boolean;
  edited: string[];
  said: Record<string, unknown>;
  endsLastAt: Date | null;
};

type Step<Row> =
  | { act: "add"; event: FeedEvent }
  | { act: "change"; event: FeedEvent; known: Row; fields: string[]; kept: string[] }
  | { act: "cancel"; known: Row; reason: "cancelled" | "vanished" };

/** What a sync will do, and what it will not although the feed asks for it. */
export type Plan<Row> = { steps: Step<Row>[]; unchanged: number; problem: string | null };

/** Fields that are told together: of a time that was changed by hand nothing is taken over. */
const times = ["startsAt", "endsAt", "timeZone", "rrule", "exceptions"];
const longAgoMs = 31 * 24 * 3_600_000;

/** What a feed says of an event, as it is kept to be compared with what it says next time. */
export function toSaid({ uid: _, ...event }: FeedEvent): Record<string, unknown> {
  const said: Record<string, unknown> = JSON.parse(JSON.stringify(event));
  return said;
}

/**
 * Compares a feed with what it has brought before. A field is taken over when the feed says something else than last time and
 * nobody has changed it by hand. Events that are no longer in the feed are cancelled when they are still to come, but never
 * because of an empty feed, nor when more than half of them are missing, nor when something in it could not even be named;
 * what is in the feed and could not be read has not vanished. Nothing is ever deleted.
 */
export function planSync<Row extends Known>({
  events,
  skipped,
  known,
  now,
}: Feed & { known: Row[]; now: Date }): Plan<Row> {
  const byUid = new Map(known.map((row) => [row.uid, row]));
  const plan: Plan<Row> = { steps: [], unchanged: 0, problem: null };
  for (const event of events) {
    const row = byUid.get(event.uid);
    if (!row) {
      const isOver = event.rrule === null && event.endsAt.getTime() < now.getTime() - longAgoMs;
      if (!event.cancelled && !isOver) plan.steps.push({ act: "add", event });
      continue;
    }
    // One that a sync has cancelled was told of nothing since; what people called off stays so.
    const stays = row.state === "cancelled" && (event.cancelled || Object.keys(row.said).length > 0);
    const step = row.deleted || stays ? undefined : compare(event, row);
    if (step) plan.steps.push(step);
    else plan.unchanged += 1;
  }
  const said = new Set([...events, ...skipped].map(({ uid }) => uid));
  const coming = known.filter(
    ({ deleted, state, endsLastAt }) => !deleted && state === "published" && (endsLastAt === null || endsLastAt > now),
  );
  const vanished = coming.filter(({ uid }) => !said.has(uid));
  if (vanished.length === 0) return plan;
  if (skipped.some(({ uid }) => uid === null))
    return { ...plan, problem: "Not all of the feed was read: events that are missing were left as they are" };
  if (events.length === 0) return { ...plan, problem: "The feed is empty: its events were left as they are" };
  if (vanished.length > 1 && vanished.length * 2 > coming.length)
    return {
      ...plan,
      problem: `${vanished.length} of ${coming.length} events are missing in the feed: they were left as they are`,
    };
  plan.steps.push(...vanished.map((row): Step<Row> => ({ act: "cancel", known: row, reason: "vanished" })));
  return plan;
}

function compare<Row extends Known>(event: FeedEvent, known: Row): Step<Row> | undefined {
  if (event.cancelled) return { act: "cancel", known, reason: "cancelled" };
  const said = toSaid(event);
  const changed = Object.keys(said).filter((field) => !Bun.deepEquals(said[field], known.said[field]));
  const timesByHand = times.some((field) => known.edited.includes(field));
  const isByHand = (field: string) => (times.includes(field) ? timesByHand : known.edited.includes(field));
  if (changed.length === 0) return undefined;
  return {
    act: "change",
    event,
    known,
    fields: changed.filter((field) => !isByHand(field)),
    kept: changed.filter(isByHand),
  };
}
