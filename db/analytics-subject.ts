import type { Reader } from "./blob.ts";
import { type Db, many, one } from "./query.ts";

export const subjectKinds = ["pack", "event", "organization", "user"] as const;
export type SubjectKind = (typeof subjectKinds)[number];

/** Whom or what is asked about. `isMine`: the reader runs it. */
export type SubjectRow = { id: string; kind: SubjectKind; name: string; isVisible: boolean; isMine: boolean };

/** A subject by its slug or login, shown or not. */
export function findSubject(
  db: Db,
  { kind, name, reader }: { kind: string; name: string; reader: Reader },
): Promise<SubjectRow | undefined> {
  return one<SubjectRow>(db, {
    name: "analytics_find_subject",
    text: `select p.id, 'pack' as kind, p.slug as name, pack.can_read(p, $1, $2) as "isVisible", coalesce(pack.role_of(p, $1, $2) in ('owner', 'maintainer'), false) as "isMine"
        from pack.pack p where $3 = 'pack' and p.slug = $4 and p.deleted_at is null
      union all select e.id, 'event', e.slug, event.can_read(e, $1, $2), event.role_of(e, $1, $2) is not null
        from event.event e where $3 = 'event' and e.slug = $4 and e.deleted_at is null
      union all select o.id, 'organization', o.slug, organization.can_read(o, $1, $2), coalesce(organization.role_of(o.id, $1, $2) in ('owner', 'manager'), false)
        from organization.organization o where $3 = 'organization' and o.slug = $4 and o.deleted_at is null
      union all select u.id, 'user', u.login, true, u.id is not distinct from $1
        from account."user" u where $3 = 'user' and u.login = lower($4) and u.deleted_at is null`,
    values: [reader.userId, reader.roles, kind, name],
  });
}

/** The same by its id, as one user may see it: for what he once asked for. */
export function findSubjectById(
  db: Db,
  { kind, id, userId }: { kind: string; id: string; userId: string },
): Promise<SubjectRow | undefined> {
  return one<SubjectRow>(db, {
    name: "analytics_find_subject_by_id",
    text: `select s.id, s.kind, s.name, true as "isVisible", s.mine or u.roles && '{ops,admin}' as "isMine" from account."user" u cross join lateral (
        select p.id, 'pack' as kind, p.slug as name, coalesce(pack.role_of(p, u.id, u.roles) in ('owner', 'maintainer'), false) as mine
          from pack.pack p where $1 = 'pack' and p.id = $2 and p.deleted_at is null
        union all select e.id, 'event', e.slug, event.role_of(e, u.id, u.roles) is not null
          from event.event e where $1 = 'event' and e.id = $2 and e.deleted_at is null
        union all select o.id, 'organization', o.slug, coalesce(organization.role_of(o.id, u.id, u.roles) in ('owner', 'manager'), false)
          from organization.organization o where $1 = 'organization' and o.id = $2 and o.deleted_at is null
        union all select x.id, 'user', x.login, x.id = u.id
          from account."user" x where $1 = 'user' and x.id = $2 and x.deleted_at is null) s
      where u.id = $3 and u.deleted_at is null`,
    values: [kind, id, userId],
  });
}

/** What an organization's numbers are made of: itself, its packs and its events. */
export async function listOrganizationSubjects(db: Db, organizationId: string): Promise<string[]> {
  const rows = await many<{ id: string }>(db, {
    name: "analytics_list_organization_subjects",
    text: `select $1::uuid as id
      union all select id from pack.pack where organization_id = $1 and deleted_at is null
      union all select id from event.event where organization_id = $1 and deleted_at is null`,
    values: [organizationId],
  });
  return rows.map(({ id }) => id);
}

export type ReportedVersion = { slug: string; version: string; channel: string; packId: string; isPublic: boolean };

/** Of these packs and versions, those that are published and that the reader may see. */
export function listReportedVersions(
  db: Db,
  { slugs, versions, reader }: { slugs: string[]; versions: string[]; reader: Reader },
): Promise<ReportedVersion[]> {
  return many<ReportedVersion>(db, {
    name: "analytics_list_versions",
    text: `select distinct p.slug, v.version, v.channel, p.id as "packId", p.visibility = 'public' as "isPublic"
      from unnest($3::text[], $4::text[]) as asked (slug, version) join pack.pack p on p.slug = asked.slug
        join pack.version v on v.pack_id = p.id and v.version = asked.version and v.state = 'published'
      where pack.can_read(p, $1, $2)`,
    values: [reader.userId, reader.roles, slugs, versions],
  });
}
