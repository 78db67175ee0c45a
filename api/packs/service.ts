import { Type as t } from "@sinclair/typebox";
import { listUserIds } from "../../db/account.ts";
import { findBlob, listReadableBlobs, lockBlobs } from "../../db/blob.ts";
import {
  findPack,
  insertPack,
  listPacks,
  markPackDeleted,
  type PackChange,
  type PackPictures,
  type PackRole,
  type PackRow,
  updatePack,
  updatePackOwner,
  type Visibility,
} from "../../db/pack.ts";
import { type Db, isDuplicate } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { toReader } from "../caller.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { Pack } from "./model.ts";
import { planMove, takeIn } from "./ownership.ts";

type Packs = Pick<Deps, "db" | "config" | "bus">;
/** When the last pack of the page before was changed, as the database writes it (a Date would lose microseconds), and its id. */
const Cursor = t.Tuple([
  t.String({ pattern: "^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d(\\.\\d{1,6})?[+-]\\d\\d(:\\d\\d)?$" }),
  CursorId,
]);
const ranks: Record<PackRole, number> = { publisher: 1, maintainer: 2, owner: 3 };

/** A pack that the caller may see. Private ones do not exist for strangers. */
export async function getPack(
  { db }: { db: Db },
  { slug, caller }: { slug: string; caller: Caller | null },
): Promise<PackRow> {
  const pack = await findPack(db, { slug, reader: toReader(caller) });
  if (!pack) throw new Fault("not-found", `There is no pack "${slug}" that you may see`);
  return pack;
}

/** A pack in which the caller has at least that role: 404 when he may not see it, 403 when he has a lesser one. */
export async function getPackAs(
  packs: { db: Db },
  { slug, caller, role }: { slug: string; caller: Caller; role: PackRole },
): Promise<PackRow> {
  const pack = await getPack(packs, { slug, caller });
  if (!pack.role || ranks[pack.role] < ranks[role])
    throw new Fault("not-allowed", `Not allowed: this needs the role ${role} in "${slug}"`);
  return pack;
}

type NewPack = {
  caller: Caller;
  slug: string;
  name: string;
  summary?: string;
  visibility?: Visibility;
  organization?: string;
};

/** Makes a pack that is the caller's, or an organization's that he manages. */
export async function createPack(
  { db, config }: Pick<Packs, "db" | "config">,
  { caller, organization, ...pack }: NewPack,
): Promise<PackRow> {
  if (config.PACK_CREATORS === "authors" && !caller.roles.some((role) => role === "author" || role === "admin")) {
    throw new Fault(
      "not-allowed",
      "Cannot create a pack: on this server only authors may. Ask the operator for the role",
    );
  }
  try {
    await db.transaction(async (tx) => {
      await confirmCaller(tx, caller);
      const organizationId = organization === undefined ? null : await takeIn(tx, { organization, caller });
      const given = { summary: "", visibility: "private", ...pack } as const;
      await insertPack(tx, { id: Bun.randomUUIDv7(), ...given, ownerId: caller.userId, organizationId });
    });
  } catch (error) {
    if (isDuplicate(error))
      throw new Fault("conflict", `Cannot create "${pack.slug}": the slug is taken, or was once`, {
        cause: error,
        errors: [{ pointer: "/slug", detail: "is taken" }],
      });
    throw error;
  }
  return getPack({ db }, { slug: pack.slug, caller });
}

type Search = {
  caller: Caller | null;
  query?: string;
  tag?: string;
  minecraft?: string;
  loader?: string;
  organization?: string;
  limit?: number;
  cursor?: string;
};

export async function searchPacks(
  { db }: Pick<Packs, "db">,
  { caller, query, tag, minecraft, loader, organization, limit = 50, cursor }: Search,
): Promise<{ items: Pack[]; nextCursor: string | null }> {
  const [updatedAt, id] = readCursor(cursor, Cursor) ?? [];
  const after = updatedAt !== undefined && id !== undefined ? { updatedAt, id } : null;
  const pattern = query ? `%${query.replace(/[\\%_]/g, "\\$&")}%` : null;
  const rows = await listPacks(db, {
    reader: toReader(caller),
    query: pattern,
    tag: tag ?? null,
    minecraft: minecraft ?? null,
    loader: loader ?? null,
    organization: organization ?? null,
    after,
    limit: limit + 1,
  });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows.slice(0, limit).map(describePack),
    nextCursor: last ? writeCursor([last.updatedAtText, last.id]) : null,
  };
}

type Pictures = { icon?: string | null; logo?: string | null; background?: string | null };
type Change = PackChange & Pictures & { owner?: string; organization?: string | null };

