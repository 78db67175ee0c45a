import type { Reader } from "./blob.ts";
import type { EventState, EventVisibility, Place, Words } from "./event.ts";
import { type Db, many } from "./query.ts";

export type Found = { eventId: string; occurrenceId: string; startsAt: Date; rank: number };

/** Where a page ended: of an order by time its start, of one by relevance its rank. */
export type Position = { startsAt: string; rank: number; id: string };

/** Instants as PostgreSQL takes them, "-infinity" and "infinity" too. */
type Range = { reader: Reader; from: string; to: string; hasSeats: boolean; after: Position; limit: number };

/** What narrows a search so far that it is looked up, and not met on the way through time. */
export type Narrow = {
  /** As to be understood by websearch_to_tsquery. */
  query: string | null;
  /** Its words, for titles that are spelled nearly so; null: none. */
  spelled: string[] | null;
  organizationId: string | null;
  packId: string | null;
  tag: string | null;
  mine: "true" | "organizing" | "registered" | null;
};

// $1 and $2 are the reader: id, roles. $3 and $4 are from and to, $5 is whether seats must be left. Occurrences that are under way
// at $3 count, and so does one that begins then and takes no time.
//
// The planner cannot know how far it has to walk, and would rather sort everything: `offset 0`, the scalar subqueries and `case`
// (which it does not take for a filter that leaves little) make it look up each event on the way. Who may see an event is event.can_read; for public ones, which are most, its first lines are
// repeated, since calling it takes longer than everything else. A test compares the two.
const readable = `case when e.visibility = 'public'
    then e.deleted_at is null and (e.organization_id is not null or (select u.deleted_at is null from account."user" u where u.id = e.owner_id))
    else event.can_read(e, $1, $2) end`;
const listed = `cross join lateral (select e.id from event.event e where e.id = o.event_id and e.state = 'published' and e.deleted_at is null
    and e.visibility <> 'unlisted' and ${readable} offset 0) e`;
const inRange = `p.event_id = o.event_id and p.cancelled_at is null and (p.ends_at > $3 or p.starts_at >= $3) and p.starts_at < $4
    and (not $5 or p.capacity is null or (p.taken < p.capacity and p.waiting = 0))`;
const first = `case when o.id = (select p.id from event.occurrence p where ${inRange} order by p.starts_at, p.id limit 1) then true end`;
const last = `case when o.id = (select p.id from event.occurrence p where ${inRange} order by p.starts_at desc, p.id desc limit 1) then true end`;
const underWay = `under_way as materialized (select * from event.occurrence o where tstzrange(o.starts_at, o.ends_at) @> $3::timestamptz)`;
const key = `o.event_id as "eventId", o.id as "occurrenceId", o.starts_at as "startsAt", 0 as rank`;

/** Events that everybody or this reader may find, by the start of their first occurrence in the range. */
export function listNextEvents(db: Db, { reader, from, to, hasSeats, after, limit }: Range): Promise<Found[]> {
  return many<Found>(db, {
    name: "event_list_next",
    text: `with ${underWay}
      select * from (
        (select ${key} from under_way o ${listed} where o.starts_at < $3 and o.starts_at < $4 and (o.starts_at, o.event_id) > ($6, $7) and ${first}
          order by o.starts_at, o.event_id limit $8)
        union all
        (select ${key} from event.occurrence o ${listed} where o.starts_at >= $3 and o.starts_at < $4 and (o.starts_at, o.event_id) > ($6::timestamptz, $7::uuid) and ${first}
          order by o.starts_at, o.event_id limit $8)) both_kinds
      order by "startsAt", "eventId" limit $8`,
    values: [reader.userId, reader.roles, from, to, hasSeats, after.startsAt, after.id, limit],
  });
}

/** The same backwards, by the start of their last occurrence in the range. */
export function listLastEvents(db: Db, { reader, from, to, hasSeats, after, limit }: Range): Promise<Found[]> {
  return many<Found>(db, {
    name: "event_list_last",
    text: `with ${underWay}
      select * from (
        (select ${key} from event.occurrence o ${listed} where o.starts_at >= $3 and o.starts_at < $4 and (o.starts_at, o.event_id) < ($6::timestamptz, $7::uuid) and ${last}
          order by o.starts_at desc, o.event_id desc limit $8)
        union all
        (select ${key} from under_way o ${listed} where o.starts_at < $3 and o.starts_at < $4 and (o.starts_at, o.event_id) < ($6, $7) and ${last}
          order by o.starts_at desc, o.event_id desc limit $8)) both_kinds
      order by "startsAt" desc, "eventId" desc limit $8`,
    values: [reader.userId, reader.roles, from, to, hasSeats, after.startsAt, after.id, limit],
  });
}

// $9 to $14 are the query, its words as spelled, organization, pack, tag, and which of the reader's own. What narrows most comes
// first; a branch that is not taken costs nothing.
const candidates = `candidates as (
    select s.id, s.rank from event.search(websearch_to_tsquery('russian', $9::text), string_to_array(event.spell(array_to_string($10::text[], ' ')), ' ')) s where $9 is not null
    union select e.id, 0 from event.event e where $9 is null and e.organization_id = $11::uuid
    union select e.id, 0 from event.event e where $9 is null and $11 is null and e.pack_id = $12::uuid
    union select e.id, 0 from event.event e where $9 is null and $11 is null and $12 is null and e.tags @> array[$13::text]
    union select e.id, 0 from event.event e where $9 is null and $11 is null and $12 is null and $13 is null
      and $14::text in ('true', 'organizing') and e.owner_id = $1
    union select e.id, 0 from organization.member m join event.event e on e.organization_id = m.organization_id
      where $9 is null and $11 is null and $12 is null and $13 is null and $14 in ('true', 'organizing') and m.user_id = $1 and m.role <> 'member'
    union select o.event_id, 0 from event.registration r join event.occurrence o on o.id = r.occurrence_id
      where $9 is null and $11 is null and $12 is null and $13 is null and $14 in ('true', 'registered') and r.user_id = $1)`;
