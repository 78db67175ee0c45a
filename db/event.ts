import type { Reader } from "./blob.ts";
import { type Db, many, one, run } from "./query.ts";

export type Words = { ru?: string; en?: string };
export type EventVisibility = "public" | "unlisted" | "members";
export type EventState = "draft" | "published" | "cancelled";
export type Approval = "instant" | "hand" | "lottery";

export type Place =
  | { kind: "online"; url?: string }
  | { kind: "server"; address: string; name?: string }
  | { kind: "physical"; address: string; lat?: number; lon?: number };
export type Question = {
  id: string;
  label: Words;
  kind: "text" | "choice" | "boolean";
  required: boolean;
  options?: { id: string; label: Words }[];
};

/** What organizers say of an event. */
export type EventValues = Record<"title" | "text", Words> & {
  place: Place;
  startsAt: Date;
  endsAt: Date;
  timeZone: string;
  rrule: string | null;
  /** End of the last occurrence; null while there are more to come. */
  endsLastAt: Date | null;
  capacity: number | null;
  opensAt: Date | null;
  closesBeforeSeconds: number;
  approval: Approval;
  confirmByLink: boolean;
  offerSeconds: number;
  visibility: EventVisibility;
  packId: string | null;
  versionId: string | null;
  albumId: string | null;
  tags: string[];
  questions: Question[];
};

export type EventRow = EventValues & {
  id: string;
  slug: string;
  state: EventState;
  cancelledReason: string;
  sequence: number;
  revision: number;
  organizationId: string | null;
  organizationSlug: string | null;
  organizationName: string | null;
  /** Null while he is hidden, and of an organization's event. */
  organizerLogin: string | null;
  /** Of the pack, the version and the gallery what the reader may see. */
  packSlug: string | null;
  packName: string | null;
  versionName: string | null;
  shownAlbumId: string | null;
  sourceId: string | null;
  sourceName: string | null;
  edited: string[];
  createdAt: Date;
  updatedAt: Date;
  role: "organizer" | null;
};

/** An event that this reader may see. */
export function findEvent(db: Db, { slug, reader }: { slug: string; reader: Reader }): Promise<EventRow | undefined> {
  return one<EventRow>(db, {
    name: "event_find",
    text: `select e.id, e.slug, e.title, e.text, e.place, e.starts_at as "startsAt", e.ends_at as "endsAt", e.time_zone as "timeZone", e.rrule,
        e.ends_last_at as "endsLastAt", e.capacity, e.opens_at as "opensAt", e.closes_before_seconds as "closesBeforeSeconds", e.approval,
        e.confirm_by_link as "confirmByLink", e.offer_seconds as "offerSeconds", e.visibility, e.pack_id as "packId", e.version_id as "versionId",
        e.album_id as "albumId", e.tags, e.questions, e.state, e.cancelled_reason as "cancelledReason", e.sequence, e.revision,
        e.organization_id as "organizationId", e.source_id as "sourceId", e.edited, e.created_at as "createdAt", e.updated_at as "updatedAt",
        o.slug as "organizationSlug", o.name as "organizationName", u.login as "organizerLogin", s.name as "sourceName",
        p.slug as "packSlug", p.name as "packName", v.version as "versionName", a.id as "shownAlbumId", event.role_of(e, $2, $3) as role
      from event.event e
        left join organization.organization o on o.id = e.organization_id and organization.can_read(o, $2, $3)
        left join account."user" u on u.id = e.owner_id and e.organization_id is null and u.deleted_at is null and u.disabled_at is null
        left join event.source s on s.id = e.source_id
        left join pack.pack p on p.id = e.pack_id and pack.can_read(p, $2, $3)
        left join pack.version v on v.id = e.version_id and v.pack_id = p.id and v.state = 'published'
        left join image.album a on a.id = e.album_id and image.can_view_album(a, $2, $3, null)
      where e.slug = $1 and event.can_read(e, $2, $3)`,
    values: [slug, reader.userId, reader.roles],
  });
}

/** Slugs of these that are, or ever were, taken. */
export async function listTakenSlugs(db: Db, slugs: string[]): Promise<string[]> {
  const rows = await many<{ slug: string }>(db, {
    name: "event_list_taken_slugs",
    text: `select slug from event.event where slug = any ($1::text[])`,
    values: [slugs],
  });
  return rows.map(({ slug }) => slug);
}

type NewEvent = EventValues & {
  id: string;
  slug: string;
  ownerId: string;
  organizationId: string | null;
  state: "draft" | "published";
};

const toValues = (event: EventValues) => [
  JSON.stringify(event.title),
  JSON.stringify(event.text),
  JSON.stringify(event.place),
  event.startsAt,
  event.endsAt,
  event.timeZone,
  event.rrule,
  event.endsLastAt,
  event.capacity,
  event.opensAt,
  event.closesBeforeSeconds,
  event.approval,
  event.confirmByLink,
  event.offerSeconds,
  event.visibility,
  event.packId,
  event.versionId,
  event.albumId,
  event.tags,
  JSON.stringify(event.questions),
];

