import type { Times } from "../plan-occurrences.ts";
import type { Reader } from "./blob.ts";
import { type Db, many, one, run } from "./query.ts";

export type OccurrenceRow = {
  id: string;
  eventId: string;
  recursAt: Date;
  startsAt: Date;
  endsAt: Date;
  capacity: number | null;
  taken: number;
  waiting: number;
  edited: boolean;
  cancelledAt: Date | null;
};

const columns = `o.id, o.event_id as "eventId", o.recurs_at as "recursAt", o.starts_at as "startsAt", o.ends_at as "endsAt", o.capacity, o.taken, o.waiting,
  o.edited, o.cancelled_at as "cancelledAt"`;

/** Everything that an event's change touches, locked until the transaction ends: seats wait. */
export function lockOccurrences(tx: Db, eventId: string): Promise<OccurrenceRow[]> {
  return many<OccurrenceRow>(tx, {
    name: "occurrence_lock_all",
    text: `select ${columns} from event.occurrence o where o.event_id = $1 order by o.id for no key update`,
    values: [eventId],
  });
}

/** One of an event's, locked until the transaction ends. */
export function lockOccurrence(
  tx: Db,
  { id, eventId }: { id: string; eventId: string },
): Promise<OccurrenceRow | undefined> {
  return one<OccurrenceRow>(tx, {
    name: "occurrence_lock",
    text: `select ${columns} from event.occurrence o where o.id = $1 and o.event_id = $2 for no key update`,
    values: [id, eventId],
  });
}

type Page = {
  eventId: string;
  from: Date | string | null;
  to: Date | string | null;
  after: [startsAt: string, id: string] | null;
  limit: number;
};

/** Occurrences of an event that are not over at `from` and begin before `to`, in order. */
export function listOccurrences(db: Db, { eventId, from, to, after, limit }: Page): Promise<OccurrenceRow[]> {
  return many<OccurrenceRow>(db, {
    name: "occurrence_list",
    text: `select ${columns} from event.occurrence o where o.event_id = $1 and ($2::timestamptz is null or o.ends_at > $2)
      and ($3::timestamptz is null or o.starts_at < $3) and ($4::timestamptz is null or (o.starts_at, o.id) > ($4, $5::uuid))
      order by o.starts_at, o.id limit $6`,
    values: [eventId, from, to, after?.[0] ?? null, after?.[1] ?? null, limit],
  });
}

export function listOccurrencesByIds(db: Db, ids: string[]): Promise<OccurrenceRow[]> {
  return many<OccurrenceRow>(db, {
    name: "occurrence_list_by_ids",
    text: `select ${columns} from event.occurrence o where o.id = any ($1::uuid[])`,
    values: [ids],
  });
}

export function insertOccurrences(
  tx: Db,
  { eventId, capacity, times }: { eventId: string; capacity: number | null; times: Times[] },
): Promise<number> {
  return run(tx, {
    name: "occurrence_insert",
    text: `insert into event.occurrence (id, event_id, recurs_at, starts_at, ends_at, capacity)
      select id, $1, recurs_at, starts_at, ends_at, $2 from unnest($3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
        as fresh (id, recurs_at, starts_at, ends_at)`,
    values: [
      eventId,
      capacity,
      times.map(() => Bun.randomUUIDv7()),
      times.map(({ recursAt }) => recursAt),
      times.map(({ startsAt }) => startsAt),
      times.map(({ endsAt }) => endsAt),
    ],
  });
}

/** Moves occurrences all at once; those of them that were cancelled because the rule had left them out take place again. */
export function moveOccurrences(tx: Db, moved: (Times & { id: string; revived: boolean })[]): Promise<number> {
  return run(tx, {
    name: "occurrence_move",
    text: `update event.occurrence o set recurs_at = m.recurs_at, starts_at = m.starts_at, ends_at = m.ends_at,
        cancelled_at = case when m.revived then null else o.cancelled_at end
      from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::boolean[]) as m (id, recurs_at, starts_at, ends_at, revived)
      where o.id = m.id`,
    values: [
      moved.map(({ id }) => id),
      moved.map(({ recursAt }) => recursAt),
      moved.map(({ startsAt }) => startsAt),
      moved.map(({ endsAt }) => endsAt),
      moved.map(({ revived }) => revived),
    ],
  });
}

