import { markOrganizationDeleted, moveThings } from "./organization-things.ts";
import { type Db, many, run } from "./query.ts";

// Who owns an organization after its owner: those who are there before hidden ones, managers before members, by time.
const heirs = `select distinct on (m.organization_id) m.organization_id, m.user_id, u.login
  from organization.member m join account."user" u on u.id = m.user_id
  where m.organization_id in (select own.organization_id from organization.member own where own.user_id = $1 and own.role = 'owner') and m.user_id <> $1
  order by m.organization_id, (u.deleted_at is null and u.disabled_at is null) desc, (m.role = 'manager') desc, m.since, m.user_id`;

/** The organizations that somebody owns, and who would own each if he were erased now; null: nobody, it would be deleted. */
export function listHeirs(db: Db, userId: string): Promise<{ slug: string; heir: string | null }[]> {
  return many<{ slug: string; heir: string | null }>(db, {
    name: "erase_list_heirs",
    text: `select o.slug, h.login as heir from organization.member own
        join organization.organization o on o.id = own.organization_id and o.deleted_at is null
        left join (${heirs}) h on h.organization_id = o.id
      where own.user_id = $1 and own.role = 'owner' order by o.slug`,
    values: [userId],
  });
}

/**
 * Takes somebody out of organizations, follows and reports. An organization that he owned passes to a manager, or else to
 * the member who has been there longest. One without other members is deleted, and what it owns is his own from now on: so
 * this comes before his things are erased.
 */
export async function eraseMemberships(tx: Db, userId: string): Promise<void> {
  await run(tx, {
    name: "erase_lock_organizations",
    text: `select id from organization.organization where id in (select organization_id from organization.member where user_id = $1)
      order by id for no key update`,
    values: [userId],
  });
  // A partial index allows one owner at any moment.
  const passed = await many<{ organizationId: string; heirId: string }>(tx, {
    name: "erase_find_heirs",
    text: `select organization_id as "organizationId", user_id as "heirId" from (${heirs}) h`,
    values: [userId],
  });
  const ended = await many<{ id: string }>(tx, {
    name: "erase_ownership",
    text: `delete from organization.member where user_id = $1 and role = 'owner' returning organization_id as id`,
    values: [userId],
  });
  for (const { organizationId, heirId } of passed)
    await run(tx, {
      name: "erase_pass_ownership",
      text: `update organization.member set role = 'owner', is_public = true where organization_id = $1 and user_id = $2`,
      values: [organizationId, heirId],
    });
  for (const { id } of ended)
    if (!passed.some(({ organizationId }) => organizationId === id)) await endOrganization(tx, { id, userId });
  await eraseAuthorship(tx, userId);
  await run(tx, {
    name: "erase_memberships",
    text: `delete from organization.member where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_invitations",
    text: `delete from organization.invitation where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_invitations_made",
    text: `update organization.invitation set created_by = null where created_by = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_transfers",
    text: `delete from organization.transfer where $1 in (from_id, to_id)`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_follows",
    text: `delete from community.follow where $1 in (user_id, organizer_id)`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_reports_about",
    text: `delete from community.report where subject_kind = 'user' and subject_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_reports",
    text: `update community.report set reporter_id = nullif(reporter_id, $1), handled_by = nullif(handled_by, $1) where $1 in (reporter_id, handled_by)`,
    values: [userId],
  });
}

/** Deletes an organization that has nobody left, with its words. */
async function endOrganization(tx: Db, { id, userId }: { id: string; userId: string }): Promise<void> {
  await moveThings(tx, { fromId: id, toId: null, userId });
  await markOrganizationDeleted(tx, id);
  await run(tx, {
    name: "erase_organization",
    text: `update organization.organization set name = '', description = '{}', links = '{}' where id = $1`,
    values: [id],
  });
}

/** What he brought into organizations is from now on in the name of their owners. */
async function eraseAuthorship(tx: Db, userId: string): Promise<void> {
  await run(tx, {
    name: "erase_pack_author",
    text: `update pack.pack p set owner_id = m.user_id from organization.member m
      where p.owner_id = $1 and m.organization_id = p.organization_id and m.role = 'owner'`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_event_author",
    text: `update event.event e set owner_id = m.user_id from organization.member m
      where e.owner_id = $1 and m.organization_id = e.organization_id and m.role = 'owner'`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_album_author",
    text: `update image.album a set owner_id = m.user_id from organization.member m
      where a.owner_id = $1 and m.organization_id = a.organization_id and m.role = 'owner'`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_event_gallery_author",
    text: `update image.album a set owner_id = e.owner_id from event.event e where a.owner_id = $1 and e.id = a.event_id and e.owner_id <> $1`,
    values: [userId],
  });
}

/** Deletes his registrations and calendars; his own events keep an empty row for their address, those of organizations go on. */
export async function eraseEvents(tx: Db, userId: string): Promise<number> {
  await run(tx, {
    name: "erase_registrations",
    text: `select event.erase_registrations($1)`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_changes_made",
    text: `update event.registration_change set actor_id = null where actor_id = $1`,
    values: [userId],
  });
  await run(tx, { name: "erase_calendars", text: `delete from event.calendar where user_id = $1`, values: [userId] });
  await run(tx, {
    name: "erase_sources_made",
    text: `update event.source set created_by = null where created_by = $1`,
    values: [userId],
  });
  // With the registrations of others, which were made for him to read.
  await run(tx, {
    name: "erase_occurrences",
    text: `delete from event.occurrence where event_id in (select id from event.event where owner_id = $1 and organization_id is null)`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_server_tokens",
    text: `delete from event.server_token where event_id in (select id from event.event where owner_id = $1 and organization_id is null)`,
    values: [userId],
  });
  return run(tx, {
    name: "erase_events",
    text: `update event.event set deleted_at = coalesce(deleted_at, now()), revision = revision + 1, title = '{}', text = '{}', place = '{}', tags = '{}',
        questions = '[]', cancelled_reason = '', source_values = null, album_id = null
      where owner_id = $1 and organization_id is null and (deleted_at is null or title <> '{}')`,
    values: [userId],
  });
}
