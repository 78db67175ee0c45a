import { type Db, many, one } from "./query.ts";

export type AppPasswordRow = {
  id: string;
  name: string;
  createdAt: Date;
  usedAt: Date | null;
  expiresAt: Date | null;
};

type NewAppPassword = {
  id: string;
  userId: string;
  name: string;
  hash: string;
  expiresAt: Date | null;
  /** How many that hold somebody may have. */
  most: number;
};

/** Undefined when its user has as many as he may. Lock him first: two at once would both see room for one. */
export function insertAppPassword(tx: Db, row: NewAppPassword): Promise<AppPasswordRow | undefined> {
  return one<AppPasswordRow>(tx, {
    name: "app_password_insert",
    text: `insert into account.app_password (id, user_id, name, hash, expires_at) select $1, $2, $3, $4, $5
      where (select count(*) from account.app_password where user_id = $2 and (expires_at is null or expires_at > now())) < $6
      returning id, name, created_at as "createdAt", used_at as "usedAt", expires_at as "expiresAt"`,
    values: [row.id, row.userId, row.name, row.hash, row.expiresAt, row.most],
  });
}

/** Somebody's, also expired ones, newest first. */
export function listAppPasswords(db: Db, userId: string): Promise<AppPasswordRow[]> {
  return many<AppPasswordRow>(db, {
    name: "app_password_list",
    text: `select id, name, created_at as "createdAt", used_at as "usedAt", expires_at as "expiresAt"
      from account.app_password where user_id = $1 order by id desc limit 500`,
    values: [userId],
  });
}

/** Deletes one of somebody's, or all. What was opened with it goes by its foreign key. */
export function deleteAppPasswords(
  tx: Db,
  { userId, only }: { userId: string; only?: string },
): Promise<AppPasswordRow[]> {
  return many<AppPasswordRow>(tx, {
    name: "app_password_delete",
    text: `delete from account.app_password where user_id = $1 and ($2::uuid is null or id = $2)
      returning id, name, created_at as "createdAt", used_at as "usedAt", expires_at as "expiresAt"`,
    values: [userId, only ?? null],
  });
}

export type AppPasswordUse = {
  id: string;
  userId: string /** Where the name is a player's. */;
  playerId: string | null;
};

/**
 * The app password of this hash, when it holds and its account goes by this name (lower case): a login, a proved e-mail
 * address, or the name of one of its players. Notes that it was used, once a minute.
 */
export function useAppPassword(
  db: Db,
  { hash, name }: { hash: string; name: string },
): Promise<AppPasswordUse | undefined> {
  return one<AppPasswordUse>(db, {
    name: "app_password_use",
    text: `with found as (
        select a.id, a.user_id, p.id as player_id from account.app_password a join account."user" u on u.id = a.user_id
          left join player.player p on p.user_id = u.id and p.name_folded = $2
        where a.hash = $1 and (a.expires_at is null or a.expires_at > now()) and u.disabled_at is null and u.deleted_at is null
          and (u.login = $2 or (u.email = $2 and u.email_verified_at is not null) or p.id is not null)),
      used as (update account.app_password a set used_at = now() from found f
        where a.id = f.id and (a.used_at is null or a.used_at < now() - interval '1 minute'))
      select id, user_id as "userId", player_id as "playerId" from found`,
    values: [hash, name],
  });
}
