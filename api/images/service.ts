import { Type as t } from "@sinclair/typebox";
import type { Reader } from "../../db/blob.ts";
import {
  findImage,
  type ImageRow,
  type ImageState,
  listOwnImages,
  listShownImages,
  type Viewer,
} from "../../db/image.ts";
import { deleteImage, findOwnImage, lockOpenAlbum, replaceImageAccess, updateImage } from "../../db/image-change.ts";
import type { Db } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { toReader } from "../caller.ts";
import { requireOrganizations } from "../organizations/standing.ts";
import { changedMeanwhile, requireUsers } from "../packs/service.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import type { Caller } from "../tokens.ts";
import { findShownProfile } from "../users/service.ts";
import { describeImage, describeWhole, isOwner } from "./describe.ts";
import type { Image, ImageChange, NewImage } from "./model.ts";
import { longestRank, moveImage } from "./order.ts";

export type ImagesDeps = Pick<Deps, "db" | "storage" | "config" | "mailbox" | "bus">;
export type Stored = { image: Image; revision: number };
/** Where the page before ended: a rank and an id. */
const Cursor = t.Tuple([t.String({ pattern: "^[0-9A-Za-z]+$", maxLength: longestRank }), CursorId]);

/** An image that this viewer may see. For everybody else it does not exist. */
export async function getImage(db: Db, { id, viewer }: { id: string; viewer: Viewer }): Promise<ImageRow> {
  const row = await findImage(db, { id, viewer });
  if (!row) throw new Fault("not-found", "There is no such image that you may see");
  return row;
}

/** The same as the API shows it. */
export async function showImage(images: ImagesDeps, { id, viewer }: { id: string; viewer: Viewer }): Promise<Stored> {
  const row = await getImage(images.db, { id, viewer });
  return { image: await describeWhole(images, { row, reader: viewer }), revision: row.revision };
}

type Listing = { limit?: number; cursor?: string };

/** The caller's own images in his order, in every state or in one. */
export async function listOwn(
  { db }: Pick<ImagesDeps, "db">,
  { caller, state, album, limit = 50, cursor }: Listing & { caller: Caller; state?: ImageState; album?: string },
): Promise<{ items: Image[]; nextCursor: string | null }> {
  const page = { after: readPlace(cursor), limit: limit + 1 };
  const filter = { state: state ?? null, albumId: album ?? null };
  const rows = await listOwnImages(db, { ownerId: caller.userId, ...filter, ...page });
  return describePage(rows, { limit, reader: toReader(caller) });
}

/** Somebody's images in his order, as this viewer is shown them. 404 when there is no such user. */
export async function listOfUser(
  { db, knownImages }: Pick<Api, "db" | "knownImages">,
  { name, viewer, limit = 50, cursor }: Listing & { name: string; viewer: Viewer },
): Promise<{ items: Image[]; nextCursor: string | null }> {
  const owner = await findShownProfile(db, name);
  if (!owner) throw new Fault("not-found", "There is no such user");
  const asked = { ownerId: owner.id, viewer, limit: limit + 1 };
  const after = readPlace(cursor);
  const rows = after ? await listShownImages(db, { ...asked, after }) : await knownImages.listFirst(asked);
  return describePage(rows, { limit, reader: viewer });
}

/** A page of a list that was asked for one image more than it shows. */
export function describePage(rows: ImageRow[], { limit, reader }: { limit: number; reader: Reader }) {
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows.slice(0, limit).map((row) => describeImage(row, reader)),
    nextCursor: last ? writeCursor([last.rank, last.id]) : null,
  };
}

/** What a cursor of a list of images holds. */
export function readPlace(cursor: string | undefined): { rank: string; id: string } | null {
  const [rank, id] = readCursor(cursor, Cursor) ?? [];
  return rank !== undefined && id !== undefined ? { rank, id } : null;
}

/**
 * Changes what is given; 412 when somebody was first. A move alone needs no revision: whatever else is changed meanwhile,
 * it is not in its way.
 */
