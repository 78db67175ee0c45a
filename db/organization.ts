import type { Reader } from "./blob.ts";
import { type Db, many, one, run } from "./query.ts";

export type OrganizationRole = "owner" | "manager" | "member";
export type OrganizationVisibility = "private" | "unlisted" | "public";
/** Markdown in one language or both. */
export type Words = { ru?: string; en?: string };

export type OrganizationRow = {
  id: string;
  slug: string;
  name: string;
  description: Words;
  links: Record<string, string>;
  visibility: OrganizationVisibility;
  revision: number;
  createdAt: Date;
  updatedAt: Date;
  /** Null while he is hidden. */
  ownerLogin: string | null;
  /** Of whoever asked; an admin is owner everywhere. */
  role: OrganizationRole | null;
};

// $1 and $2 are the reader: id, roles.
const columns = `o.id, o.slug, o.name, o.description, o.links, o.visibility, o.revision, o.created_at as "createdAt", o.updated_at as "updatedAt",
  (select u.login from organization.member m join account."user" u on u.id = m.user_id
    where m.organization_id = o.id and m.role = 'owner' and u.deleted_at is null and u.disabled_at is null) as "ownerLogin",
  organization.role_of(o.id, $1, $2) as role`;

/** An organization that this reader may see. */
export function findOrganization(
  db: Db,
  { slug, reader }: { slug: string; reader: Reader },
): Promise<OrganizationRow | undefined> {
  return one<OrganizationRow>(db, {
    name: "organization_find",
    text: `select ${columns} from organization.organization o where o.slug = $3 and organization.can_read(o, $1, $2)`,
    values: [reader.userId, reader.roles, slug],
  });
}

type Page = { reader: Reader; before: string | null; limit: number };

/** Public organizations, newest first; `pattern` is of LIKE, for name and slug. */
export function listOrganizations(
  db: Db,
  { reader, pattern, before, limit }: Page & { pattern: string | null },
): Promise<OrganizationRow[]> {
  return many<OrganizationRow>(db, {
    name: "organization_list",
    text: `select ${columns} from organization.organization o
      where o.deleted_at is null and o.visibility = 'public' and ($3::text is null or o.name ilike $3 or o.slug ilike $3) and ($4::uuid is null or o.id < $4)
      order by o.id desc limit $5`,
    values: [reader.userId, reader.roles, pattern, before, limit],
  });
}

/** Organizations whose member the reader is, newest first. */
export function listOwnOrganizations(
  db: Db,
  { reader, pattern, before, limit }: Page & { pattern: string | null },
): Promise<OrganizationRow[]> {
  return many<OrganizationRow>(db, {
    name: "organization_list_own",
    text: `select ${columns} from organization.member own join organization.organization o on o.id = own.organization_id
      where own.user_id = $1 and o.deleted_at is null and ($3::text is null or o.name ilike $3 or o.slug ilike $3) and ($4::uuid is null or o.id < $4)
      order by o.id desc limit $5`,
    values: [reader.userId, reader.roles, pattern, before, limit],
  });
}

type NewOrganization = Pick<OrganizationRow, "id" | "slug" | "name" | "description" | "links" | "visibility">;

/** Makes an organization with its owner. Throws a duplicate error when the slug is, or ever was, taken. */
export async function insertOrganization(
  tx: Db,
  { ownerId, ...organization }: NewOrganization & { ownerId: string },
): Promise<void> {
  const { id, slug, name, description, links, visibility } = organization;
  await run(tx, {
    name: "organization_insert",
    text: `insert into organization.organization (id, slug, name, description, links, visibility) values ($1, $2, $3, $4, $5, $6)`,
    values: [id, slug, name, JSON.stringify(description), JSON.stringify(links), visibility],
  });
  await run(tx, {
    name: "organization_insert_owner",
    text: `insert into organization.member (organization_id, user_id, role, is_public) values ($1, $2, 'owner', true)`,
    values: [id, ownerId],
  });
}