/** Throws a duplicate error when the slug is, or ever was, taken. */
export function insertEvent(tx: Db, event: NewEvent): Promise<number> {
  return run(tx, {
    name: "event_insert",
    text: `insert into event.event (title, text, place, starts_at, ends_at, time_zone, rrule, ends_last_at, capacity, opens_at, closes_before_seconds,
        approval, confirm_by_link, offer_seconds, visibility, pack_id, version_id, album_id, tags, questions, id, slug, owner_id, organization_id, state)
      values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)`,
    values: [...toValues(event), event.id, event.slug, event.ownerId, event.organizationId, event.state],
  });
}

type Change = {
  id: string;
  revision: number;
  values: EventValues;
  /** Whether people must hear of it (RFC 5545, 3.8.7.4). */
  raisesSequence: boolean;
  /** Fields that a source does not touch any more. */
  edited: string[];
};

/** Writes an event anew and locks it, when the revision is still that one. */
export function updateEvent(tx: Db, { id, revision, values, raisesSequence, edited }: Change): Promise<number> {
  return run(tx, {
    name: "event_update",
    text: `update event.event set title = $1, text = $2, place = $3, starts_at = $4, ends_at = $5, time_zone = $6, rrule = $7, ends_last_at = $8,
        capacity = $9, opens_at = $10, closes_before_seconds = $11, approval = $12, confirm_by_link = $13, offer_seconds = $14, visibility = $15,
        pack_id = $16, version_id = $17, album_id = $18, tags = $19, questions = $20, revision = revision + 1, updated_at = now(),
        sequence = sequence + case when $23 then 1 else 0 end,
        edited = case when source_id is null then edited else array(select distinct unnest(edited || $24::text[]) order by 1) end
      where id = $21 and revision = $22 and deleted_at is null`,
    values: [...toValues(values), id, revision, raisesSequence, edited],
  });
}

/** Gives an event to an organization, or to its new owner alone. */
export function updateEventOwner(
  tx: Db,
  { id, ownerId, organizationId }: { id: string; ownerId: string; organizationId: string | null },
): Promise<number> {
  return run(tx, {
    name: "event_update_owner",
    text: `update event.event set owner_id = $2, organization_id = $3 where id = $1`,
    values: [id, ownerId, organizationId],
  });
}

/** Notes that occurrences were changed by hand, and locks the event, when the revision is still that one; a source touches moved ones no more. */
export function touchEvent(
  tx: Db,
  { id, revision, raisesSequence }: Pick<Change, "id" | "revision" | "raisesSequence">,
): Promise<number> {
  return run(tx, {
    name: "event_touch",
    text: `update event.event set revision = revision + 1, updated_at = now(), sequence = sequence + case when $3 then 1 else 0 end,
        edited = case when $3 and source_id is not null then array(select distinct unnest(edited || 'exceptions'::text) order by 1) else edited end
      where id = $1 and revision = $2 and deleted_at is null`,
    values: [id, revision, raisesSequence],
  });
}

/** Shows a draft: 0 when it is none. */
export function publishEvent(tx: Db, id: string): Promise<number> {
  return run(tx, {
    name: "event_publish",
    text: `update event.event set state = 'published', revision = revision + 1, updated_at = now() where id = $1 and state = 'draft' and deleted_at is null`,
    values: [id],
  });
}

/** 0 when it is not published, or cancelled already. */
export function cancelEvent(tx: Db, { id, reason }: { id: string; reason: string }): Promise<number> {
  return run(tx, {
    name: "event_cancel",
    text: `update event.event set state = 'cancelled', cancelled_reason = $2, revision = revision + 1, sequence = sequence + 1, updated_at = now()
      where id = $1 and state = 'published' and deleted_at is null`,
    values: [id, reason],
  });
}

/** Has a cancelled event take place after all; the change that says so has raised its sequence. */
export function reviveEvent(tx: Db, id: string): Promise<number> {
  return run(tx, {
    name: "event_revive",
    text: `update event.event set state = 'published', cancelled_reason = '' where id = $1 and state = 'cancelled'`,
    values: [id],
  });
}

/** Hides an event for good; its slug stays taken. 0 when people would come to it: it is published and somebody is registered. */
export function markEventDeleted(tx: Db, id: string): Promise<number> {
  return run(tx, {
    name: "event_mark_deleted",
    text: `update event.event e set deleted_at = now(), revision = revision + 1, album_id = null where e.id = $1 and e.deleted_at is null
      and not (e.state = 'published' and exists (select from event.occurrence o join event.registration r on r.occurrence_id = o.id
        where o.event_id = e.id and o.ends_at > now() and o.cancelled_at is null and r.state in ('pending', 'confirmed', 'waitlisted', 'offered', 'checked-in')))`,
    values: [id],
  });
}
