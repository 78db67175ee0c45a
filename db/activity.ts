import { type Db, many, run } from "./query.ts";

/** What a person's history tells. */
export const activityKinds = [
  "registered",
  "signed-in",
  "signed-out",
  "password-changed",
  "second-factor-added",
  "second-factor-removed",
  "provider-linked",
  "provider-unlinked",
  "profile-changed",
  "roles-changed",
  "token-created",
  "token-deleted",
  "app-password-created",
  "app-password-deleted",
  "solder-key-created",
  "solder-key-deleted",
  "player-created",
  "player-changed",
  "player-deleted",
  "published",
  "event-created",
  "event-changed",
  "event-cancelled",
  "event-deleted",
  "event-registered",
  "event-left",
  "deleted",
  "restored",
  "organization-created",
  "organization-changed",
  "organization-deleted",
  "organization-joined",
  "organization-left",
  "member-invited",
  "member-changed",
  "member-removed",
  "ownership-offered",
  "ownership-accepted",
  "followed",
  "unfollowed",
  "reported",
  "report-answered",
] as const;
export type ActivityKind = (typeof activityKinds)[number];

export type ActivityRow = { id: string; kind: ActivityKind; subject: string; createdAt: Date };

/** Notes what somebody did; `subject` says to what, in words that he knows (a device, "pack 1.2.0", a token's name). */
export function insertActivity(
  db: Db,
  { userId, kind, subject = "" }: { userId: string; kind: ActivityKind; subject?: string },
): Promise<number> {
  return run(db, {
    name: "activity_insert",
    text: `insert into account.activity (id, user_id, kind, subject) values ($1, $2, $3, $4)`,
    values: [Bun.randomUUIDv7(), userId, kind, subject],
  });
}

/** Somebody's history, newest first; `before` is the id that the page before ended with. */
export function listActivity(
  db: Db,
  { userId, before, limit }: { userId: string; before: string | null; limit: number },
): Promise<ActivityRow[]> {
  return many<ActivityRow>(db, {
    name: "activity_list",
    text: `select id, kind, subject, created_at as "createdAt" from account.activity
      where user_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3`,
    values: [userId, before, limit],
  });
}

/** Forgets what was long ago. */
export function deleteOldActivity(db: Db, { afterDays }: { afterDays: number }): Promise<number> {
  return run(db, {
    name: "activity_delete_old",
    text: `delete from account.activity where created_at < now() - make_interval(days => $1)`,
    values: [afterDays],
  });
}
