import type { PackRow } from "../../db/pack.ts";
import type { Db } from "../../db/query.ts";
import { Fault } from "../../fault.ts";
import { shareOrganizationAs } from "../organizations/standing.ts";
import type { Caller } from "../tokens.ts";

type Move = { pack: PackRow; caller: Caller; ownerId: string | undefined; organization: string | null | undefined };

/**
 * Whose a pack becomes: somebody's, an organization's, or the caller's when he takes it out of one. Undefined when it is so
 * already. Organizations are locked here, before the pack's row.
 */
export async function planMove(
  tx: Db,
  { pack, caller, ownerId, organization }: Move,
): Promise<{ ownerId: string; organizationId: string | null } | undefined> {
  if (ownerId !== undefined && (organization !== undefined || pack.organizationId !== null))
    throw new Fault("invalid", `Cannot hand "${pack.slug}" over to somebody: take it out of the organization first`, {
      errors: [{ pointer: "/owner", detail: "goes with no organization" }],
    });
  if (pack.organization) await takeIn(tx, { organization: pack.organization.slug, caller });
  const organizationId = typeof organization === "string" ? await takeIn(tx, { organization, caller }) : null;
  if (ownerId === undefined && organizationId === pack.organizationId) return undefined;
  return { ownerId: ownerId ?? caller.userId, organizationId };
}

/** The id of an organization to which the caller may give something, kept as it is until the transaction ends. */
export async function takeIn(
  tx: Db,
  { organization, caller }: { organization: string; caller: Caller },
): Promise<string> {
  return (await shareOrganizationAs(tx, { slug: organization, caller, role: "manager" })).id;
}
