import type { CalendarRow } from "../calendar-entry.ts";
import type { Reader } from "./blob.ts";
import { type Db, many, one, run } from "./query.ts";

const columns = `e.id, e.slug, e.title, e.text, e.place, e.tags, e.starts_at as "startsAt", e.ends_at as "endsAt", e.time_zone as "timeZone", e.rrule, e.sequence,
  case e.state when 'cancelled' then 'CANCELLED' when 'draft' then 'TENTATIVE' else 'CONFIRMED' end as status, e.created_at as "createdAt", e.updated_at as "updatedAt",
  coalesce((select jsonb_agg(jsonb_build_object('recursAt', o.recurs_at, 'startsAt', o.starts_at, 'endsAt', o.ends_at, 'cancelled', o.cancelled_at is not null) order by o.recurs_at)
    from event.occurrence o where o.event_id = e.id and o.edited and e.rrule is not null), '[]') as exceptions`;

/** An event that the reader may see, with the dates that are not as its rule has them. */
export function findCalendarEvent(
  db: Db,
  { slug, reader }: { slug: string; reader: Reader },
): Promise<CalendarRow | undefined> {
  return one<CalendarRow>(db, {
    name: "calendar_find_event",
    text: `select ${columns}
      from event.event e where e.slug = $1 and event.can_read(e, $2, $3)`,
    values: [slug, reader.userId, reader.roles],
  });
}

/** Events of an organization that anybody may see, not over for more than 90 days: the last `limit` of them. */
export function listCalendarEvents(
  db: Db,
  { organization, limit }: { organization: string; limit: number },
): Promise<CalendarRow[]> {
  return many<CalendarRow>(db, {
    name: "calendar_list_events",
    text: `select ${columns}
      from event.event e join organization.organization g on g.id = e.organization_id
      where g.slug = $1 and organization.can_read(g, null, '{}') and event.can_read(e, null, '{}') and e.visibility = 'public'
        and (e.ends_last_at is null or e.ends_last_at > now() - interval '90 days')
      order by e.starts_at desc, e.id limit $2`,
    values: [organization, limit],
  });
}

/** What somebody takes part in, date by date; what he gave up or was cancelled stays for 90 days, as cancelled. */
export function listCalendarRegistrations(
  db: Db,
  {
    userId,
    occurrenceId,
    eventId,
    limit,
  }: { userId: string; occurrenceId: string | null; eventId: string | null; limit: number },
): Promise<CalendarRow[]> {
  return many<CalendarRow>(db, {
    name: "calendar_list_registrations",
    text: `select o.id, e.slug, e.title, e.text, e.place, e.tags, o.starts_at as "startsAt", o.ends_at as "endsAt", e.time_zone as "timeZone", null as rrule,
        e.sequence + r.revision as sequence,
        case when e.state = 'cancelled' or o.cancelled_at is not null or r.state in ('cancelled', 'declined') then 'CANCELLED'
          when r.state in ('pending', 'waitlisted', 'offered') then 'TENTATIVE' else 'CONFIRMED' end as status,
        r.created_at as "createdAt", greatest(e.updated_at, r.updated_at) as "updatedAt", '[]'::jsonb as exceptions
      from event.registration r join event.occurrence o on o.id = r.occurrence_id join event.event e on e.id = o.event_id
      join account."user" u on u.id = r.user_id
      where r.user_id = $1 and u.deleted_at is null and ($2::uuid is null or o.id = $2) and ($4::uuid is null or e.id = $4) and o.ends_at > now() - interval '90 days'
        and (e.deleted_at is null or r.state <> 'cancelled')
      order by r.id desc limit $3`,
    values: [userId, occurrenceId, limit, eventId],
  });
}

/** Makes the secret address of somebody's calendar; one that he had is ended. */
export function replaceCalendar(db: Db, { userId, tokenHash }: { userId: string; tokenHash: string }): Promise<number> {
  return run(db, {
    name: "calendar_replace",
    text: `insert into event.calendar (user_id, token_hash) values ($1, $2)
      on conflict (user_id) do update set token_hash = excluded.token_hash, created_at = now(), used_at = null`,
    values: [userId, tokenHash],
  });
}

export function deleteCalendar(db: Db, userId: string): Promise<number> {
  return run(db, {
    name: "calendar_delete",
    text: `delete from event.calendar where user_id = $1`,
    values: [userId],
  });
}

/** Whether somebody has a calendar's address, and when it was last fetched. */
export function findCalendar(db: Db, userId: string): Promise<{ createdAt: Date; usedAt: Date | null } | undefined> {
  return one(db, {
    name: "calendar_find",
    text: `select created_at as "createdAt", used_at as "usedAt" from event.calendar where user_id = $1`,
    values: [userId],
  });
}

/** Whose calendar a token opens, and in which language; the use is noted once an hour. */
export async function useCalendar(db: Db, tokenHash: string): Promise<{ userId: string; locale: string } | undefined> {
  await run(db, {
    name: "calendar_use",
    text: `update event.calendar set used_at = now() where token_hash = $1 and (used_at is null or used_at < now() - interval '1 hour')`,
    values: [tokenHash],
  });
  return one(db, {
    name: "calendar_find_user",
    text: `select u.id as "userId", u.locale from event.calendar c join account."user" u on u.id = c.user_id
      where c.token_hash = $1 and u.deleted_at is null and u.disabled_at is null`,
    values: [tokenHash],
  });
}