/** How many organizations somebody owns, counted one transaction after the other. */
export async function countOwnOrganizations(tx: Db, userId: string): Promise<number> {
  await run(tx, {
    name: "organization_lock_count",
    text: `select pg_advisory_xact_lock(hashtextextended('organizations of ' || $1::text, 0))`,
    values: [userId],
  });
  const row = await one<{ count: number }>(tx, {
    name: "organization_count_own",
    text: `select count(*) as count from organization.member where user_id = $1 and role = 'owner'`,
    values: [userId],
  });
  return row?.count ?? 0;
}

/**
 * Locks an organization until the transaction ends, before anything else of it: whoever changes it, its members or its
 * owner. What roles there are is read afterwards: a statement that waited sees them as they were when it began.
 */
export function lockOrganization(tx: Db, slug: string): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(tx, {
    name: "organization_lock",
    text: `select id from organization.organization where slug = $1 and deleted_at is null for no key update`,
    values: [slug],
  });
}

/** The same by id. */
export function lockOrganizationById(tx: Db, id: string): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(tx, {
    name: "organization_lock_by_id",
    text: `select id from organization.organization where id = $1 and deleted_at is null for no key update`,
    values: [id],
  });
}

/** Keeps an organization as it is until the transaction ends: for whoever gives it something. */
export function shareOrganization(tx: Db, slug: string): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(tx, {
    name: "organization_share",
    text: `select id from organization.organization where slug = $1 and deleted_at is null for share`,
    values: [slug],
  });
}

/** The same by id, where this reader owns or manages it. */
export async function shareManagedOrganization(
  tx: Db,
  { id, reader }: { id: string; reader: Reader },
): Promise<boolean> {
  await run(tx, {
    name: "organization_share_by_id",
    text: `select id from organization.organization where id = $1 for share`,
    values: [id],
  });
  const row = await one<{ role: OrganizationRole | null }>(tx, {
    name: "organization_find_role",
    text: `select organization.role_of($1, $2, $3) as role`,
    values: [id, reader.userId, reader.roles],
  });
  return row?.role === "owner" || row?.role === "manager";
}

export type OrganizationChange = {
  name?: string;
  description?: Words;
  links?: Record<string, string>;
  visibility?: OrganizationVisibility;
};

/** Changes what is given, when the revision is still that one. */
export function updateOrganization(
  tx: Db,
  { id, revision, change }: { id: string; revision: number; change: OrganizationChange },
): Promise<number> {
  return run(tx, {
    name: "organization_update",
    text: `update organization.organization set name = coalesce($3, name), description = coalesce($4, description), links = coalesce($5, links),
        visibility = coalesce($6, visibility), revision = revision + 1, updated_at = now()
      where id = $1 and revision = $2 and deleted_at is null`,
    values: [
      id,
      revision,
      change.name ?? null,
      change.description ? JSON.stringify(change.description) : null,
      change.links ? JSON.stringify(change.links) : null,
      change.visibility ?? null,
    ],
  });
}

/** Which of these organizations there are, for somebody who may see them or finds them on a list of readers already. */
export async function listNamedOrganizations(
  db: Db,
  {
    slugs,
    reader,
    packId,
    imageId,
  }: { slugs: string[]; reader: Reader; packId: string | null; imageId: string | null },
): Promise<Map<string, string>> {
  const rows = await many<{ id: string; slug: string }>(db, {
    name: "organization_list_named",
    text: `select o.id, o.slug from organization.organization o where o.slug = any ($3) and o.deleted_at is null
      and (organization.can_read(o, $1, $2) or exists (select from pack.reader_organization r where r.pack_id = $4 and r.organization_id = o.id)
        or exists (select from image.reader_organization r where r.image_id = $5 and r.organization_id = o.id))`,
    values: [reader.userId, reader.roles, slugs, packId, imageId],
  });
  return new Map(rows.map(({ id, slug }) => [slug, id]));
}
