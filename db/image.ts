import type { Reader } from "./blob.ts";
import { type Db, one } from "./query.ts";

export type ImageVisibility = "private" | "album" | "unlisted" | "public";
export type ImageState = "waiting" | "processing" | "ready" | "rejected";

export type ImageRow = {
  id: string;
  ownerId: string;
  ownerLogin: string;
  kind: "picture" | "avatar";
  albumId: string | null;
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
};

/** Who looks: a reader, and the share link that he has opened. */
export type Viewer = Reader & { shareId: string | null };

const columns = `i.id, i.owner_id as "ownerId", u.login as "ownerLogin", i.kind, i.album_id as "albumId", i.state, i.reason, i.name, i.caption, i.alt,
  i.visibility, i.rank, i.sha256, i.size_bytes as "sizeBytes", i.source_blob_id as "sourceBlobId", i.width, i.height, i.animated, i.placeholder,
  i.focus_x as "focusX", i.focus_y as "focusY", i.revision, i.created_at as "createdAt", i.updated_at as "updatedAt", i.expires_at as "expiresAt"`;

/** An image that this viewer may see. */
export function findImage(db: Db, { id, viewer }: { id: string; viewer: Viewer }): Promise<ImageRow | undefined> {
  return one<ImageRow>(db, {
    name: "image_find",
    text: `select ${columns} from image.image i join account."user" u on u.id = i.owner_id
      where i.id = $1 and image.can_view(i, $2, $3, $4)`,
    values: [id, viewer.userId, viewer.roles, viewer.shareId],
  });
}