export async function changeImage(
  { db, bus }: Pick<ImagesDeps, "db" | "bus">,
  { caller, id, revision, change }: { caller: Caller; id: string; revision: () => number; change: ImageChange },
): Promise<void> {
  const row = await getOwn(db, { caller, id });
  if (row.kind === "avatar")
    throw new Fault("conflict", "Cannot change an avatar: make another of one of your images (PUT /v1/me/avatar)");
  const { after, before, album, access, ...plain } = change;
  if (after !== undefined && before !== undefined)
    throw new Fault("invalid", "Cannot move the image: say after or before, not both");
  const isMoveOnly = [album, access, ...Object.values(plain)].every((value) => value === undefined);
  if (!isMoveOnly && revision() !== row.revision) throw changedMeanwhile(row.name);
  const albumId = album === undefined ? row.albumId : album;
  // Out of its album it is shown to nobody who saw it there.
  const left = albumId === null && row.visibility === "album" ? "private" : row.visibility;
  const visibility = requireAlbum(plain.visibility ?? left, albumId);
  await db.transaction(async (tx) => {
    if (album != null) await requireOpenAlbum(tx, { caller, id: album });
    const stands = { ...row, albumId };
    if (after !== undefined) await moveImage(tx, { row: stands, move: { after } });
    if (before !== undefined) await moveImage(tx, { row: stands, move: { before } });
    if (isMoveOnly) return;
    const changed = { ...plain, visibility, albumId: album };
    if ((await updateImage(tx, { id, revision: row.revision, change: changed })) === 0)
      throw changedMeanwhile(row.name);
    if (access) await setAccess(tx, { imageId: id, access, caller });
  });
  bus.publish("images.changed", row.ownerId, { now: true });
}

/** Deletes an image, and every archive that holds it. Its owner deletes also what he does not see: its bytes are blocked. */
export async function removeImage(
  { db, bus }: Pick<ImagesDeps, "db" | "bus">,
  { caller, id, revision }: { caller: Caller; id: string; revision: number | undefined },
): Promise<void> {
  const row = (await findOwnImage(db, { id, ownerId: caller.userId })) ?? (await getOwn(db, { caller, id }));
  if ((await db.transaction((tx) => deleteImage(tx, { id, revision }))) === 0) throw changedMeanwhile(row.name);
  bus.publish("images.changed", row.ownerId, { now: true });
}

async function getOwn(db: Db, { caller, id }: { caller: Caller; id: string }): Promise<ImageRow> {
  const row = await getImage(db, { id, viewer: ownViewer(caller) });
  if (!isOwner(row, toReader(caller)))
    throw new Fault("not-allowed", `Not allowed: this image belongs to ${row.ownerLogin}`);
  return row;
}

/** Somebody who has opened no share link. */
export const ownViewer = (caller: Caller): Viewer => ({ ...toReader(caller), shareId: null });

/** Holds an album that the caller may put images into until the transaction ends; 422 when he may not. */
export async function requireOpenAlbum(tx: Db, { caller, id }: { caller: Caller; id: string }): Promise<void> {
  if (!(await lockOpenAlbum(tx, { id, reader: toReader(caller) })))
    throw new Fault("invalid", "There is no such album that you may put images into", {
      errors: [{ pointer: "/album", detail: "is no album of yours" }],
    });
}

/** A visibility that an image in that album may have: 422 for `album` in none. */
export function requireAlbum<Visibility extends string>(visibility: Visibility, albumId: string | null): Visibility {
  if (visibility !== "album" || albumId !== null) return visibility;
  throw new Fault("invalid", "Cannot show the image to whoever sees its album: it is in none", {
    errors: [{ pointer: "/visibility", detail: "needs an album" }],
  });
}

/** Replaces who else may see an image; 422 when there is no such user or organization for the caller. */
export async function setAccess(
  tx: Db,
  { imageId, access, caller }: { imageId: string; access: NonNullable<NewImage["access"]>; caller: Caller },
): Promise<void> {
  const userIds = await requireUsers(tx, access.users);
  const named = { slugs: access.organizations ?? [], reader: toReader(caller), imageId };
  const organizationIds = await requireOrganizations(tx, named);
  await replaceImageAccess(tx, { imageId, userIds, roles: [...new Set(access.roles)], organizationIds });
}
