import { type Db, many, one } from "./query.ts";

/** Marks notifications as read: those named, or all up to now. Answers with how many were not. */
export async function markRead(
  db: Db,
  { userId, ids }: { userId: string; ids: string[] | null },
): Promise<{ id: string }[]> {
  return many<{ id: string }>(db, {
    name: "inbox_mark_read",
    text: `update notification.notification set read_at = now()
      where user_id = $1 and shown and read_at is null and ($2::uuid[] is null or id = any ($2)) returning id`,
    values: [userId, ids],
  });
}

/** How many are unread, up to a limit: of what he may still be told. */
export async function countUnread(db: Db, { userId, limit }: { userId: string; limit: number }): Promise<number> {
  const row = await one<{ count: number }>(db, {
    name: "inbox_count_unread",
    text: `select count(*) as count from (
      select from notification.notification n join account."user" u on u.id = n.user_id
        where n.user_id = $1 and n.shown and n.read_at is null and notification.may_tell(n, u) order by n.id desc limit $2) x`,
    values: [userId, limit],
  });
  return row?.count ?? 0;
}
