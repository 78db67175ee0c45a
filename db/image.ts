import type { Reader } from "./blob.ts";
import { type Db, many, one } from "./query.ts";

export type ImageVisibility = "private" | "album" | "unlisted" | "public";
export type ImageState = "waiting" | "processing" | "ready" | "rejected";

export type ImageRow = {
  id: string;
  ownerId: string;
  ownerLogin: string;
  kind: "picture" | "avatar";
  albumId: string | null;
  /** Its address is a secret of those who have it. */
  inUnlistedAlbum: boolean;
  state: ImageState;
  reason: string | null;
  name: string;
  caption: string;
  alt: string;
  visibility: ImageVisibility;
  /** Order among its owner's images: a key between two others, compared byte by byte. */
  rank: string;
  sha256: string;
  sizeBytes: number;
  sourceBlobId: string | null;
  width: number | null;
  height: number | null;
  animated: boolean;
  placeholder: string | null;
  focusX: number;
  focusY: number;
  revision: number;
  createdAt: Date;
  updatedAt: Date;
  expiresAt: Date;
  /** What there is to be shown of it; nothing whose bytes are blocked. */
  variants: { name: string; format: "webp" | "avif"; width: number; height: number }[];
};

/** Who looks: a reader, and the share link that he has opened. */
export type Viewer = Reader & { shareId: string | null };

const columns = `i.id, i.owner_id as "ownerId", u.login as "ownerLogin", i.kind, i.album_id as "albumId",
  exists (select from image.album a where a.id = i.album_id and a.visibility = 'unlisted') as "inUnlistedAlbum", i.state, i.reason, i.name, i.caption, i.alt,
  i.visibility, i.rank, i.sha256, i.size_bytes as "sizeBytes", i.source_blob_id as "sourceBlobId", i.width, i.height, i.animated, i.placeholder,
  i.focus_x as "focusX", i.focus_y as "focusY", i.revision, i.created_at as "createdAt", i.updated_at as "updatedAt", i.expires_at as "expiresAt",
  coalesce((select jsonb_agg(jsonb_build_object('name', v.name, 'format', v.format, 'width', v.width, 'height', v.height) order by v.width, v.format)
    from image.variant v join blob.blob b on b.id = v.blob_id
    where v.image_id = i.id and b.broken is null and not exists (select from blob.blocked x where x.sha256 = b.sha256)), '[]') as variants`;

/** Where a page of a list begins: behind the image that the page before ended with. */
export type ImagePlace = { rank: string; id: string };
type Page = { after: ImagePlace | null; limit: number };

/** An image that this viewer may see. */
export function findImage(db: Db, { id, viewer }: { id: string; viewer: Viewer }): Promise<ImageRow | undefined> {
  return one<ImageRow>(db, {
    name: "image_find",
    text: `select ${columns} from image.image i join account."user" u on u.id = i.owner_id
      where i.id = $1 and image.can_view(i, $2, $3, $4)`,
    values: [id, viewer.userId, viewer.roles, viewer.shareId],
  });
}

/** Somebody's pictures in his order, for himself: in every state, or in one, or of one album. */
export function listOwnImages(
  db: Db,
  {
    ownerId,
    state,
    albumId,
    after,
    limit,
  }: { ownerId: string; state: ImageState | null; albumId: string | null } & Page,
): Promise<ImageRow[]> {
  return many<ImageRow>(db, {
    name: "image_list_own",
    text: `select ${columns} from image.image i join account."user" u on u.id = i.owner_id
      where i.owner_id = $1 and i.kind = 'picture' and ($2::text is null or i.state = $2) and ($3::uuid is null or i.album_id = $3)
        and ($4::text is null or (i.rank, i.id) > ($4, $5::uuid)) and image.can_view(i, $1, '{}', null)
      order by i.rank, i.id limit $6`,
    values: [ownerId, state, albumId, after?.rank ?? null, after?.id ?? null, limit],
  });
}

/**
 * Somebody's pictures in his order, as they are listed to this viewer: what is public, by itself or by an album that
 * everybody or the readers of its pack may see, and what names him. What is unlisted is found by its address only.
 */