const own = `($14 in ('true', 'organizing') and (e.organization_id is null and e.owner_id = $1
      or exists (select from organization.member m where m.organization_id = e.organization_id and m.user_id = $1 and m.role <> 'member'))
    or $14 in ('true', 'registered') and exists (select from event.occurrence x join event.registration r on r.occurrence_id = x.id
      where x.event_id = e.id and r.user_id = $1 and r.state not in ('declined', 'cancelled')))`;
const wanted = `cross join lateral (select e.id from event.event e where e.id = o.event_id and e.deleted_at is null
    and ($11::uuid is null or e.organization_id = $11) and ($12::uuid is null or e.pack_id = $12) and ($13::text is null or e.tags @> array[$13])
    and case when $14 is null then e.state = 'published' and e.visibility <> 'unlisted' and ${readable}
      else ${own} and event.can_read(e, $1, $2) end offset 0) e`;
const inOwnRange = `p.event_id = o.event_id and (p.cancelled_at is null or $14 is not null) and (p.ends_at > $3 or p.starts_at >= $3) and p.starts_at < $4
    and (not $5 or p.capacity is null or (p.taken < p.capacity and p.waiting = 0))`;

type Search = Range & Narrow;
const toValues = ({ reader, from, to, hasSeats, after, limit, ...narrow }: Search, order: string | number) => [
  reader.userId,
  reader.roles,
  from,
  to,
  hasSeats,
  order,
  after.id,
  limit,
  narrow.query,
  narrow.spelled,
  narrow.organizationId,
  narrow.packId,
  narrow.tag,
  narrow.mine,
];

/** Events that fit, those that fit best first; of equals the newest. Each with its first occurrence in the range. */
export function searchEvents(db: Db, search: Search): Promise<Found[]> {
  return many<Found>(db, {
    name: "event_search",
    text: `with ${candidates}
      select o.event_id as "eventId", p.id as "occurrenceId", p.starts_at as "startsAt", o.rank
        from (select c.id as event_id, c.rank from candidates c where (c.rank, c.id) < ($6::real, $7::uuid)
          order by c.rank desc, c.id desc offset 0) o
        ${wanted}
        cross join lateral (select p.id, p.starts_at from event.occurrence p where ${inOwnRange} order by p.starts_at, p.id limit 1) p
      order by o.rank desc, o.event_id desc limit $8`,
    values: toValues(search, search.after.rank),
  });
}

/** The same by time: each with its first occurrence in the range, or backwards with its last. */
export function searchEventsByTime(db: Db, search: Search & { backwards: boolean }): Promise<Found[]> {
  return many<Found>(db, {
    name: "event_search_by_time",
    text: `with ${candidates}
      select o.event_id as "eventId", p.id as "occurrenceId", p.starts_at as "startsAt", 0 as rank
        from (select c.id as event_id from candidates c offset 0) o
        ${wanted}
        cross join lateral (select p.id, p.starts_at from event.occurrence p where ${inOwnRange}
          order by case when $15 then p.starts_at end desc, case when not $15 then p.starts_at end, p.id limit 1) p
      where case when $15::boolean then (p.starts_at, o.event_id) < ($6::timestamptz, $7::uuid) else (p.starts_at, o.event_id) > ($6, $7) end
      order by case when $15 then p.starts_at end desc, case when not $15 then p.starts_at end, case when $15 then o.event_id end desc, o.event_id
      limit $8`,
    values: [...toValues(search, search.after.startsAt), search.backwards],
  });
}

export type ListedRow = {
  id: string;
  slug: string;
  state: EventState;
  title: Words;
  place: Place;
  timeZone: string;
  rrule: string | null;
  visibility: EventVisibility;
  tags: string[];
  packSlug: string | null;
  packName: string | null;
  organizationSlug: string | null;
  organizationName: string | null;
  organizerLogin: string | null;
};

/** What a list shows of events that were found. */
export function listFoundEvents(db: Db, { ids, reader }: { ids: string[]; reader: Reader }): Promise<ListedRow[]> {
  return many<ListedRow>(db, {
    name: "event_list_found",
    text: `select e.id, e.slug, e.state, e.title, e.place, e.time_zone as "timeZone", e.rrule, e.visibility, e.tags, p.slug as "packSlug", p.name as "packName",
        o.slug as "organizationSlug", o.name as "organizationName", u.login as "organizerLogin"
      from event.event e
        left join organization.organization o on o.id = e.organization_id and organization.can_read(o, $2, $3)
        left join account."user" u on u.id = e.owner_id and e.organization_id is null and u.deleted_at is null and u.disabled_at is null
        left join pack.pack p on p.id = e.pack_id and pack.can_read(p, $2, $3)
      where e.id = any ($1::uuid[])`,
    values: [ids, reader.userId, reader.roles],
  });
}
