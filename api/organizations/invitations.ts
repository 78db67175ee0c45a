import { insertActivity } from "../../db/activity.ts";
import { lockOrganizationById, type OrganizationRole } from "../../db/organization.ts";
import {
  findInvitation,
  findInvitationByToken,
  type InvitationRow,
  insertInvitation,
  listInvitations,
  listInvitationsTo,
  settleInvitation,
  settleInvitationsTo,
  useInvitation,
} from "../../db/organization-invitation.ts";
import { countMembers, findMember, insertMember, shareUser, updateMember } from "../../db/organization-member.ts";
import { insertFact } from "../../db/outbox.ts";
import type { Db } from "../../db/query.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { makeSecret } from "../../keys.ts";
import { refusedLink } from "../accounts/email.ts";
import type { Api } from "../api.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { Invitation, MadeInvitation, NewInvitation } from "./model.ts";
import { getOrganizationAs, hasRole, lockOrganizationAs } from "./standing.ts";

/** So many invitations of one organization, or to one person, are open at once. */
const mostOpen = 200;
const longestDays = 366;

type Parts = Pick<Api, "db" | "config" | "publicUrl">;
type Inviting = { caller: Caller; slug: string; invitation: NewInvitation };

/** Invites somebody, or makes a link whose token is in this answer and nowhere else. Who is to manage is invited by the owner. */
export async function invite(
  api: Parts,
  { caller, slug, invitation }: Inviting,
): Promise<typeof MadeInvitation.static> {
  const { login, link = false, role = "member", maxUses = 1, expiresAt } = invitation;
  checkInvitation(invitation);
  const token = link ? makeSecret() : null;
  const made = await api.db.transaction(async (tx) => {
    const row = await lockOrganizationAs(tx, { slug, caller, role: role === "manager" ? "owner" : "manager" });
    const open = await listInvitations(tx, { organizationId: row.id, limit: mostOpen });
    if (open.length >= mostOpen)
      throw new Fault("quota-exceeded", `Cannot invite: ${mostOpen} invitations of "${slug}" are open already`);
    const guest = login === undefined ? undefined : await requireGuest(tx, { organizationId: row.id, login, open });
    const id = Bun.randomUUIDv7();
    await insertInvitation(tx, {
      id,
      organizationId: row.id,
      role,
      userId: guest?.id ?? null,
      tokenHash: token === null ? null : hashToken(token),
      createdBy: caller.userId,
      expiresAt,
      maxUses,
    });
    if (guest)
      await insertFact(tx, {
        kind: "organization.invited",
        payload: { organizationId: row.id, invitationId: id, userId: guest.id },
      });
    await insertActivity(tx, {
      userId: caller.userId,
      kind: "member-invited",
      subject: guest ? `${slug}: ${guest.login}` : slug,
    });
    return findInvitation(tx, id);
  });
  if (!made) throw new Error("the invitation returned no row");
  return { ...describeInvitation(made), ...(token !== null && { link: `${api.publicUrl()}/join#${token}` }) };
}

function checkInvitation({ login, link, maxUses, expiresAt }: NewInvitation): void {
  const problem = (pointer: string, detail: string) =>
    new Fault("invalid", `Cannot invite: ${pointer.slice(1)} ${detail}`, { errors: [{ pointer, detail }] });
  if ((login === undefined) === (link === undefined)) throw problem("/login", "or link: name one of the two");
  if (login !== undefined && maxUses !== undefined) throw problem("/maxUses", "is for links");
  const days = expiresAt === undefined ? 1 : (Date.parse(expiresAt) - Date.now()) / (24 * 3600 * 1000);
  if (days <= 0 || days > longestDays) throw problem("/expiresAt", `lies within the next ${longestDays} days`);
}

type Guest = { organizationId: string; login: string; open: InvitationRow[] };

async function requireGuest(tx: Db, { organizationId, login, open }: Guest): Promise<{ id: string; login: string }> {
  const guest = await shareUser(tx, login.toLowerCase());
  if (!guest) throw new Fault("invalid", `There is nobody called ${login} here`);
  if (await findMember(tx, { organizationId, userId: guest.id }))
    throw new Fault("conflict", `"${login}" is a member already`);
  if (open.some(({ userId }) => userId === guest.id)) throw new Fault("conflict", `"${login}" is invited already`);
  return guest;
}

