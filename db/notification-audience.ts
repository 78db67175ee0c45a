import { type Db, many, one } from "./query.ts";

/** Somebody who may be concerned, and by which registration. */
export type Candidate = { userId: string; registrationId: string | null; occurrenceId: string | null };

/** A part of an audience, in the order of user ids. */
export type Page = { after: string; limit: number };

/** Who follows a pack; with `widely` also who follows those whose it is, where it is public. Not who declared the version himself. */
export function listPackFollowers(
  db: Db,
  { packId, versionId, widely, after, limit }: Page & { packId: string; versionId: string; widely: boolean },
): Promise<Candidate[]> {
  return many<Candidate>(db, {
    name: "audience_of_pack",
    text: `with p as (select p.* from pack.pack p where p.id = $1),
      followers as (
        select f.user_id from community.follow f where f.pack_id = $1
        union select f.user_id from p join community.follow f on f.organization_id = p.organization_id where $3 and p.visibility = 'public'
        union select f.user_id from p join community.follow f on f.organizer_id = p.owner_id
          where $3 and p.visibility = 'public' and p.organization_id is null)
      select f.user_id as "userId", null as "registrationId", null as "occurrenceId" from followers f
        where f.user_id > $4 and not exists (select from pack.version v where v.id = $2 and v.created_by = f.user_id)
        order by 1 limit $5`,
    values: [packId, versionId, widely, after, limit],
  });
}

/** Who follows whose event it is, or its pack. Of an event that is not listed nobody is told. */
export function listEventFollowers(
  db: Db,
  { eventId, after, limit }: Page & { eventId: string },
): Promise<Candidate[]> {
  return many<Candidate>(db, {
    name: "audience_of_new_event",
    text: `with e as (select e.* from event.event e where e.id = $1 and e.visibility <> 'unlisted'),
      followers as (
        select f.user_id from e join community.follow f on f.organization_id = e.organization_id
        union select f.user_id from e join community.follow f on f.organizer_id = e.owner_id where e.organization_id is null
        union select f.user_id from e join community.follow f on f.pack_id = e.pack_id)
      select f.user_id as "userId", null as "registrationId", null as "occurrenceId" from followers f
        where f.user_id > $2 and not exists (select from e where e.owner_id = f.user_id)
        order by 1 limit $3`,
    values: [eventId, after, limit],
  });
}

/** Who is registered for what is still to come of an event, or for one occurrence; each once, by his next registration. */
export function listRegistrants(
  db: Db,
  {
    eventId,
    occurrenceId,
    cancelled,
    after,
    limit,
  }: Page & { eventId: string; occurrenceId: string | null; cancelled: boolean },
): Promise<Candidate[]> {
  return many<Candidate>(db, {
    name: "audience_of_event",
    text: `select distinct on (r.user_id) r.user_id as "userId", r.id as "registrationId", o.id as "occurrenceId"
      from event.occurrence o join event.registration r on r.occurrence_id = o.id
      where o.event_id = $1 and ($2::uuid is null or o.id = $2) and o.ends_at > now() and (o.cancelled_at is null or $3)
        and ($3 or exists (select from event.event e where e.id = $1 and e.state = 'published'))
        and r.state in ('pending', 'confirmed', 'waitlisted', 'offered', 'checked-in') and r.user_id > $4
      order by r.user_id, o.starts_at limit $5`,
    values: [eventId, occurrenceId, cancelled, after, limit],
  });
}

/** Who runs an event: its owner, or those who manage its organization. */
export function listOrganizers(db: Db, { eventId, after, limit }: Page & { eventId: string }): Promise<Candidate[]> {
  return many<Candidate>(db, {
    name: "audience_of_organizers",
    text: `with e as (select e.* from event.event e where e.id = $1)
      select x.user_id as "userId", null as "registrationId", null as "occurrenceId" from (
        select owner_id as user_id from e where organization_id is null
        union select m.user_id from e join organization.member m on m.organization_id = e.organization_id and m.role in ('owner', 'manager')) x
      where x.user_id > $2 order by 1 limit $3`,
    values: [eventId, after, limit],
  });
}

/** Who works on a pack: its owner, or those of its organization, and its members. */
export function listAuthors(db: Db, { packId, after, limit }: Page & { packId: string }): Promise<Candidate[]> {
  return many<Candidate>(db, {
    name: "audience_of_authors",
    text: `with p as (select p.* from pack.pack p where p.id = $1)
      select x.user_id as "userId", null as "registrationId", null as "occurrenceId" from (
        select owner_id as user_id from p where organization_id is null
        union select m.user_id from p join organization.member m on m.organization_id = p.organization_id
        union select m.user_id from pack.member m where m.pack_id = $1) x
      where x.user_id > $2 order by 1 limit $3`,
    values: [packId, after, limit],
  });
}

/** Owner and managers of an organization, without one person. */
export function listManagers(
  db: Db,
  { organizationId, without, after, limit }: Page & { organizationId: string; without: string },
): Promise<Candidate[]> {
  return many<Candidate>(db, {
    name: "audience_of_managers",
    text: `select m.user_id as "userId", null as "registrationId", null as "occurrenceId" from organization.member m
      where m.organization_id = $1 and m.role in ('owner', 'manager') and m.user_id <> $2 and m.user_id > $3 order by 1 limit $4`,
    values: [organizationId, without, after, limit],
  });
}

export function listAdmins(db: Db, { after, limit }: Page): Promise<Candidate[]> {
  return many<Candidate>(db, {
    name: "audience_of_admins",
    text: `select u.id as "userId", null as "registrationId", null as "occurrenceId" from account."user" u
      where 'admin' = any (u.roles) and u.id > $1 order by u.id limit $2`,
    values: [after, limit],
  });
}

export function findReporter(db: Db, reportId: string): Promise<{ userId: string } | undefined> {
  return one<{ userId: string }>(db, {
    name: "audience_reporter",
    text: `select reporter_id as "userId" from community.report where id = $1 and reporter_id is not null`,
    values: [reportId],
  });
}

/** Whether he did it himself: the last change of a registration, where it ended it. Then there is nothing to tell him. */
export function findOwnEnd(db: Db, registrationId: string): Promise<{ state: string } | undefined> {
  return one<{ state: string }>(db, {
    name: "audience_own_end",
    text: `select c.to_state as state from event.registration r
      join lateral (select * from event.registration_change c where c.registration_id = r.id order by c.created_at desc limit 1) c on true
      where r.id = $1 and c.actor_id = r.user_id and c.to_state in ('cancelled', 'declined')`,
    values: [registrationId],
  });
}

/** The organization that a pack or an event belongs to. */
export function findOwningOrganization(
  db: Db,
  { packId, eventId }: { packId: string | null; eventId: string | null },
): Promise<{ organizationId: string } | undefined> {
  return one<{ organizationId: string }>(db, {
    name: "audience_organization",
    text: `select organization_id as "organizationId" from pack.pack where id = $1 and organization_id is not null
      union all select organization_id from event.event where id = $2 and organization_id is not null`,
    values: [packId, eventId],
  });
}

/** Who offered or changed nothing yet: whether a request waits for an organizer's hand. */
export function findApproval(db: Db, eventId: string): Promise<{ approval: string } | undefined> {
  return one<{ approval: string }>(db, {
    name: "audience_approval",
    text: `select approval from event.event where id = $1`,
    values: [eventId],
  });
}
