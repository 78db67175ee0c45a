import type { PackRole } from "./pack.ts";
import { type Db, many, run } from "./query.ts";

export function listMembers(db: Db, packId: string): Promise<{ login: string; role: PackRole }[]> {
  return many(db, {
    name: "member_list",
    text: `select u.login, m.role from pack.member m join account."user" u on u.id = m.user_id where m.pack_id = $1 and u.deleted_at is null order by u.login`,
    values: [packId],
  });
}

export function upsertMember(
  db: Db,
  { packId, userId, role }: { packId: string; userId: string; role: string },
): Promise<number> {
  return run(db, {
    name: "member_upsert",
    text: `insert into pack.member (pack_id, user_id, role) values ($1, $2, $3) on conflict (pack_id, user_id) do update set role = excluded.role`,
    values: [packId, userId, role],
  });
}

/** Lets a member go, also one whose account is disabled. 0 when nobody of that login is one. */
export function deleteMember(db: Db, { packId, login }: { packId: string; login: string }): Promise<number> {
  return run(db, {
    name: "member_delete",
    text: `delete from pack.member m using account."user" u where m.pack_id = $1 and u.id = m.user_id and u.login = $2`,
    values: [packId, login],
  });
}
