import { Type as t } from "@sinclair/typebox";
import {
  type AlbumRow,
  deleteAlbum,
  findAlbum,
  insertAlbum,
  listAlbumOwners,
  listAlbumsOf,
  listEventGalleries,
  listGalleries,
  listOrganizationGalleries,
  listOwnAlbumImages,
  lockAlbum,
  releaseAlbumImage,
  releaseAlbumImages,
  updateAlbum,
} from "../../db/album.ts";
import { listAlbumImages, type Viewer } from "../../db/image.ts";
import { deleteImage } from "../../db/image-change.ts";
import type { Db } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { toReader } from "../caller.ts";
import { getEvent, getOwnEvent } from "../events/service.ts";
import type { Image } from "../images/model.ts";
import { describePage, readPlace } from "../images/service.ts";
import { getOrganization, shareOrganizationAs } from "../organizations/standing.ts";
import { changedMeanwhile, getPack, getPackAs } from "../packs/service.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import type { Caller } from "../tokens.ts";
import { findShownProfile } from "../users/service.ts";
import type { Album, AlbumChange, NewAlbum } from "./model.ts";

type Albums = Pick<Deps, "db" | "bus">;
type Page<Item> = { items: Item[]; nextCursor: string | null };
type Listing = { viewer: Viewer; limit?: number | undefined; cursor?: string | undefined };
const Cursor = t.Tuple([CursorId]);
const mostAlbums = 1_000;

/** An album that this viewer may see. For everybody else it does not exist. */
export async function getAlbum(db: Db, { id, viewer }: { id: string; viewer: Viewer }): Promise<AlbumRow> {
  const row = await findAlbum(db, { id, viewer });
  if (!row) throw new Fault("not-found", "There is no such album that you may see");
  return row;
}

/** An album that this viewer may change: 404 when he may not see it, 403 when he may do no more. */
export async function getEditableAlbum(db: Db, asked: { id: string; viewer: Viewer }): Promise<AlbumRow> {
  const row = await getAlbum(db, asked);
  if (row.role === "editor") return row;
  throw notEditor(row);
}

function notEditor(row: AlbumRow): Fault {
  const page = row.packSlug ?? row.organizationSlug ?? row.eventSlug;
  const whose = page === null ? `belongs to ${row.ownerLogin}` : `is for those who look after "${page}"`;
  return new Fault("not-allowed", `Not allowed: this album ${whose}`);
}

/** Makes an album of the caller's own, or a gallery of a pack that he owns or maintains, of an organization that he manages, or of an event that he runs. */
export async function createAlbum(
  { db }: Pick<Albums, "db">,
  {
    caller,
    title,
    description = "",
    visibility = "private",
    pack: slug,
    organization,
    event,
  }: NewAlbum & { caller: Caller },
): Promise<AlbumRow> {
  const pages = [slug, organization, event].filter((page) => page !== undefined);
  if (pages.length > 1)
    throw new Fault("invalid", "Cannot make the album: it is the gallery of one page", {
      errors: [{ pointer: event === undefined ? "/organization" : "/event", detail: "goes with no other page" }],
    });
  requirePage(visibility, { hasPage: pages.length > 0 });
  const pack = slug === undefined ? null : await getPackAs({ db }, { slug, caller, role: "maintainer" });
  const eventId = event === undefined ? null : (await getOwnEvent({ db }, { slug: event, caller })).id;
  const id = Bun.randomUUIDv7();
  const album = { id, ownerId: caller.userId, packId: pack?.id ?? null, title, description, visibility };
  const count = await db.transaction(async (tx) => {
    const page = organization && (await shareOrganizationAs(tx, { slug: organization, caller, role: "manager" }));
    return insertAlbum(tx, { ...album, eventId, organizationId: page ? page.id : null, most: mostAlbums });
  });
  if (count === 0) throw new Fault("quota-exceeded", `Cannot make an album: you have ${mostAlbums} already`);
  return getAlbum(db, { id, viewer: ownViewer(caller) });
}

/** Changes what is given; 412 when somebody was first. */
export async function changeAlbum(
  { db, bus }: Albums,
  { row, revision, change }: { row: AlbumRow; revision: number; change: AlbumChange },
): Promise<void> {
  requirePage(change.visibility ?? "private", row);
  if ((await updateAlbum(db, { id: row.id, revision, ...change })) === 0) throw changedMeanwhile(row.title);
  if (change.visibility !== undefined) await tellImagesChanged({ db, bus }, row.id);
}

type Removal = { caller: Caller; row: AlbumRow; revision: number | undefined; images: "keep" | "delete" };

/**
 * Deletes an album, its links and its archives. Its images stay with their owners, who alone see those that were shown
 * because of it; or go with it: all of them, or of a gallery the caller's own.
 */
export async function removeAlbum({ db, bus }: Albums, { caller, row, revision, images }: Removal): Promise<void> {
  const ownerId = row.hasPage ? caller.userId : row.ownerId;
  const owners = await db.transaction(async (tx) => {
    if (!(await lockAlbum(tx, { id: row.id, revision }))) throw changedMeanwhile(row.title);
    const owners = await listAlbumOwners(tx, row.id);
    const going = images === "delete" ? await listOwnAlbumImages(tx, { id: row.id, ownerId }) : [];
    for (const id of going) await deleteImage(tx, { id, revision: undefined });
    await releaseAlbumImages(tx, row.id);
    await deleteAlbum(tx, row.id);
    return owners;
  });
  for (const owner of owners) bus.publish("images.changed", owner, { now: true });
}

