import type { Reader } from "./blob.ts";
import { type Db, many, one, run } from "./query.ts";

/** What can be followed: a pack, an organization, or somebody who organizes. */
export type Followed = { packId?: string; organizationId?: string; organizerId?: string };
export type FollowKind = "pack" | "organization" | "organizer";
export type FollowRow = { id: string; kind: FollowKind; subject: string; name: string; createdAt: Date };

const ids = ({ packId, organizationId, organizerId }: Followed) => [
  packId ?? null,
  organizationId ?? null,
  organizerId ?? null,
];

/** Slug of a pack or an organization, or an organizer's id. */
type Named = { kind: FollowKind; slug: string | null; userId: string | null };

/** Whose page it is, for somebody who may see it. */
export async function findFollowable(
  db: Db,
  { kind, slug, userId, reader }: Named & { reader: Reader },
): Promise<Followed | undefined> {
  const row = await one<{ packId: string | null; organizationId: string | null; organizerId: string | null }>(db, {
    name: "follow_find_subject",
    text: `select case when $3 = 'pack' then (select p.id from pack.pack p where p.slug = $4 and pack.can_read(p, $1, $2)) end as "packId",
      case when $3 = 'organization' then (select o.id from organization.organization o where o.slug = $4 and organization.can_read(o, $1, $2)) end as "organizationId",
      case when $3 = 'organizer' then (select u.id from account."user" u where u.id = $5::uuid and u.deleted_at is null and u.disabled_at is null) end as "organizerId"`,
    values: [reader.userId, reader.roles, kind, slug, userId],
  });
  if (row?.packId) return { packId: row.packId };
  if (row?.organizationId) return { organizationId: row.organizationId };
  return row?.organizerId ? { organizerId: row.organizerId } : undefined;
}

/** 0 when he follows it already, or `most` other things. */
export function insertFollow(
  tx: Db,
  { userId, subject, most }: { userId: string; subject: Followed; most: number },
): Promise<number> {
  return run(tx, {
    name: "follow_insert",
    text: `insert into community.follow (id, user_id, pack_id, organization_id, organizer_id) select $1, $2, $3, $4, $5
      where (select count(*) from community.follow where user_id = $2) < $6 on conflict do nothing`,
    values: [Bun.randomUUIDv7(), userId, ...ids(subject), most],
  });
}

/** Ends following by the name of what is followed, also of what he may not see any more. */
export function deleteFollow(
  tx: Db,
  { followerId, kind, slug, userId }: Named & { followerId: string },
): Promise<number> {
  return run(tx, {
    name: "follow_delete",
    text: `delete from community.follow f where f.user_id = $1 and (
        ($2 = 'pack' and f.pack_id = (select p.id from pack.pack p where p.slug = $3))
        or ($2 = 'organization' and f.organization_id = (select o.id from organization.organization o where o.slug = $3))
        or ($2 = 'organizer' and f.organizer_id = $4::uuid))`,
    values: [followerId, kind, slug, userId],
  });
}

/** What somebody follows and may still see, newest first. */
export function listFollows(
  db: Db,
  { reader, before, limit }: { reader: Reader; before: string | null; limit: number },
): Promise<FollowRow[]> {
  return many<FollowRow>(db, {
    name: "follow_list",
    text: `select f.id, case when p.id is not null then 'pack' when o.id is not null then 'organization' else 'organizer' end as kind,
        coalesce(p.slug, o.slug, u.id::text) as subject, coalesce(p.name, o.name, nullif(u.display_name, ''), u.login) as name, f.created_at as "createdAt"
      from community.follow f left join pack.pack p on p.id = f.pack_id and pack.can_read(p, $1, $2)
        left join organization.organization o on o.id = f.organization_id and organization.can_read(o, $1, $2)
        left join account."user" u on u.id = f.organizer_id and u.deleted_at is null and u.disabled_at is null
      where f.user_id = $1 and num_nonnulls(p.id, o.id, u.id) = 1 and ($3::uuid is null or f.id < $3)
      order by f.id desc limit $4`,
    values: [reader.userId, reader.roles, before, limit],
  });
}

/** How many follow something, of those who are there, and whether one of them is this user. */
export async function countFollows(
  db: Db,
  { subject, userId }: { subject: Followed; userId: string | null },
): Promise<{ followers: number; following: boolean }> {
  const row = await one<{ followers: number; following: boolean }>(db, {
    name: "follow_count",
    text: `select count(*) as followers, coalesce(bool_or(f.user_id = $4), false) as following from community.follow f
      where (f.pack_id = $1 or f.organization_id = $2 or f.organizer_id = $3)
        and exists (select from account."user" u where u.id = f.user_id and u.deleted_at is null)`,
    values: [...ids(subject), userId],
  });
  return row ?? { followers: 0, following: false };
}
