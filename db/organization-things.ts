import type { Reader } from "./blob.ts";
import type { Words } from "./organization.ts";
import { type Db, many, one, run } from "./query.ts";

/** What belongs to an organization: slugs of packs and events, ids of albums; a hundred of each at the most. */
export type Owned = { packs: string[]; events: string[]; albums: string[] };

export async function findOwned(tx: Db, organizationId: string): Promise<Owned> {
  const row = await one<Owned>(tx, {
    name: "things_find",
    text: `select array(select p.slug from pack.pack p where p.organization_id = $1 and p.deleted_at is null order by 1 limit 100) as packs,
      array(select e.slug from event.event e where e.organization_id = $1 and e.deleted_at is null order by 1 limit 100) as events,
      array(select a.id from image.album a where a.organization_id = $1 order by 1 limit 100) as albums`,
    values: [organizationId],
  });
  return row ?? { packs: [], events: [], albums: [] };
}

/** Gives all that is an organization's to another one, or to somebody. Answers with the slugs of the packs. */
export async function moveThings(
  tx: Db,
  { fromId, toId, userId }: { fromId: string; toId: string | null; userId: string },
): Promise<string[]> {
  await run(tx, {
    name: "things_leave_packs",
    text: `delete from pack.member m using pack.pack p where $2::uuid is null and p.organization_id = $1 and m.pack_id = p.id and m.user_id = $3`,
    values: [fromId, toId, userId],
  });
  const moved = await many<{ slug: string }>(tx, {
    name: "things_move_packs",
    text: `update pack.pack set organization_id = $2, owner_id = $3, revision = revision + 1, updated_at = now() where organization_id = $1 and deleted_at is null
      returning slug`,
    values: [fromId, toId, userId],
  });
  await run(tx, {
    name: "things_move_events",
    text: `update event.event set organization_id = $2, owner_id = $3, revision = revision + 1, updated_at = now() where organization_id = $1 and deleted_at is null`,
    values: [fromId, toId, userId],
  });
  await run(tx, {
    name: "things_move_albums",
    text: `update image.album set organization_id = $2, owner_id = $3, revision = revision + 1, updated_at = now() where organization_id = $1`,
    values: [fromId, toId, userId],
  });
  return moved.map(({ slug }) => slug);
}

/** Hides an organization for good, with its people, invitations, followers, webhooks and sources; its slug stays taken. */
export async function markOrganizationDeleted(tx: Db, id: string): Promise<void> {
  const values = [id];
  await run(tx, {
    name: "organization_mark_deleted",
    text: `update organization.organization set deleted_at = now(), revision = revision + 1 where id = $1 and deleted_at is null`,
    values,
  });
  await run(tx, {
    name: "organization_delete_members",
    text: `delete from organization.member where organization_id = $1`,
    values,
  });
  await run(tx, {
    name: "organization_delete_invitations",
    text: `delete from organization.invitation where organization_id = $1`,
    values,
  });
  await run(tx, {
    name: "organization_delete_transfers",
    text: `delete from organization.transfer where organization_id = $1`,
    values,
  });
  await run(tx, {
    name: "organization_delete_follows",
    text: `delete from community.follow where organization_id = $1`,
    values,
  });
  await run(tx, {
    name: "organization_delete_pack_readers",
    text: `delete from pack.reader_organization where organization_id = $1`,
    values,
  });
  await run(tx, {
    name: "organization_delete_image_readers",
    text: `delete from image.reader_organization where organization_id = $1`,
    values,
  });
  await run(tx, {
    name: "organization_delete_webhooks",
    text: `delete from notification.webhook where organization_id = $1`,
    values,
  });
  await run(tx, {
    name: "organization_delete_sources",
    text: `delete from event.source where organization_id = $1`,
    values,
  });
}

export type PageEvent = { slug: string; title: Words; state: string; startsAt: Date };
export type PageAlbum = { id: string; title: string; visibility: string };
type Shown = { organizationId: string; reader: Reader; limit: number };

/** Events of an organization that this reader may see and that are not only for who has the address: what comes next first. */
export function listPageEvents(db: Db, { organizationId, reader, limit }: Shown): Promise<PageEvent[]> {
  return many<PageEvent>(db, {
    name: "things_list_events",
    text: `select * from (
        select e.slug, e.title, e.state, coalesce((select min(o.starts_at) from event.occurrence o
            where o.event_id = e.id and o.cancelled_at is null and o.ends_at >= now()), e.starts_at) as "startsAt"
          from event.event e where e.organization_id = $3 and event.can_read(e, $1, $2)
            and (e.visibility <> 'unlisted' or event.role_of(e, $1, $2) is not null)) shown
      order by "startsAt" < now(), abs(extract(epoch from "startsAt" - now())), slug limit $4`,
    values: [reader.userId, reader.roles, organizationId, limit],
  });
}

/** Galleries of an organization that this reader may see and that are not only for who has the address, newest first. */
export function listPageAlbums(db: Db, { organizationId, reader, limit }: Shown): Promise<PageAlbum[]> {
  return many<PageAlbum>(db, {
    name: "things_list_albums",
    text: `select a.id, a.title, a.visibility from image.album a where a.organization_id = $3 and image.can_view_album(a, $1, $2, null)
        and (a.visibility in ('page', 'public') or image.role_of(a, $1, $2) <> 'reader')
      order by a.id desc limit $4`,
    values: [reader.userId, reader.roles, organizationId, limit],
  });
}
