import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { insertActivity } from "../../db/activity.ts";
import { findShownAvatar } from "../../db/avatar.ts";
import {
  findManagedUser,
  findOtherAdmin,
  listManagedUsers,
  lockAdministration,
  type ManagedUserRow,
  updateManagedUser,
} from "../../db/managed-user.ts";
import { findPublicProfile, findPublicProfileByLogin, type PublicProfileRow } from "../../db/profile.ts";
import type { Db } from "../../db/query.ts";
import { insertRevocation, type Revocation } from "../../db/revocation.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { noteAct } from "../audit.ts";
import { endAllIn, isLastAdmin, restoreIn, tellChanged } from "../me/deletion.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { KnownProfile } from "./known-profiles.ts";
import type { ManagedUser, UserChange } from "./model.ts";

const Cursor = t.Tuple([t.String({ pattern: "^\\S{1,100}$" })]);

/** The public profile of an id or a login, as the database has it now. */
export async function findShownProfile(db: Db, name: string): Promise<PublicProfileRow | undefined> {
  const folded = name.toLowerCase();
  const byId = Value.Check(CursorId, folded) ? await findPublicProfile(db, folded) : undefined;
  return byId ?? findPublicProfileByLogin(db, folded);
}

/** The same with the avatar that is shown now. */
export async function findKnownProfile(db: Db, name: string): Promise<KnownProfile | undefined> {
  const row = await findShownProfile(db, name);
  return row && { ...row, avatarId: (await findShownAvatar(db, row.id)) ?? null };
}

/** Accounts for admins, by login; disabled and hidden ones too. */
export async function searchUsers(
  { db }: Pick<Api, "db">,
  { query, limit = 50, cursor }: { query?: string; limit?: number; cursor?: string },
): Promise<{ items: ManagedUser[]; nextCursor: string | null }> {
  const rows = await listManagedUsers(db, {
    query: query ? `%${query.replace(/[\\%_]/g, "\\$&")}%` : null,
    after: readCursor(cursor, Cursor)?.[0] ?? null,
    limit: limit + 1,
  });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows.slice(0, limit).map(describeManagedUser),
    nextCursor: last ? writeCursor([last.login]) : null,
  };
}

/**
 * Changes roles, disables, enables, or brings back. Access tokens made before are refused everywhere within a second;
 * disabling also ends all sessions and personal access tokens. 409 when nobody would be left who is an admin: admins are
 * changed one after the other, so that two cannot remove each other.
 */
export async function changeUser(
  api: Api,
  { caller, request, id, change }: { caller: Caller; request: Request; id: string; change: UserChange },
): Promise<ManagedUser> {
  const told = await api.db.transaction(async (tx) => {
    await lockAdministration(tx); // before any row
    await confirmCaller(tx, caller);
    const user = await requireManagedUser(tx, id);
    if (change.deleted === false && user.deletedAt !== null && !(await restoreIn(tx, id)))
      throw new Fault("conflict", `Cannot bring "${user.login}" back: the time for it is over`);
    await noteAct(tx, { caller, request }, { action: "user.changed", subject: id, detail: change });
    return changeAccess(tx, { user, change });
  });
  for (const revocation of told) api.revocations.tell(revocation);
  await tellChanged(api, id);
  return describeManagedUser(await requireManagedUser(api.db, id));
}

async function changeAccess(
  tx: Db,
  { user, change }: { user: ManagedUserRow; change: UserChange },
): Promise<Revocation[]> {
  const { id, login } = user;
  const roles = [...new Set(change.roles ?? user.roles)].sort();
  const disabled = change.disabled ?? user.disabledAt !== null;
  const sameRoles = roles.join() === [...user.roles].sort().join();
  if (sameRoles && disabled === (user.disabledAt !== null)) return [];
  const loses = user.roles.includes("admin") && (disabled || !roles.includes("admin"));
  if (loses && !(await findOtherAdmin(tx, id)))
    throw isLastAdmin(disabled ? `disable "${login}"` : `take the role admin from "${login}"`);
  const updated = await updateManagedUser(tx, { id, roles, disabled });
  if (!updated) throw isUnknown();
  const { ver } = updated;
  if (!sameRoles) await insertActivity(tx, { userId: id, kind: "roles-changed", subject: roles.join(", ") });
  if (disabled) return endAllIn(tx, { userId: id, reason: "account disabled", ver });
  const revocation: Revocation = { kind: "user", subject: id, ver };
  await insertRevocation(tx, revocation);
  return [revocation];
}

async function requireManagedUser(db: Db, id: string): Promise<ManagedUserRow> {
  const user = await findManagedUser(db, id);
  if (!user) throw isUnknown();
  return user;
}

function isUnknown(): Fault {
  return new Fault("not-found", "There is no such user");
}

function describeManagedUser(row: ManagedUserRow): ManagedUser {
  const { id, login, displayName, email, emailVerified, roles, secondFactor } = row;
  return {
    id,
    login,
    displayName,
    email,
    emailVerified,
    roles,
    secondFactor,
    createdAt: row.createdAt.toISOString(),
    disabledAt: row.disabledAt?.toISOString() ?? null,
    deletedAt: row.deletedAt?.toISOString() ?? null,
    eraseAfter: row.eraseAfter?.toISOString() ?? null,
  };
}
