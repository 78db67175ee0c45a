import type { Viewer } from "./image.ts";
import { type Db, many, one, run } from "./query.ts";

export type AlbumVisibility = "private" | "page" | "unlisted" | "public";
/** What the viewer is to an album; null: of its page he sees nothing else, and this by a share link. */
export type AlbumRole = "editor" | "contributor" | "member" | "reader" | null;

export type AlbumRow = {
  id: string;
  ownerId: string;
  /** Null while he is hidden. */
  ownerLogin: string | null;
  /** Whether it is the gallery of a pack, an organization or an event: that page's people decide about it. */
  hasPage: boolean;
  packId: string | null;
  /** These three are null also when the viewer may not see the page: he has a link to the album. */
  packSlug: string | null;
  organizationSlug: string | null;
  eventSlug: string | null;
  title: string;
  description: string;
  visibility: AlbumVisibility;
  revision: number;
  role: AlbumRole;
  /** The first image that the viewer may see. */
  coverId: string | null;
  coverAlt: string | null;
  coverPlaceholder: string | null;
  createdAt: Date;
  updatedAt: Date;
};

// $1 to $3 are the viewer: id, roles, share link.
const columns = `a.id, a.owner_id as "ownerId", case when u.deleted_at is null then u.login end as "ownerLogin",
  num_nonnulls(a.pack_id, a.event_id, a.organization_id) > 0 as "hasPage", a.pack_id as "packId", p.slug as "packSlug", o.slug as "organizationSlug", e.slug as "eventSlug", a.title, a.description, a.visibility,
  a.revision, image.role_of(a, $1, $2) as role, c.id as "coverId", c.alt as "coverAlt", c.placeholder as "coverPlaceholder",
  a.created_at as "createdAt", a.updated_at as "updatedAt"`;

const joined = `image.album a join account."user" u on u.id = a.owner_id left join pack.pack p on p.id = a.pack_id and pack.can_read(p, $1, $2)
  left join organization.organization o on o.id = a.organization_id and organization.can_read(o, $1, $2)
  left join event.event e on e.id = a.event_id and event.can_read(e, $1, $2)
  left join lateral (select i.id, i.alt, i.placeholder from image.image i
    where i.album_id = a.id and i.state = 'ready' and image.can_view(i, $1, $2, $3) order by i.rank, i.id limit 1) c on true`;

const listed = `(a.visibility in ('page', 'public') or image.role_of(a, $1, $2) <> 'reader') and image.can_view_album(a, $1, $2, $3)`;

/** An album that this viewer may see. */
export function findAlbum(db: Db, { id, viewer }: { id: string; viewer: Viewer }): Promise<AlbumRow | undefined> {
  return one<AlbumRow>(db, {
    name: "album_find",
    text: `select ${columns} from ${joined} where a.id = $4 and image.can_view_album(a, $1, $2, $3)`,
    values: [viewer.userId, viewer.roles, viewer.shareId, id],
  });
}

type Page = { viewer: Viewer; before: string | null; limit: number };

/** Somebody's own albums, newest first: all of them for himself and admins, the public ones for others. */
export function listAlbumsOf(
  db: Db,
  { ownerId, viewer, before, limit }: Page & { ownerId: string },
): Promise<AlbumRow[]> {
  return many<AlbumRow>(db, {
    name: "album_list_of_user",
    text: `select ${columns} from ${joined} where a.owner_id = $4 and num_nonnulls(a.pack_id, a.event_id, a.organization_id) = 0 and ($5::uuid is null or a.id < $5)
        and (a.visibility = 'public' or image.role_of(a, $1, $2) = 'editor') and image.can_view_album(a, $1, $2, $3)
      order by a.id desc limit $6`,
    values: [viewer.userId, viewer.roles, viewer.shareId, ownerId, before, limit],
  });
}

/** A pack's galleries, newest first: all of them for who has a part in it, for others those that are not only for who has the address. */
export function listGalleries(
  db: Db,
  { packId, viewer, before, limit }: Page & { packId: string },
): Promise<AlbumRow[]> {
  return many<AlbumRow>(db, {
    name: "album_list_of_pack",
    text: `select ${columns} from ${joined} where a.pack_id = $4 and ($5::uuid is null or a.id < $5)
        and ${listed} order by a.id desc limit $6`,
    values: [viewer.userId, viewer.roles, viewer.shareId, packId, before, limit],
  });
}

/** An organization's galleries in the same way. */
export function listOrganizationGalleries(
  db: Db,
  { organizationId, viewer, before, limit }: Page & { organizationId: string },
): Promise<AlbumRow[]> {
  return many<AlbumRow>(db, {
    name: "album_list_of_organization",
    text: `select ${columns} from ${joined} where a.organization_id = $4 and ($5::uuid is null or a.id < $5)
        and ${listed} order by a.id desc limit $6`,
    values: [viewer.userId, viewer.roles, viewer.shareId, organizationId, before, limit],
  });
}

