import type { EventValues } from "./event.ts";
import { type Db, many, one, run } from "./query.ts";

export type SourceRow = {
  id: string;
  organizationId: string;
  url: string;
  format: "ics" | "json";
  name: string;
  timeZone: string;
  everySeconds: number;
  visibility: "public" | "unlisted" | "members";
  enabled: boolean;
  etag: string | null;
  lastModified: string | null;
  fetchedAt: Date | null;
  failures: number;
  problem: string | null;
  /** What the last sync did, and what it left out and why. */
  report: unknown;
  /** Of new events: who subscribed, or the organization's owner. Null when there is neither any more. */
  authorId: string | null;
  createdAt: Date;
  events: number;
};

const columns = `s.id, s.organization_id as "organizationId", s.url, s.format, s.name, s.time_zone as "timeZone", s.every_seconds as "everySeconds", s.visibility, s.enabled,
  s.etag, s.last_modified as "lastModified", s.fetched_at as "fetchedAt", s.failures, s.problem, s.report, s.created_at as "createdAt",
  coalesce(s.created_by, (select m.user_id from organization.member m where m.organization_id = s.organization_id and m.role = 'owner')) as "authorId",
  (select count(*) from event.event e where e.source_id = s.id and e.deleted_at is null)::integer as events`;

type NewSource = Pick<
  SourceRow,
  "id" | "organizationId" | "url" | "format" | "name" | "timeZone" | "everySeconds" | "visibility" | "enabled"
> & {
  createdBy: string;
  most: number;
};

/** Subscribes to a feed: 0 when the organization has too many. Throws a duplicate error for an address that it has. */
export function insertSource(tx: Db, source: NewSource): Promise<number> {
  return run(tx, {
    name: "source_insert",
    text: `insert into event.source (id, organization_id, url, format, name, time_zone, every_seconds, visibility, created_by, enabled)
      select $1, $2, $3, $4, $5, $6, $7, $8, $9, $11 where (select count(*) from event.source where organization_id = $2) < $10`,
    values: [
      source.id,
      source.organizationId,
      source.url,
      source.format,
      source.name,
      source.timeZone,
      source.everySeconds,
      source.visibility,
      source.createdBy,
      source.most,
      source.enabled,
    ],
  });
}

export function findSource(db: Db, id: string): Promise<SourceRow | undefined> {
  return one<SourceRow>(db, {
    name: "source_find",
    text: `select ${columns} from event.source s where s.id = $1`,
    values: [id],
  });
}

export function listSources(db: Db, organizationId: string): Promise<SourceRow[]> {
  return many<SourceRow>(db, {
    name: "source_list",
    text: `select ${columns} from event.source s where s.organization_id = $1 order by s.id`,
    values: [organizationId],
  });
}

type Change = {
  id: string;
  name: string | undefined;
  everySeconds: number | undefined;
  visibility: SourceRow["visibility"] | undefined;
  enabled: boolean | undefined;
};

export function updateSource(db: Db, { id, name, everySeconds, visibility, enabled }: Change): Promise<number> {
  return run(db, {
    name: "source_update",
    text: `update event.source set name = coalesce($2, name), every_seconds = coalesce($3, every_seconds), visibility = coalesce($4, visibility),
      enabled = coalesce($5, enabled), due_at = now(), failures = 0 where id = $1`,
    values: [id, name ?? null, everySeconds ?? null, visibility ?? null, enabled ?? null],
  });
}

/** Ends a subscription; the events that it brought stay, as the organization's own. */
export function deleteSource(tx: Db, id: string): Promise<number> {
  return run(tx, { name: "source_delete", text: `delete from event.source where id = $1`, values: [id] });
}

/** Sources that are due, of organizations that are there; each is due again after a while, whatever becomes of this time. */
export async function takeDueSources(tx: Db, limit: number): Promise<string[]> {
  const rows = await many<{ id: string }>(tx, {
    name: "source_take_due",
    text: `update event.source s set due_at = now() + make_interval(secs => s.every_seconds * least(24, power(2, least(s.failures, 5)))) where s.id in (
        select d.id from event.source d join organization.organization o on o.id = d.organization_id and o.deleted_at is null
          where d.enabled and d.due_at <= now() order by d.due_at limit $1 for update of d skip locked)
      returning s.id`,
    values: [limit],
  });
  return rows.map(({ id }) => id);
}

/** Locks a source until the transaction ends: one sync of it at a time changes events. Undefined when it was paused or ended. */
export function lockSource(tx: Db, id: string): Promise<{ id: string } | undefined> {
  return one(tx, {
    name: "source_lock",
    text: `select id from event.source where id = $1 and enabled for update`,
    values: [id],
  });
}

type Settled = { id: string; etag: string | null; lastModified: string | null; report: unknown };

/** A feed was understood, and its events are here. */
export function settleSource(tx: Db, { id, etag, lastModified, report }: Settled): Promise<number> {
  return run(tx, {
    name: "source_settle",
    text: `update event.source set etag = $2, last_modified = $3, report = coalesce($4, report), fetched_at = now(), failures = 0, problem = null where id = $1`,
    values: [id, etag, lastModified, report === undefined ? null : JSON.stringify(report)],
  });
}

/** A feed could not be had, or not be understood: nothing is changed but what is said of it. */
export function failSource(db: Db, { id, problem }: { id: string; problem: string }): Promise<number> {
  return run(db, {
    name: "source_fail",
    text: `update event.source set failures = failures + 1, problem = $2 where id = $1`,
    values: [id, problem],
  });
}

export type SourcedEvent = EventValues & {
  id: string;
  slug: string;
  uid: string;
  revision: number;
  state: "draft" | "published" | "cancelled";
  /** Fields that were changed by hand. */
  edited: string[];
  /** What the source said last, field by field. */
  said: Record<string, unknown>;
  deleted: boolean;
};

/** Events that a source has brought, deleted ones too: these do not come back. */
export function listSourcedEvents(db: Db, sourceId: string): Promise<SourcedEvent[]> {
  return many<SourcedEvent>(db, {
    name: "source_list_events",
    text: `select id, slug, source_uid as uid, revision, state, edited, coalesce(source_values, '{}') as said, deleted_at is not null as deleted,
        title, text, place, starts_at as "startsAt", ends_at as "endsAt", time_zone as "timeZone", rrule, ends_last_at as "endsLastAt", capacity,
        opens_at as "opensAt", closes_before_seconds as "closesBeforeSeconds", approval, confirm_by_link as "confirmByLink", offer_seconds as "offerSeconds",
        visibility, pack_id as "packId", version_id as "versionId", album_id as "albumId", tags, questions
      from event.event where source_id = $1 order by id`,
    values: [sourceId],
  });
}

/** Notes where an event comes from, and what its source says of it. */
export function setSource(
  tx: Db,
  { id, sourceId, uid, said }: { id: string; sourceId: string; uid: string; said: Record<string, unknown> },
): Promise<number> {
  return run(tx, {
    name: "source_set",
    text: `update event.event set source_id = $2, source_uid = $3, source_values = $4 where id = $1`,
    values: [id, sourceId, uid, JSON.stringify(said)],
  });
}
