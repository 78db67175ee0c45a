import { Type as t } from "@sinclair/typebox";
import { insertActivity } from "../../db/activity.ts";
import type { OrganizationRow } from "../../db/organization.ts";
import { revokeInvitationsBy } from "../../db/organization-invitation.ts";
import { deleteMember, findMember, listMembers, type MemberRow, updateMember } from "../../db/organization-member.ts";
import type { Db } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import type { Caller } from "../tokens.ts";
import type { Member } from "./model.ts";
import { getOrganization, hasRole, lockOrganizationAs } from "./standing.ts";

const Cursor = t.Tuple([t.Integer({ minimum: 1, maximum: 3 }), CursorId]);

/** Members, owner first: all of them for members, for others those who are public. */
export async function pageMembers(
  { db }: Pick<Deps, "db">,
  { caller, slug, limit = 50, cursor }: { caller: Caller | null; slug: string; limit?: number; cursor?: string },
): Promise<{ items: Member[]; nextCursor: string | null }> {
  const row = await getOrganization({ db }, { slug, caller });
  const [rank, userId] = readCursor(cursor, Cursor) ?? [];
  const after = rank !== undefined && userId !== undefined ? { rank, userId } : null;
  const rows = await listMembers(db, { organizationId: row.id, all: row.role !== null, after, limit: limit + 1 });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows.slice(0, limit).map(describeMember),
    nextCursor: last ? writeCursor([last.rank, last.userId]) : null,
  };
}

type Which = { caller: Caller; slug: string; userId: string };
type Change = { role?: "manager" | "member"; public?: boolean };

/** The owner says who is a manager; each member says whether others see him. */
export async function changeMember(
  { db }: Pick<Deps, "db">,
  { caller, slug, userId, change }: Which & { change: Change },
): Promise<Member> {
  return db.transaction(async (tx) => {
    const row = await lockOrganizationAs(tx, { slug, caller, role: change.role === undefined ? "member" : "owner" });
    const member = await requireMember(tx, { row, userId });
    if (change.public !== undefined && userId !== caller.userId)
      throw new Fault("not-allowed", "Not allowed: everybody says for himself whether others see him");
    if (change.role !== undefined && member.role === "owner")
      throw new Fault("conflict", `Cannot change the role of "${member.login}": hand the organization over instead`);
    const { role, public: isPublic } = change;
    await updateMember(tx, {
      organizationId: row.id,
      userId,
      ...(role !== undefined && { role }),
      ...(isPublic !== undefined && { isPublic }),
    });
    if (role === "member") await revokeInvitationsBy(tx, { organizationId: row.id, userId });
    if (role !== undefined)
      await insertActivity(tx, {
        userId: caller.userId,
        kind: "member-changed",
        subject: `${slug}: ${member.login}, ${role}`,
      });
    return describeMember({ ...member, role: role ?? member.role, isPublic: isPublic ?? member.isPublic });
  });
}

/** Lets a member go, or leaves. A manager lets members go; the owner anybody, but himself only after a transfer. */
export async function removeMember({ db }: Pick<Deps, "db">, { caller, slug, userId }: Which): Promise<void> {
  await db.transaction(async (tx) => {
    const leaves = userId === caller.userId;
    const row = await lockOrganizationAs(tx, { slug, caller, role: leaves ? "member" : "manager" });
    const member = await requireMember(tx, { row, userId });
    if (member.role === "owner")
      throw new Fault("conflict", `Cannot let the owner of "${slug}" go: hand it over to somebody else first`);
    if (!leaves && member.role === "manager" && !hasRole(row, "owner"))
      throw new Fault("not-allowed", `Not allowed: only the owner lets the manager "${member.login}" go`);
    await deleteMember(tx, { organizationId: row.id, userId });
    await revokeInvitationsBy(tx, { organizationId: row.id, userId });
    const told = leaves
      ? ({ kind: "organization-left", subject: slug } as const)
      : ({ kind: "member-removed", subject: `${slug}: ${member.login}` } as const);
    await insertActivity(tx, { userId: caller.userId, ...told });
  });
}

async function requireMember(tx: Db, { row, userId }: { row: OrganizationRow; userId: string }): Promise<MemberRow> {
  const member = await findMember(tx, { organizationId: row.id, userId });
  if (!member) throw new Fault("not-found", `There is no such member of "${row.slug}"`);
  return member;
}

export function describeMember({ userId, login, displayName, role, isPublic, since }: MemberRow): Member {
  return { userId, login, displayName, role, public: isPublic, since: since.toISOString() };
}
