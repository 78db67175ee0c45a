import { type Db, one } from "./query.ts";

/** Whether a login is taken, also by somebody who is disabled or deleted. */
export function findTakenLogin(db: Db, login: string): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(db, {
    name: "user_find_taken",
    text: `select id from account."user" where login = $1`,
    values: [login],
  });
}