/** An event's galleries in the same way. */
export function listEventGalleries(
  db: Db,
  { eventId, viewer, before, limit }: Page & { eventId: string },
): Promise<AlbumRow[]> {
  return many<AlbumRow>(db, {
    name: "album_list_of_event",
    text: `select ${columns} from ${joined} where a.event_id = $4 and ($5::uuid is null or a.id < $5)
        and ${listed} order by a.id desc limit $6`,
    values: [viewer.userId, viewer.roles, viewer.shareId, eventId, before, limit],
  });
}

type NewAlbum = {
  id: string;
  ownerId: string;
  packId: string | null;
  organizationId: string | null;
  eventId: string | null;
  title: string;
  description: string;
  visibility: AlbumVisibility;
  /** So many may one owner have. */
  most: number;
};

/** 0 when the owner has too many. */
export function insertAlbum(tx: Db, album: NewAlbum): Promise<number> {
  return run(tx, {
    name: "album_insert",
    text: `insert into image.album (id, owner_id, pack_id, title, description, visibility, organization_id, event_id) select $1, $2, $3, $4, $5, $6, $8, $9
      where (select count(*) from image.album where owner_id = $2) < $7`,
    values: [
      album.id,
      album.ownerId,
      album.packId,
      album.title,
      album.description,
      album.visibility,
      album.most,
      album.organizationId,
      album.eventId,
    ],
  });
}

type AlbumChange = {
  title?: string | undefined;
  description?: string | undefined;
  visibility?: AlbumVisibility | undefined;
};

/** Changes what is given, when the revision is still that one. */
export function updateAlbum(
  tx: Db,
  { id, revision, title, description, visibility }: AlbumChange & { id: string; revision: number },
): Promise<number> {
  return run(tx, {
    name: "album_update",
    text: `update image.album set title = coalesce($3, title), description = coalesce($4, description), visibility = coalesce($5, visibility),
        revision = revision + 1, updated_at = now() where id = $1 and revision = $2`,
    values: [id, revision, title ?? null, description ?? null, visibility ?? null],
  });
}

/** Holds an album until the transaction ends, so that nothing is put into it. Undefined when it was changed meanwhile. */
export function lockAlbum(
  tx: Db,
  { id, revision }: { id: string; revision: number | undefined },
): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(tx, {
    name: "album_lock",
    text: `select id from image.album where id = $1 and ($2::integer is null or revision = $2) for update`,
    values: [id, revision ?? null],
  });
}

/** Deletes an album with its links and archives; its images stay with their owners. */
export function deleteAlbum(tx: Db, id: string): Promise<number> {
  return run(tx, { name: "album_delete", text: `delete from image.album where id = $1`, values: [id] });
}

/** Whose images are in an album: what is remembered of these depends on it. */
export async function listAlbumOwners(db: Db, id: string): Promise<string[]> {
  const rows = await many<{ ownerId: string }>(db, {
    name: "album_list_owners",
    text: `select distinct owner_id as "ownerId" from image.image where album_id = $1`,
    values: [id],
  });
  return rows.map(({ ownerId }) => ownerId);
}

/** Somebody's own images in an album, in the order of their ids. */
export async function listOwnAlbumImages(tx: Db, { id, ownerId }: { id: string; ownerId: string }): Promise<string[]> {
  const rows = await many<{ id: string }>(tx, {
    name: "album_list_own_images",
    text: `select id from image.image where album_id = $1 and owner_id = $2 order by id for update`,
    values: [id, ownerId],
  });
  return rows.map((row) => row.id);
}

/**
 * Takes one image out of an album, anybody's or this owner's own; who alone sees it from now on, when it was shown because
 * of the album. Undefined when there is no such image in it.
 */
export function releaseAlbumImage(
  db: Db,
  { id, imageId, ownerId }: { id: string; imageId: string; ownerId: string | null },
): Promise<{ ownerId: string } | undefined> {
  return one<{ ownerId: string }>(db, {
    name: "album_release_image",
    text: `update image.image set album_id = null, visibility = case visibility when 'album' then 'private' else visibility end,
        revision = revision + 1, updated_at = now()
      where id = $2 and album_id = $1 and ($3::uuid is null or owner_id = $3) returning owner_id as "ownerId"`,
    values: [id, imageId, ownerId],
  });
}

/** Takes all images out of an album. Those that were shown because of it are private from now on. */
export function releaseAlbumImages(tx: Db, id: string): Promise<number> {
  return run(tx, {
    name: "album_release_images",
    text: `update image.image set album_id = null, visibility = case visibility when 'album' then 'private' else visibility end,
        revision = revision + 1, updated_at = now() where album_id = $1`,
    values: [id],
  });
}