export function listShownImages(
  db: Db,
  { ownerId, viewer, after, limit }: { ownerId: string; viewer: Reader } & Page,
): Promise<ImageRow[]> {
  return many<ImageRow>(db, {
    name: "image_list_shown",
    text: `select ${columns} from image.image i join account."user" u on u.id = i.owner_id
      where i.owner_id = $1 and i.kind = 'picture' and i.state = 'ready' and ($4::text is null or (i.rank, i.id) > ($4, $5::uuid))
        and (i.owner_id = $2 or 'admin' = any ($3::text[]) or i.visibility = 'public'
          or exists (select from image.reader_user r where r.image_id = i.id and r.user_id = $2)
          or exists (select from image.reader_role r where r.image_id = i.id and r.role = any ($3::text[]))
          or exists (select from image.reader_organization r join organization.member m on m.organization_id = r.organization_id
            join organization.organization o on o.id = r.organization_id and o.deleted_at is null where r.image_id = i.id and m.user_id = $2)
          or (i.visibility = 'album' and exists (select from image.album a
            where a.id = i.album_id and a.visibility in ('public', 'page') and image.can_view_album(a, $2, $3, null))))
        and image.can_view(i, $2, $3, null)
      order by i.rank, i.id limit $6`,
    values: [ownerId, viewer.userId, viewer.roles, after?.rank ?? null, after?.id ?? null, limit],
  });
}

/** What a viewer may see of an album, in the order of the ranks. Whether he may see the album is for the caller to ask. */
export function listAlbumImages(
  db: Db,
  { albumId, viewer, after, limit }: { albumId: string; viewer: Viewer } & Page,
): Promise<ImageRow[]> {
  return many<ImageRow>(db, {
    name: "image_list_of_album",
    text: `select ${columns} from image.image i join account."user" u on u.id = i.owner_id
      where i.album_id = $1 and i.kind = 'picture' and i.state = 'ready' and ($5::text is null or (i.rank, i.id) > ($5, $6::uuid))
        and image.can_view(i, $2, $3, $4)
      order by i.rank, i.id limit $7`,
    values: [albumId, viewer.userId, viewer.roles, viewer.shareId, after?.rank ?? null, after?.id ?? null, limit],
  });
}

/** An image that a viewer may see, and where the bytes of one of its variants are: the first of those formats by name. */
export type ShownVariant = {
  state: ImageState;
  reason: string | null;
  visibility: ImageVisibility;
  name: string;
  format: "webp" | "avif" | null;
  key: string | null;
};

export function findShownVariant(
  db: Db,
  { id, name, formats, viewer }: { id: string; name: string; formats: string[]; viewer: Viewer },
): Promise<ShownVariant | undefined> {
  return one<ShownVariant>(db, {
    name: "image_find_variant",
    text: `select i.state, i.reason, i.visibility, i.name, v.format, v.key from image.image i left join lateral (
        select v.format, b.key from image.variant v join blob.blob b on b.id = v.blob_id
          where v.image_id = i.id and v.name = $5 and v.format = any ($6::text[])
            and b.broken is null and not exists (select from blob.blocked x where x.sha256 = b.sha256)
          order by v.format limit 1) v on true
      where i.id = $1 and image.can_view(i, $2, $3, $4)`,
    values: [id, viewer.userId, viewer.roles, viewer.shareId, name, formats],
  });
}

export type ImageAccess = { users: string[]; roles: string[]; organizations: string[] };

/** Who else may see an image. */
export async function findImageAccess(db: Db, imageId: string): Promise<ImageAccess> {
  const row = await one<ImageAccess>(db, {
    name: "image_access_find",
    text: `select array(select u.login from image.reader_user r join account."user" u on u.id = r.user_id where r.image_id = $1 and u.deleted_at is null order by 1) as users,
      array(select role from image.reader_role where image_id = $1 order by 1) as roles,
      array(select o.slug from image.reader_organization r join organization.organization o on o.id = r.organization_id
        where r.image_id = $1 and o.deleted_at is null order by 1) as organizations`,
    values: [imageId],
  });
  return row ?? { users: [], roles: [], organizations: [] };
}
