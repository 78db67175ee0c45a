import type { OrganizationRole } from "./organization.ts";
import { type Db, many, one, run } from "./query.ts";

export type MemberRow = {
  userId: string;
  login: string;
  displayName: string;
  role: OrganizationRole;
  /** Whether others see him on the organization's page. */
  isPublic: boolean;
  since: Date;
  /** His place in the list: owner, managers, members. */
  rank: number;
};

const rank = `array_position(array['owner', 'manager', 'member'], m.role)`;
const columns = `m.user_id as "userId", u.login, u.display_name as "displayName", m.role, m.is_public as "isPublic", m.since, ${rank} as rank`;

type Page = { organizationId: string; all: boolean; after: { rank: number; userId: string } | null; limit: number };

/** Members that are neither hidden nor disabled, owner first; `all` or those only who are public. */
export function listMembers(db: Db, { organizationId, all, after, limit }: Page): Promise<MemberRow[]> {
  return many<MemberRow>(db, {
    name: "organization_member_list",
    text: `select ${columns} from organization.member m join account."user" u on u.id = m.user_id
      where m.organization_id = $1 and ($2 or m.is_public or m.role = 'owner') and u.deleted_at is null and u.disabled_at is null
        and ($3::integer is null or (${rank}, m.user_id) > ($3, $4::uuid))
      order by rank, m.user_id limit $5`,
    values: [organizationId, all, after?.rank ?? null, after?.userId ?? null, limit],
  });
}

type Named = { organizationId: string; userId: string };

/** A member, hidden or not. */
export function findMember(db: Db, { organizationId, userId }: Named): Promise<MemberRow | undefined> {
  return one<MemberRow>(db, {
    name: "organization_member_find",
    text: `select ${columns} from organization.member m join account."user" u on u.id = m.user_id where m.organization_id = $1 and m.user_id = $2`,
    values: [organizationId, userId],
  });
}

export function countMembers(db: Db, organizationId: string): Promise<{ count: number } | undefined> {
  return one<{ count: number }>(db, {
    name: "organization_member_count",
    text: `select count(*) as count from organization.member where organization_id = $1`,
    values: [organizationId],
  });
}

export function insertMember(
  tx: Db,
  { organizationId, userId, role }: Named & { role: OrganizationRole },
): Promise<number> {
  return run(tx, {
    name: "organization_member_insert",
    text: `insert into organization.member (organization_id, user_id, role, is_public) values ($1, $2, $3, $3 = 'owner')`,
    values: [organizationId, userId, role],
  });
}

/** Changes what is given. */
export function updateMember(
  tx: Db,
  { organizationId, userId, role, isPublic }: Named & { role?: OrganizationRole; isPublic?: boolean },
): Promise<number> {
  return run(tx, {
    name: "organization_member_update",
    text: `update organization.member set role = coalesce($3, role), is_public = coalesce($4, is_public) where organization_id = $1 and user_id = $2`,
    values: [organizationId, userId, role ?? null, isPublic ?? null],
  });
}

export function deleteMember(tx: Db, { organizationId, userId }: Named): Promise<number> {
  return run(tx, {
    name: "organization_member_delete",
    text: `delete from organization.member where organization_id = $1 and user_id = $2 and role <> 'owner'`,
    values: [organizationId, userId],
  });
}

/** Who owns an organization, also while he is hidden. */
export function findOwner(db: Db, organizationId: string): Promise<{ userId: string } | undefined> {
  return one<{ userId: string }>(db, {
    name: "organization_member_find_owner",
    text: `select user_id as "userId" from organization.member where organization_id = $1 and role = 'owner'`,
    values: [organizationId],
  });
}

/** Somebody by login who is neither hidden nor disabled, kept so until the transaction ends: his erasing finds what names him. */
export function shareUser(tx: Db, login: string): Promise<{ id: string; login: string } | undefined> {
  return one<{ id: string; login: string }>(tx, {
    name: "organization_share_user",
    text: `select id, login from account."user" where login = $1 and deleted_at is null and disabled_at is null for share`,
    values: [login],
  });
}
