import { type Db, many, one, run } from "./query.ts";

export type InvitedRole = "manager" | "member";

export type InvitationRow = {
  id: string;
  organizationId: string;
  slug: string;
  name: string;
  role: InvitedRole;
  /** Who is invited; null: whoever has the link. */
  userId: string | null;
  login: string | null;
  createdBy: string | null;
  createdAt: Date;
  expiresAt: Date;
  uses: number;
  maxUses: number;
};

const columns = `i.id, i.organization_id as "organizationId", o.slug, o.name, i.role, i.user_id as "userId", guest.login, maker.login as "createdBy",
  i.created_at as "createdAt", i.expires_at as "expiresAt", i.uses, i.max_uses as "maxUses"`;
// Of organizations and people that are there; an open one only.
const open = `organization.invitation i join organization.organization o on o.id = i.organization_id and o.deleted_at is null
  left join account."user" guest on guest.id = i.user_id
  left join account."user" maker on maker.id = i.created_by and maker.deleted_at is null
  where i.settled_at is null and i.expires_at > now() and (i.user_id is null or guest.deleted_at is null)`;

type NewInvitation = {
  id: string;
  organizationId: string;
  role: InvitedRole;
  userId: string | null;
  tokenHash: string | null;
  createdBy: string;
  /** Undefined: two weeks. */
  expiresAt: string | undefined;
  maxUses: number;
};

export function insertInvitation(tx: Db, row: NewInvitation): Promise<number> {
  return run(tx, {
    name: "invitation_insert",
    text: `insert into organization.invitation (id, organization_id, role, user_id, token_hash, created_by, expires_at, max_uses)
      values ($1, $2, $3, $4, $5, $6, coalesce($7, now() + interval '14 days'), $8)`,
    values: [
      row.id,
      row.organizationId,
      row.role,
      row.userId,
      row.tokenHash,
      row.createdBy,
      row.expiresAt ?? null,
      row.maxUses,
    ],
  });
}

/** Open invitations of an organization, newest first. */
export function listInvitations(
  db: Db,
  { organizationId, limit }: { organizationId: string; limit: number },
): Promise<InvitationRow[]> {
  return many<InvitationRow>(db, {
    name: "invitation_list",
    text: `select ${columns} from ${open} and i.organization_id = $1 order by i.id desc limit $2`,
    values: [organizationId, limit],
  });
}

/** Open invitations to somebody, newest first. */
export function listInvitationsTo(
  db: Db,
  { userId, limit }: { userId: string; limit: number },
): Promise<InvitationRow[]> {
  return many<InvitationRow>(db, {
    name: "invitation_list_to",
    text: `select ${columns} from ${open} and i.user_id = $1 order by i.id desc limit $2`,
    values: [userId, limit],
  });
}

/** An invitation that may still be accepted. */
export function findInvitation(db: Db, id: string): Promise<InvitationRow | undefined> {
  return one<InvitationRow>(db, {
    name: "invitation_find",
    text: `select ${columns} from ${open} and i.id = $1`,
    values: [id],
  });
}

/** The same by the hash of a link's token. */
export function findInvitationByToken(db: Db, tokenHash: string): Promise<InvitationRow | undefined> {
  return one<InvitationRow>(db, {
    name: "invitation_find_by_token",
    text: `select ${columns} from ${open} and i.token_hash = $1`,
    values: [tokenHash],
  });
}

export type InvitationOutcome = "accepted" | "declined" | "revoked";

/** Ends an open invitation; 0 when it was ended before. */
export function settleInvitation(tx: Db, { id, outcome }: { id: string; outcome: InvitationOutcome }): Promise<number> {
  return run(tx, {
    name: "invitation_settle",
    text: `update organization.invitation set settled_at = now(), outcome = $2 where id = $1 and settled_at is null`,
    values: [id, outcome],
  });
}

/** Counts one use, and ends an invitation that is used up. */
export function useInvitation(tx: Db, id: string): Promise<number> {
  return run(tx, {
    name: "invitation_use",
    text: `update organization.invitation set uses = uses + 1,
        settled_at = case when uses + 1 >= max_uses then now() end, outcome = case when uses + 1 >= max_uses then 'accepted' end
      where id = $1 and settled_at is null and expires_at > now() and uses < max_uses`,
    values: [id],
  });
}

type Named = { organizationId: string; userId: string };

/** Ends what else invites somebody who has joined. */
export function settleInvitationsTo(tx: Db, { organizationId, userId }: Named): Promise<number> {
  return run(tx, {
    name: "invitation_settle_to",
    text: `update organization.invitation set settled_at = now(), outcome = 'accepted' where organization_id = $1 and user_id = $2 and settled_at is null`,
    values: [organizationId, userId],
  });
}

/** Takes back what somebody made who may invite nobody any more: he keeps no way back in. */
export function revokeInvitationsBy(tx: Db, { organizationId, userId }: Named): Promise<number> {
  return run(tx, {
    name: "invitation_revoke_by",
    text: `update organization.invitation set settled_at = now(), outcome = 'revoked' where organization_id = $1 and created_by = $2 and settled_at is null`,
    values: [organizationId, userId],
  });
}

/** Forgets invitations and offers of ownership that ended, or expired, that long ago. */
export async function deleteOldInvitations(db: Db, { afterDays }: { afterDays: number }): Promise<number> {
  const invitations = await run(db, {
    name: "invitation_delete_old",
    text: `delete from organization.invitation where expires_at < now() - make_interval(days => $1)`,
    values: [afterDays],
  });
  const transfers = await run(db, {
    name: "transfer_delete_old",
    text: `delete from organization.transfer where expires_at < now() - make_interval(days => $1)`,
    values: [afterDays],
  });
  return invitations + transfers;
}