/** Changes the page, its pictures or the owner; only the owner hands the pack over or shows it to others. */
export async function changePack(
  packs: Packs,
  { caller, slug, revision, change }: { caller: Caller; slug: string; revision: number; change: Change },
): Promise<PackRow> {
  const { icon, logo, background, owner, organization, ...page } = change;
  const moves = owner !== undefined || organization !== undefined;
  const pack = await getPackAs(packs, { slug, caller, role: moves || page.visibility ? "owner" : "maintainer" });
  const find = async (sha256: string | null | undefined) =>
    sha256 == null ? sha256 : findReadableBlob(packs.db, { sha256, caller });
  const pictures: PackPictures = {
    iconBlobId: await find(icon),
    logoBlobId: await find(logo),
    backgroundBlobId: await find(background),
  };
  const blobIds = [...new Set(Object.values(pictures).flatMap((id) => id ?? []))];
  await packs.db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    const ownerId = owner === undefined ? undefined : await requireUser(tx, owner);
    const moved = moves ? await planMove(tx, { pack, caller, ownerId, organization }) : undefined;
    // The collector waits, or was first.
    if ((await lockBlobs(tx, blobIds)).length < blobIds.length) throw changedMeanwhile("pictures");
    if ((await updatePack(tx, { id: pack.id, revision, change: page, pictures })) === 0) throw changedMeanwhile(slug);
    if (moved) await updatePackOwner(tx, { id: pack.id, ...moved });
  });
  packs.bus.publish("pack.changed", slug);
  const changed = await findPack(packs.db, { slug, reader: toReader(caller) });
  return changed ?? { ...pack, role: null, revision: revision + 2 };
}

/** Hides a pack at once and for good. */
export async function deletePack(
  packs: Pick<Packs, "db" | "bus">,
  {
    caller,
    slug,
    confirmed,
    revision,
  }: { caller: Caller; slug: string; confirmed: string; revision: number | undefined },
): Promise<void> {
  const pack = await getPackAs(packs, { slug, caller, role: "owner" });
  if (confirmed !== slug)
    throw new Fault("invalid", `Cannot delete "${slug}": repeat its slug in the body`, {
      errors: [{ pointer: "/slug", detail: `is not "${slug}"` }],
    });
  if (revision !== undefined && revision !== pack.revision) throw changedMeanwhile(slug);
  await packs.db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    await markPackDeleted(tx, pack.id);
  });
  packs.bus.publish("pack.changed", slug);
}

/** Ids of these logins, or a 422 that names the unknown ones. */
export async function requireUsers(db: Db, logins: string[]): Promise<string[]> {
  const wanted = [...new Set(logins.map((login) => login.toLowerCase()))];
  const known = await listUserIds(db, wanted);
  const unknown = wanted.filter((login) => !known.has(login));
  if (unknown.length > 0) throw new Fault("invalid", `There is nobody called ${unknown.join(", ")} here`);
  return [...known.values()];
}

export async function requireUser(db: Db, login: string): Promise<string> {
  const [id] = await requireUsers(db, [login]);
  if (id === undefined) throw new Fault("invalid", `There is nobody called ${login} here`);
  return id;
}

/** The blob of a digest that the caller may read; for him alone, a digest is not a right. */
export async function findReadableBlob(
  db: Db,
  { sha256, caller }: { sha256: string; caller: Caller },
): Promise<string> {
  const [readable] = await listReadableBlobs(db, { sha256: [sha256], reader: toReader(caller) });
  const blob = readable && (await findBlob(db, sha256));
  if (!blob) throw new Fault("invalid", `There are no bytes ${sha256} that you may read: upload them first`);
  return blob.id;
}

export function changedMeanwhile(what: string): Fault {
  return new Fault("changed-meanwhile", `"${what}" was changed meanwhile: read it again and repeat your change`);
}

export function describePack(pack: PackRow): Pack {
  const { slug, name, summary, description, licence, tags, links, visibility, role, minecraft, loaders } = pack;
  const { java, memoryMb, serverAddress } = pack;
  const times = { createdAt: pack.createdAt.toISOString(), updatedAt: pack.updatedAt.toISOString() };
  return {
    slug,
    name,
    summary,
    description,
    licence,
    tags,
    links,
    icon: showPicture(pack.iconSha256),
    logo: showPicture(pack.logoSha256),
    background: showPicture(pack.backgroundSha256),
    java,
    memoryMb,
    serverAddress,
    visibility,
    owner: pack.ownerLogin,
    organization: pack.organization,
    role,
    minecraft,
    loaders,
    ...times,
  };
}

const showPicture = (sha256: string | null) => (sha256 === null ? null : { sha256, url: `/v1/blobs/${sha256}` });
