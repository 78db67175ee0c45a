import type { NamedNotification } from "../notification-words.ts";
import { type Db, many, one } from "./query.ts";

// One text for all statements: what a notification says is looked up whenever it is read, and only of what may be told.
const columns = `n.id, n.user_id as "userId", n.kind, n.reason, n.critical, n.fields, n.read_at as "readAt", n.created_at as "createdAt",
  jsonb_strip_nulls(jsonb_build_object('packId', n.pack_id, 'versionId', n.version_id, 'eventId', n.event_id, 'occurrenceId', n.occurrence_id,
    'registrationId', n.registration_id, 'organizationId', n.organization_id, 'subjectId', n.subject_id)) as subject,
  p.slug as "packSlug", p.name as "packName", v.version, e.slug as "eventSlug", e.title as "eventTitle",
  coalesce(c.starts_at, e.starts_at) as "startsAt", r.offered_until as "offeredUntil",
  coalesce(o.slug, own.slug) as "organizationSlug", coalesce(o.name, own.name) as "organizationName", nullif(coalesce(nullif(w.display_name, ''), w.login), '') as person,
  case n.kind when 'event.cancelled' then e.cancelled_reason
    when 'registration.declined' then x.note when 'registration.cancelled' then x.note
    when 'report.filed' then f.subject_kind || ' ' || f.subject || ': ' || f.reason when 'report.answered' then f.answer end as note`;
const joins = `left join pack.pack p on p.id = n.pack_id
  left join pack.version v on v.id = n.version_id
  left join event.event e on e.id = n.event_id
  left join event.occurrence c on c.id = n.occurrence_id
  left join event.registration r on r.id = n.registration_id
  left join lateral (select x.note from event.registration_change x where x.registration_id = n.registration_id order by x.created_at desc limit 1) x on true
  left join organization.organization o on o.id = n.organization_id
  left join organization.organization own on own.id = coalesce(p.organization_id, e.organization_id)
  left join community.report f on f.id = n.subject_id
  left join account."user" w on w.deleted_at is null and w.id = case n.kind when 'registration.to-approve' then r.user_id when 'organization.member-joined' then n.subject_id end`;

/** A person's inbox, newest first: only what he may still be told. */
export function listInbox(
  db: Db,
  { userId, before, unread, limit }: { userId: string; before: string | null; unread: boolean; limit: number },
): Promise<NamedNotification[]> {
  return many<NamedNotification>(db, {
    name: "inbox_list",
    text: `select ${columns} from notification.notification n join account."user" u on u.id = n.user_id ${joins}
      where n.user_id = $1 and n.shown and ($2::uuid is null or n.id < $2) and (not $3 or n.read_at is null) and notification.may_tell(n, u)
      order by n.id desc limit $4`,
    values: [userId, before, unread, limit],
  });
}

/** What came into an inbox at or after an id, oldest first. */
export function listNewInbox(
  db: Db,
  { userId, from, limit }: { userId: string; from: string; limit: number },
): Promise<NamedNotification[]> {
  return many<NamedNotification>(db, {
    name: "inbox_list_new",
    text: `select ${columns} from notification.notification n join account."user" u on u.id = n.user_id ${joins}
      where n.user_id = $1 and n.shown and n.id >= $2 and notification.may_tell(n, u) order by n.id limit $3`,
    values: [userId, from, limit],
  });
}

/** Some notifications of one person as they may be told to him now, oldest first. */
export function listTellable(db: Db, { userId, ids }: { userId: string; ids: string[] }): Promise<NamedNotification[]> {
  return many<NamedNotification>(db, {
    name: "notification_list_tellable",
    text: `select ${columns} from notification.notification n join account."user" u on u.id = n.user_id ${joins}
      where n.id = any ($2::uuid[]) and n.user_id = $1 and notification.may_tell(n, u) order by n.id`,
    values: [userId, ids],
  });
}

/** The same of a webhook of an organization or a pack: what is its own. */
export function findTellableTo(
  db: Db,
  { id, organizationId, packId }: { id: string; organizationId: string | null; packId: string | null },
): Promise<NamedNotification | undefined> {
  return one<NamedNotification>(db, {
    name: "notification_find_for_thing",
    text: `select ${columns} from notification.notification n ${joins}
      where n.id = $1 and (n.reason = 'asked' or notification.may_tell_organization(n, $2) or (n.pack_id = $3 and p.deleted_at is null))`,
    values: [id, organizationId, packId],
  });
}