/** Removes occurrences that nobody ever registered for, and cancels the others; answers with those that were cancelled now. */
export async function dropOccurrences(tx: Db, dropped: { id: string; recursAt: Date }[]): Promise<string[]> {
  const ids = dropped.map(({ id }) => id);
  await run(tx, {
    name: "occurrence_delete_unused",
    text: `delete from event.occurrence o where o.id = any ($1::uuid[]) and not exists (select from event.registration r where r.occurrence_id = o.id)`,
    values: [ids],
  });
  const kept = await many<{ id: string; already: boolean }>(tx, {
    name: "occurrence_cancel",
    text: `update event.occurrence o set recurs_at = d.recurs_at, cancelled_at = coalesce(o.cancelled_at, now())
      from unnest($1::uuid[], $2::timestamptz[]) as d (id, recurs_at) where o.id = d.id
      returning o.id, o.cancelled_at < now() as already`,
    values: [ids, dropped.map(({ recursAt }) => recursAt)],
  });
  return kept.filter(({ already }) => !already).map(({ id }) => id);
}

type Exception = { id: string; startsAt: Date; endsAt: Date; cancelled: boolean };

/** Makes an occurrence an exception of its series: from now on the event's own times and capacity do not reach it. */
export function updateOccurrence(tx: Db, { id, startsAt, endsAt, cancelled }: Exception): Promise<number> {
  return run(tx, {
    name: "occurrence_update",
    text: `update event.occurrence set starts_at = $2, ends_at = $3, edited = true,
      cancelled_at = case when $4 then coalesce(cancelled_at, now()) end where id = $1`,
    values: [id, startsAt, endsAt, cancelled],
  });
}

/** Makes exceptions dates of their series again, by the starts that its rule gives them: times and capacity are to be settled after it. */
export function releaseOccurrences(
  tx: Db,
  { eventId, recursAt }: { eventId: string; recursAt: Date[] },
): Promise<number> {
  return run(tx, {
    name: "occurrence_release",
    text: `update event.occurrence set edited = false, cancelled_at = null where event_id = $1 and edited and recurs_at = any ($2::timestamptz[])`,
    values: [eventId, recursAt],
  });
}

/** Gives a capacity to occurrences that nobody has registered for or waits for. */
export function updateFreeCapacities(
  tx: Db,
  { ids, capacity }: { ids: string[]; capacity: number | null },
): Promise<number> {
  return run(tx, {
    name: "occurrence_update_capacity",
    text: `update event.occurrence set capacity = $2 where id = any ($1::uuid[]) and taken = 0 and waiting = 0`,
    values: [ids, capacity],
  });
}

export type AvailabilityRow = {
  occurrenceId: string;
  capacity: number | null;
  taken: number;
  waiting: number;
  /** Whether one may register now, for a seat or to wait. */
  open: boolean;
  opensAt: Date | null;
  closesAt: Date;
  asOf: Date;
};

const availability = `o.id as "occurrenceId", o.capacity, o.taken, o.waiting, e.opens_at as "opensAt", clock_timestamp() as "asOf",
  o.starts_at - make_interval(secs => e.closes_before_seconds) as "closesAt",
  e.state = 'published' and o.cancelled_at is null and coalesce(e.opens_at <= clock_timestamp(), true)
    and o.starts_at - make_interval(secs => e.closes_before_seconds) > clock_timestamp() as open`;

/** How many seats of an occurrence are left, for those who may see its event. */
export function findAvailability(
  db: Db,
  { slug, id, reader }: { slug: string; id: string; reader: Reader },
): Promise<AvailabilityRow | undefined> {
  return one<AvailabilityRow>(db, {
    name: "occurrence_find_availability",
    text: `select ${availability} from event.occurrence o join event.event e on e.id = o.event_id
      where o.id = $1 and e.slug = $2 and event.can_read(e, $3, $4)`,
    values: [id, slug, reader.userId, reader.roles],
  });
}

/** The same of the next occurrence of an event, or of its last one when all are over. */
export function findNextAvailability(
  db: Db,
  { slug, reader }: { slug: string; reader: Reader },
): Promise<AvailabilityRow | undefined> {
  return one<AvailabilityRow>(db, {
    name: "occurrence_find_next_availability",
    text: `select ${availability} from event.event e join event.occurrence o on o.event_id = e.id where e.slug = $1 and event.can_read(e, $2, $3)
      order by (o.cancelled_at is null and o.ends_at > now()) desc, case when o.ends_at > now() then o.starts_at end, o.starts_at desc, o.id limit 1`,
    values: [slug, reader.userId, reader.roles],
  });
}