/**
 * Takes an image out of an album, as its editor may with any, and everybody with his own. It stays its owner's, who alone
 * sees it when it was shown because of the album.
 */
export async function takeOut(
  { db, bus }: Albums,
  { caller, row, imageId }: { caller: Caller; row: AlbumRow; imageId: string },
): Promise<void> {
  const isEditor = row.role === "editor";
  const ownerId = isEditor ? null : caller.userId;
  const taken = await releaseAlbumImage(db, { id: row.id, imageId, ownerId });
  if (taken) return bus.publish("images.changed", taken.ownerId, { now: true });
  if (!isEditor) throw notEditor(row);
  throw new Fault("not-found", "There is no such image in this album");
}

/** An album's images in the order of their ranks, as far as this viewer may see them. */
export async function listImages(
  { db }: Pick<Albums, "db">,
  { row, viewer, limit = 50, cursor }: Listing & { row: AlbumRow },
): Promise<Page<Image>> {
  const rows = await listAlbumImages(db, { albumId: row.id, viewer, after: readPlace(cursor), limit: limit + 1 });
  return describePage(rows, { limit, reader: viewer });
}

/** Somebody's own albums that are shown to this viewer, newest first. 404 when there is no such user. */
export async function listOfUser(
  { db }: Pick<Albums, "db">,
  { name, ...listing }: Listing & { name: string },
): Promise<Page<Album>> {
  const owner = await findShownProfile(db, name);
  if (!owner) throw new Fault("not-found", "There is no such user");
  return listOfOwner({ db }, { ownerId: owner.id, ...listing });
}

export function listOfOwner(
  { db }: Pick<Albums, "db">,
  { ownerId, ...listing }: Listing & { ownerId: string },
): Promise<Page<Album>> {
  return describeAlbums(listing, (page) => listAlbumsOf(db, { ownerId, ...page }));
}

/** The galleries of a pack that are shown to this viewer, newest first. */
export async function listOfPack(
  { db }: Pick<Albums, "db">,
  { slug, caller, ...listing }: Listing & { slug: string; caller: Caller | null },
): Promise<Page<Album>> {
  const pack = await getPack({ db }, { slug, caller });
  return describeAlbums(listing, (page) => listGalleries(db, { packId: pack.id, ...page }));
}

/** The galleries of an organization that are shown to this viewer, newest first. */
export async function listOfOrganization(
  { db }: Pick<Albums, "db">,
  { slug, caller, ...listing }: Listing & { slug: string; caller: Caller | null },
): Promise<Page<Album>> {
  const { id: organizationId } = await getOrganization({ db }, { slug, caller });
  return describeAlbums(listing, (page) => listOrganizationGalleries(db, { organizationId, ...page }));
}

/** The galleries of an event that are shown to this viewer, newest first. */
export async function listOfEvent(
  { db }: Pick<Albums, "db">,
  { slug, caller, ...listing }: Listing & { slug: string; caller: Caller | null },
): Promise<Page<Album>> {
  const { id: eventId } = await getEvent({ db }, { slug, caller });
  return describeAlbums(listing, (page) => listEventGalleries(db, { eventId, ...page }));
}

/** An album as the API shows it. */
export function describeAlbum(row: AlbumRow): Album {
  const { id, title, description, visibility, coverId, coverAlt, coverPlaceholder } = row;
  return {
    id,
    title,
    description,
    visibility,
    owner: row.ownerLogin,
    pack: row.packSlug,
    organization: row.organizationSlug,
    event: row.eventSlug,
    role: row.role ?? "reader",
    cover:
      coverId === null
        ? null
        : { id: coverId, url: `/v1/images/${coverId}/thumb`, alt: coverAlt ?? "", placeholder: coverPlaceholder },
    images: `/v1/albums/${id}/images`,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

type Asked = { viewer: Viewer; before: string | null; limit: number };

async function describeAlbums(
  { viewer, limit = 50, cursor }: Listing,
  list: (page: Asked) => Promise<AlbumRow[]>,
): Promise<Page<Album>> {
  const rows = await list({ viewer, before: readCursor(cursor, Cursor)?.[0] ?? null, limit: limit + 1 });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return { items: rows.slice(0, limit).map(describeAlbum), nextCursor: last ? writeCursor([last.id]) : null };
}

function requirePage(visibility: string, { hasPage }: { hasPage: boolean }): void {
  if (visibility === "page" && !hasPage)
    throw new Fault("invalid", "Cannot show the album to whoever sees its page: it is no page's gallery", {
      errors: [{ pointer: "/visibility", detail: "needs a pack, an organization or an event" }],
    });
}

async function tellImagesChanged({ db, bus }: Albums, albumId: string): Promise<void> {
  for (const owner of await listAlbumOwners(db, albumId)) bus.publish("images.changed", owner, { now: true });
}

const ownViewer = (caller: Caller): Viewer => ({ ...toReader(caller), shareId: null });
