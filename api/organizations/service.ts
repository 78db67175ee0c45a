import { Type as t } from "@sinclair/typebox";
import { insertActivity } from "../../db/activity.ts";
import {
  countOwnOrganizations,
  findOrganization,
  insertOrganization,
  listOrganizations,
  listOwnOrganizations,
  type OrganizationChange,
  type OrganizationRow,
  updateOrganization,
} from "../../db/organization.ts";
import { findOwned, markOrganizationDeleted, moveThings, type Owned } from "../../db/organization-things.ts";
import { isDuplicate } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { toReader } from "../caller.ts";
import { changedMeanwhile } from "../packs/service.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { DeleteOrganization, NewOrganization, Organization } from "./model.ts";
import { getOrganization, lockOrganizationAs, shareOrganizationAs } from "./standing.ts";

type Parts = Pick<Deps, "db" | "config" | "bus">;
const Cursor = t.Tuple([CursorId]);

/** Makes an organization that the caller owns. 409 for a slug that is or was taken. */
export async function createOrganization(
  { db, config }: Pick<Parts, "db" | "config">,
  { caller, organization }: { caller: Caller; organization: NewOrganization },
): Promise<OrganizationRow> {
  const { slug } = organization;
  try {
    await db.transaction(async (tx) => {
      const owned = await countOwnOrganizations(tx, caller.userId); // before any row
      await confirmCaller(tx, caller);
      if (owned >= config.LIMIT_USER_ORGANIZATIONS)
        throw new Fault("quota-exceeded", `Cannot create "${slug}": you own ${owned} organizations already`);
      const given = { description: {}, links: {}, visibility: "public", ...organization } as const;
      await insertOrganization(tx, { id: Bun.randomUUIDv7(), ...given, ownerId: caller.userId });
      await insertActivity(tx, { userId: caller.userId, kind: "organization-created", subject: slug });
    });
  } catch (error) {
    if (isDuplicate(error))
      throw new Fault("conflict", `Cannot create "${slug}": the slug is taken, or was once`, {
        cause: error,
        errors: [{ pointer: "/slug", detail: "is taken" }],
      });
    throw error;
  }
  return getOrganization({ db }, { slug, caller });
}

type Search = { caller: Caller | null; mine: boolean; query?: string; limit?: number; cursor?: string };

/** Public organizations, or the caller's own, newest first. */
export async function searchOrganizations(
  { db }: Pick<Parts, "db">,
  { caller, mine, query, limit = 50, cursor }: Search,
): Promise<{ items: Organization[]; nextCursor: string | null }> {
  const list = mine ? listOwnOrganizations : listOrganizations;
  const rows = await list(db, {
    reader: toReader(caller),
    pattern: query ? `%${query.replace(/[\\%_]/g, "\\$&")}%` : null,
    before: readCursor(cursor, Cursor)?.[0] ?? null,
    limit: limit + 1,
  });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows.slice(0, limit).map(describeOrganization),
    nextCursor: last ? writeCursor([last.id]) : null,
  };
}

type Changing = { caller: Caller; slug: string; revision: number; change: OrganizationChange };

/** Changes the page; only the owner shows it to others or hides it. */
export async function changeOrganization(
  { db, bus }: Parts,
  { caller, slug, revision, change }: Changing,
): Promise<OrganizationRow> {
  const changed = await db.transaction(async (tx) => {
    const role = change.visibility === undefined ? "manager" : "owner";
    const row = await lockOrganizationAs(tx, { slug, caller, role });
    if ((await updateOrganization(tx, { id: row.id, revision, change })) === 0) throw changedMeanwhile(slug);
    await insertActivity(tx, { userId: caller.userId, kind: "organization-changed", subject: slug });
    return (await findOrganization(tx, { slug, reader: toReader(caller) })) ?? row;
  });
  bus.publish("organization.changed", slug, { now: true });
  return changed;
}

type Deleting = { caller: Caller; slug: string; revision: number | undefined; body: DeleteOrganization };

/** Hides an organization at once and for good. 409 that lists what it owns, unless that goes to somebody. */
export async function deleteOrganization(
  { db, bus }: Parts,
  { caller, slug, revision, body }: Deleting,
): Promise<void> {
  const { transferTo } = body;
  const target = typeof transferTo === "object" ? transferTo.organization : undefined;
  const moved = await db.transaction(async (tx) => {
    // Locked in one order, whichever of two is deleted into the other.
    const early = target !== undefined && target < slug ? await lockTarget(target) : undefined;
    const row = await lockOrganizationAs(tx, { slug, caller, role: "owner" });
    if (body.slug !== slug)
      throw new Fault("invalid", `Cannot delete "${slug}": repeat its slug in the body`, {
        errors: [{ pointer: "/slug", detail: `is not "${slug}"` }],
      });
    if (revision !== undefined && revision !== row.revision) throw changedMeanwhile(slug);
    const owned = await findOwned(tx, row.id);
    if (transferTo === undefined && isAny(owned)) throw isOwner(slug, owned);
    const toId = target === undefined ? null : (early ?? (await lockTarget(target)));
    if (toId === row.id)
      throw new Fault("invalid", `Cannot delete "${slug}": it cannot keep what it owns`, {
        errors: [{ pointer: "/transferTo/organization", detail: "is the one that is deleted" }],
      });
    const packs = isAny(owned) ? await moveThings(tx, { fromId: row.id, toId, userId: caller.userId }) : [];
    await markOrganizationDeleted(tx, row.id);
    await insertActivity(tx, { userId: caller.userId, kind: "organization-deleted", subject: slug });
    return packs;

    async function lockTarget(target: string): Promise<string> {
      return (await shareOrganizationAs(tx, { slug: target, caller, role: "manager" })).id;
    }
  });
  for (const pack of moved) bus.publish("pack.changed", pack);
  bus.publish("organization.changed", slug, { now: true });
}

const isAny = ({ packs, events, albums }: Owned) => packs.length + events.length + albums.length > 0;

function isOwner(slug: string, owned: Owned): Fault {
  return new Fault(
    "conflict",
    `Cannot delete "${slug}": it owns packs, events or albums. Say in transferTo who gets them, or delete them first`,
    { extra: { owned }, errors: [{ pointer: "/transferTo", detail: "is missing" }] },
  );
}

/** An organization as lists show it. */
export function describeOrganization(row: OrganizationRow): Organization {
  const { slug, name, description, links, visibility, ownerLogin, role } = row;
  return {
    slug,
    name,
    description,
    links,
    visibility,
    owner: ownerLogin,
    role,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
