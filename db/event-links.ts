import type { Reader } from "./blob.ts";
import { type Db, many, one } from "./query.ts";

/** A pack that the reader may see, with one of its published versions when it is named. */
export function findLinkedPack(
  db: Db,
  { slug, version, reader }: { slug: string; version: string | null; reader: Reader },
): Promise<{ packId: string; versionId: string | null } | undefined> {
  return one(db, {
    name: "event_find_pack",
    text: `select p.id as "packId", (select v.id from pack.version v where v.pack_id = p.id and v.version = $2 and v.state = 'published') as "versionId"
      from pack.pack p where p.slug = $1 and pack.can_read(p, $3, $4)`,
    values: [slug, version, reader.userId, reader.roles],
  });
}

/** An album that the reader may put in front of others. */
export function findLinkedAlbum(
  db: Db,
  { id, reader }: { id: string; reader: Reader },
): Promise<{ id: string } | undefined> {
  return one(db, {
    name: "event_find_album",
    text: `select a.id from image.album a where a.id = $1 and image.can_edit_album(a, $2, $3)`,
    values: [id, reader.userId, reader.roles],
  });
}

export type PageAlbum = { id: string; title: string; visibility: string };

/** Galleries of an event that this reader may see and that are not only for who has the address, newest first. */
export function listPageAlbums(
  db: Db,
  { eventId, reader, limit }: { eventId: string; reader: Reader; limit: number },
): Promise<PageAlbum[]> {
  return many<PageAlbum>(db, {
    name: "event_list_albums",
    text: `select a.id, a.title, a.visibility from image.album a where a.event_id = $3 and image.can_view_album(a, $1, $2, null)
        and (a.visibility in ('page', 'public') or image.role_of(a, $1, $2) <> 'reader')
      order by a.id desc limit $4`,
    values: [reader.userId, reader.roles, eventId, limit],
  });
}

export type OwnRegistration = {
  id: string;
  occurrenceId: string;
  state: string;
  offeredUntil: Date | null;
};

/** What somebody is registered for in an event, of what is not over for long; first the next one. */
export function listOwnRegistrations(
  db: Db,
  { eventId, userId }: { eventId: string; userId: string },
): Promise<OwnRegistration[]> {
  return many<OwnRegistration>(db, {
    name: "event_list_own_registrations",
    text: `select r.id, r.occurrence_id as "occurrenceId", r.state, r.offered_until as "offeredUntil"
      from event.occurrence o join event.registration r on r.occurrence_id = o.id and r.user_id = $2
      where o.event_id = $1 and o.ends_at > now() - interval '31 days' order by o.starts_at, o.id limit 50`,
    values: [eventId, userId],
  });
}
