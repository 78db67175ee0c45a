import { type Db, many, run } from "./query.ts";

/**
 * Takes somebody out of organizations, follows and reports. An organization that he owned passes to the member who has been
 * there longest, managers first; one without other members is deleted.
 */
export async function eraseMemberships(tx: Db, userId: string): Promise<void> {
  const owned = await many<{ id: string }>(tx, {
    name: "erase_ownership",
    text: `delete from organization.member where user_id = $1 and role = 'owner' returning organization_id as id`,
    values: [userId],
  });
  const ids = owned.map(({ id }) => id);
  await run(tx, {
    name: "erase_pass_ownership",
    text: `with heirs as (select distinct on (organization_id) organization_id, user_id from organization.member
        where organization_id = any ($1::uuid[]) order by organization_id, (role = 'manager') desc, since, user_id)
      update organization.member m set role = 'owner' from heirs h where m.organization_id = h.organization_id and m.user_id = h.user_id`,
    values: [ids],
  });
  await run(tx, {
    name: "erase_organizations",
    text: `update organization.organization o set deleted_at = now(), revision = revision + 1 where o.id = any ($1::uuid[]) and o.deleted_at is null
      and not exists (select from organization.member m where m.organization_id = o.id)`,
    values: [ids],
  });
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
    name: "erase_reports",
    text: `update community.report set reporter_id = nullif(reporter_id, $1), handled_by = nullif(handled_by, $1) where $1 in (reporter_id, handled_by)`,
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
  return run(tx, {
    name: "erase_events",
    text: `update event.event set deleted_at = coalesce(deleted_at, now()), revision = revision + 1, title = '{}', text = '{}', place = '{}', tags = '{}',
        questions = '[]', source_values = null, album_id = null
      where owner_id = $1 and organization_id is null and (deleted_at is null or title <> '{}')`,
    values: [userId],
  });
}
