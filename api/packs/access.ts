import { listNamedOrganizations } from "../../db/organization.ts";
import { replaceAccess } from "../../db/pack-access.ts";
import type { Db } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { toReader } from "../caller.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { Access } from "./model.ts";
import { getPackAs, requireUsers } from "./service.ts";

/** Says who may read a private pack. */
export async function setAccess(
  packs: Pick<Deps, "db">,
  { caller, slug, users, roles, organizations = [] }: { caller: Caller; slug: string } & typeof Access.static,
): Promise<void> {
  const pack = await getPackAs(packs, { slug, caller, role: "maintainer" });
  const userIds = await requireUsers(packs.db, users);
  const organizationIds = await requireOrganizations(packs.db, { slugs: organizations, caller, packId: pack.id });
  await packs.db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    await replaceAccess(tx, { packId: pack.id, userIds, roles: [...new Set(roles)], organizationIds });
  });
}

type Named = { slugs: string[]; caller: Caller; packId?: string };

/** Ids of these organizations, or a 422 that names those that the caller does not see. Those on a pack's list already may stay. */
export async function requireOrganizations(db: Db, { slugs, caller, packId = "" }: Named): Promise<string[]> {
  const wanted = [...new Set(slugs)];
  const known = await listNamedOrganizations(db, { slugs: wanted, reader: toReader(caller), packId: packId || null });
  const unknown = wanted.filter((slug) => !known.has(slug));
  if (unknown.length > 0) throw new Fault("invalid", `There is no organization ${unknown.join(", ")} that you may see`);
  return [...known.values()];
}
