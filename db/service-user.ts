import { type Db, one } from "./query.ts";

export type ServiceUser = { id: string; login: string; roles: string[]; ver: number; changed: boolean; held: boolean };

/**
 * The user that a service is, made at its first sign-in. He has the roles that the configuration gives him: other ones
 * raise `ver` (`changed`), which ends his older access tokens. `held` is false when an admin has disabled him. The count
 * makes the database look at the row before it changes it: a CTE that only the last line names is run after.
 */
export function saveServiceUser(
  tx: Db,
  { id, login, name, roles }: { id: string; login: string; name: string; roles: string[] },
): Promise<ServiceUser | undefined> {
  return one<ServiceUser>(tx, {
    name: "service_user_save",
    text: `with before as (select roles from account."user" where login = $2 for update)
      insert into account."user" as u (id, login, display_name, roles) select $1, $2, $3, $4 from (select count(*) from before) as looked
      on conflict (login) do update set display_name = $3, roles = $4,
        ver = u.ver + case when u.roles <> excluded.roles then 1 else 0 end
      returning id, login, roles, ver, (disabled_at is null and deleted_at is null) as held,
        coalesce((select before.roles <> $4 from before), false) as changed`,
    values: [id, login, name, roles],
  });
}
