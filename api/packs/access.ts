import { replaceAccess } from "../../db/pack-access.ts";
import type { Deps } from "../../deps.ts";
import { toReader } from "../caller.ts";
import { requireOrganizations } from "../organizations/standing.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { WideAccess } from "./model.ts";
import { getPackAs, requireUsers } from "./service.ts";

/** Says who may read a private pack. */
export async function setAccess(
  packs: Pick<Deps, "db">,
  { caller, slug, users, roles, organizations = [] }: { caller: Caller; slug: string } & typeof WideAccess.static,
): Promise<void> {
  const pack = await getPackAs(packs, { slug, caller, role: "maintainer" });
  const userIds = await requireUsers(packs.db, users);
  const organizationIds = await requireOrganizations(packs.db, {
    slugs: organizations,
    reader: toReader(caller),
    packId: pack.id,
  });
  await packs.db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    await replaceAccess(tx, { packId: pack.id, userIds, roles: [...new Set(roles)], organizationIds });
  });
}
