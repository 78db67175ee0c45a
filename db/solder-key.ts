import { type Db, many, one } from "./query.ts";

export type SolderKeyRow = { id: string; name: string; createdAt: Date; usedAt: Date | null };

/** Whose key it is, and what he calls it. */
export type SolderKeyOwner = { id: string; name: string; userId: string; login: string; roles: string[]; ver: number };

/** A key by its hash, of a user who is neither disabled nor deleted. Notes that it was used, once a minute. */
export function useSolderKey(db: Db, keyHash: string): Promise<SolderKeyOwner | undefined> {
  return one<SolderKeyOwner>(db, {
    name: "solder_key_use",
    text: `with used as (update account.solder_key set used_at = now() where key_hash = $1 and (used_at is null or used_at < now() - interval '1 minute'))
      select k.id, k.name, u.id as "userId", u.login, u.roles, u.ver from account.solder_key k join account."user" u on u.id = k.user_id
      where k.key_hash = $1 and u.disabled_at is null and u.deleted_at is null`,
    values: [keyHash],
  });
}

/** Somebody's keys, newest first. */
export function listSolderKeys(db: Db, userId: string): Promise<SolderKeyRow[]> {
  return many<SolderKeyRow>(db, {
    name: "solder_key_list",
    text: `select id, name, created_at as "createdAt", used_at as "usedAt" from account.solder_key where user_id = $1 order by id desc limit 500`,
    values: [userId],
  });
}

type NewKey = {
  id: string;
  userId: string;
  name: string;
  keyHash: string;
  /** So many may somebody have. */
  most: number;
};

/** Undefined when its user has as many as he may. The caller has locked him. */
export function insertSolderKey(tx: Db, key: NewKey): Promise<SolderKeyRow | undefined> {
  return one<SolderKeyRow>(tx, {
    name: "solder_key_insert",
    text: `insert into account.solder_key (id, user_id, name, key_hash)
      select $1, $2, $3, $4 where (select count(*) from account.solder_key where user_id = $2) < $5
      returning id, name, created_at as "createdAt", used_at as "usedAt"`,
    values: [key.id, key.userId, key.name, key.keyHash, key.most],
  });
}

/** Ends one of somebody's keys, or all of them. Answers with what they were called. */
export function deleteSolderKeys(
  db: Db,
  { userId, only }: { userId: string; only?: string },
): Promise<{ name: string }[]> {
  return many<{ name: string }>(db, {
    name: "solder_key_delete",
    text: `delete from account.solder_key where user_id = $1 and ($2::uuid is null or id = $2) returning name`,
    values: [userId, only ?? null],
  });
}
