import type { Reader } from "../../db/blob.ts";
import {
  findOrganization,
  listNamedOrganizations,
  lockOrganization,
  type OrganizationRole,
  type OrganizationRow,
  shareOrganization,
} from "../../db/organization.ts";
import type { Db } from "../../db/query.ts";
import { Fault } from "../../fault.ts";
import { toReader } from "../caller.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";

const ranks: Record<OrganizationRole, number> = { member: 1, manager: 2, owner: 3 };
type Standing = { slug: string; caller: Caller; role: OrganizationRole };

export function hasRole({ role }: Pick<OrganizationRow, "role">, least: OrganizationRole): boolean {
  return role !== null && ranks[role] >= ranks[least];
}

/** An organization that the caller may see. */
export async function getOrganization(
  { db }: { db: Db },
  { slug, caller }: { slug: string; caller: Caller | null },
): Promise<OrganizationRow> {
  const row = await findOrganization(db, { slug, reader: toReader(caller) });
  if (!row) throw isUnknown(slug);
  return row;
}

/** An organization in which the caller has at least that role: 404 when he may not see it, 403 when he has a lesser one. */
export async function getOrganizationAs(
  { db }: { db: Db },
  { slug, caller, role }: Standing,
): Promise<OrganizationRow> {
  const row = await getOrganization({ db }, { slug, caller });
  if (!hasRole(row, role))
    throw new Fault("not-allowed", `Not allowed: this needs the role ${role} in the organization "${slug}"`);
  return row;
}

/** The same inside the transaction that changes it or its people, which all come one after the other. */
export async function lockOrganizationAs(tx: Db, standing: Standing): Promise<OrganizationRow> {
  await confirmCaller(tx, standing.caller);
  await lockOrganization(tx, standing.slug);
  return getOrganizationAs({ db: tx }, standing);
}

/** The same inside a transaction that gives the organization something: it is not deleted meanwhile, and nobody's role changes. */
export async function shareOrganizationAs(tx: Db, standing: Standing): Promise<OrganizationRow> {
  await confirmCaller(tx, standing.caller);
  await shareOrganization(tx, standing.slug);
  return getOrganizationAs({ db: tx }, standing);
}

type Named = { slugs: string[]; reader: Reader; packId?: string; imageId?: string };

/**
 * Ids of these organizations, or a 422 that names those that the reader does not see. Those on the list of that pack or
 * image already may stay.
 */
export async function requireOrganizations(db: Db, { slugs, reader, packId, imageId }: Named): Promise<string[]> {
  const wanted = [...new Set(slugs)];
  if (wanted.length === 0) return [];
  const listed = { packId: packId ?? null, imageId: imageId ?? null };
  const known = await listNamedOrganizations(db, { slugs: wanted, reader, ...listed });
  const unknown = wanted.filter((slug) => !known.has(slug));
  if (unknown.length > 0) throw new Fault("invalid", `There is no organization ${unknown.join(", ")} that you may see`);
  return [...known.values()];
}

export function isUnknown(slug: string): Fault {
  return new Fault("not-found", `There is no organization "${slug}" that you may see`);
}
