import { type Db, one, run } from "./query.ts";

/** Who may read a private pack: logins, roles, slugs of organizations. */
export type PackAccess = { users: string[]; roles: string[]; organizations: string[] };

export async function findAccess(db: Db, packId: string): Promise<PackAccess> {
  const row = await one<PackAccess>(db, {
    name: "access_find",
    text: `select array(select u.login from pack.reader_user r join account."user" u on u.id = r.user_id where r.pack_id = $1 and u.deleted_at is null order by 1) as users,
      array(select role from pack.reader_role where pack_id = $1 order by 1) as roles,
      array(select o.slug from pack.reader_organization r join organization.organization o on o.id = r.organization_id
        where r.pack_id = $1 and o.deleted_at is null order by 1) as organizations`,
    values: [packId],
  });
  return row ?? { users: [], roles: [], organizations: [] };
}

type Readers = { packId: string; userIds: string[]; roles: string[]; organizationIds: string[] };

/** Replaces the list of readers, in the caller's transaction. */
export async function replaceAccess(tx: Db, { packId, userIds, roles, organizationIds }: Readers): Promise<void> {
  await run(tx, {
    name: "access_delete_users",
    text: `delete from pack.reader_user where pack_id = $1`,
    values: [packId],
  });
  await run(tx, {
    name: "access_delete_roles",
    text: `delete from pack.reader_role where pack_id = $1`,
    values: [packId],
  });
  await run(tx, {
    name: "access_delete_organizations",
    text: `delete from pack.reader_organization where pack_id = $1`,
    values: [packId],
  });
  await run(tx, {
    name: "access_insert_users",
    text: `insert into pack.reader_user (pack_id, user_id) select $1, unnest($2::uuid[]) on conflict do nothing`,
    values: [packId, userIds],
  });
  await run(tx, {
    name: "access_insert_roles",
    text: `insert into pack.reader_role (pack_id, role) select $1, unnest($2::text[]) on conflict do nothing`,
    values: [packId, roles],
  });
  await run(tx, {
    name: "access_insert_organizations",
    text: `insert into pack.reader_organization (pack_id, organization_id) select $1, unnest($2::uuid[]) on conflict do nothing`,
    values: [packId, organizationIds],
  });
}