/** Open invitations of an organization, for those who invite. */
export async function listOpenInvitations(
  { db }: Pick<Parts, "db">,
  { caller, slug }: { caller: Caller; slug: string },
): Promise<Invitation[]> {
  const { id } = await getOrganizationAs({ db }, { slug, caller, role: "manager" });
  return (await listInvitations(db, { organizationId: id, limit: mostOpen })).map(describeInvitation);
}

/** Open invitations to the caller. */
export async function listOwnInvitations({ db }: Pick<Parts, "db">, caller: Caller): Promise<Invitation[]> {
  return (await listInvitationsTo(db, { userId: caller.userId, limit: mostOpen })).map(describeInvitation);
}

/** Takes an invitation back. */
export async function revokeInvitation(
  { db }: Pick<Parts, "db">,
  { caller, slug, id }: { caller: Caller; slug: string; id: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const row = await lockOrganizationAs(tx, { slug, caller, role: "manager" });
    const invitation = await findInvitation(tx, id);
    if (invitation?.organizationId !== row.id)
      throw new Fault("not-found", `There is no such open invitation of "${slug}"`);
    if (invitation.role === "manager" && !hasRole(row, "owner"))
      throw new Fault("not-allowed", "Not allowed: only the owner takes back an invitation to manage");
    await settleInvitation(tx, { id, outcome: "revoked" });
  });
}

type Joined = { organization: string; role: OrganizationRole };
type Look = (db: Db) => Promise<InvitationRow | undefined>;

/** Accepts an invitation to the caller. */
export function acceptOwnInvitation(api: Parts, { caller, id }: { caller: Caller; id: string }): Promise<Joined> {
  return join(api, { caller, look: ofCaller({ caller, id }), refuse: isNotOpen });
}

/** Accepts the link whose token that is. Who is a member already uses nothing up. */
export function acceptLink(api: Parts, { caller, token }: { caller: Caller; token: string }): Promise<Joined> {
  const tokenHash = hashToken(token);
  return join(api, { caller, look: (db) => findInvitationByToken(db, tokenHash), refuse: refusedLink });
}

/** Declines an invitation to the caller. */
export async function declineInvitation(
  { db }: Pick<Parts, "db">,
  { caller, id }: { caller: Caller; id: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    const invitation = await ofCaller({ caller, id })(tx);
    if (!invitation || !(await settleInvitation(tx, { id, outcome: "declined" }))) throw isNotOpen();
  });
}

type Joining = { caller: Caller; look: Look; refuse: () => Fault };

async function join({ db, config }: Parts, { caller, look, refuse }: Joining): Promise<Joined> {
  const { userId } = caller;
  const found = await look(db);
  if (!found) throw refuse();
  return db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    await lockOrganizationById(tx, found.organizationId);
    const invitation = await look(tx); // as it is now that nobody else joins
    if (!invitation) throw refuse();
    const { organizationId, slug, role } = invitation;
    const member = await findMember(tx, { organizationId, userId });
    if (member && (member.role !== "member" || role === "member")) return { organization: slug, role: member.role };
    if ((await useInvitation(tx, invitation.id)) === 0) throw refuse();
    await settleInvitationsTo(tx, { organizationId, userId });
    if (member) await updateMember(tx, { organizationId, userId, role });
    else {
      const members = await countMembers(tx, organizationId);
      if ((members?.count ?? 0) >= config.LIMIT_ORGANIZATION_MEMBERS)
        throw new Fault("quota-exceeded", `Cannot join "${slug}": it is full`);
      await insertMember(tx, { organizationId, userId, role });
      await insertFact(tx, { kind: "organization.member-joined", payload: { organizationId, userId } });
    }
    await insertActivity(tx, { userId, kind: "organization-joined", subject: slug });
    return { organization: slug, role };
  });
}

function ofCaller({ caller, id }: { caller: Caller; id: string }): Look {
  return async (db) => {
    const invitation = await findInvitation(db, id);
    return invitation?.userId === caller.userId ? invitation : undefined;
  };
}

function isNotOpen(): Fault {
  return new Fault("not-found", "There is no such open invitation to you");
}

export function describeInvitation(row: InvitationRow): Invitation {
  const { id, slug, name, role, login, createdBy, uses, maxUses } = row;
  return {
    id,
    organization: { slug, name },
    role,
    login,
    createdBy,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
    uses,
    maxUses,
  };
}
