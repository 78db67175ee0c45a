import type { Medium } from "../notification-kinds.ts";
import { type Db, many, one, run } from "./query.ts";

export type Digest = "off" | "daily" | "weekly";
export type NotificationSettings = {
  quietFrom: string | null;
  quietTo: string | null;
  digest: Digest;
  hasMail: boolean;
  hasTelegram: boolean;
  hasPush: boolean;
};

/** What somebody chose besides kinds, and which media reach him. */
export function findNotificationSettings(db: Db, userId: string): Promise<NotificationSettings | undefined> {
  return one<NotificationSettings>(db, {
    name: "notification_settings_find",
    text: `select s.quiet_from as "quietFrom", s.quiet_to as "quietTo", coalesce(s.digest, 'off') as digest,
        u.email is not null and u.email_verified_at is not null as "hasMail",
        exists (select from notification.telegram_chat c where c.user_id = u.id and c.chat_id is not null) as "hasTelegram",
        exists (select from notification.push_subscription p where p.user_id = u.id) as "hasPush"
      from account."user" u left join notification.settings s on s.user_id = u.id where u.id = $1 and u.deleted_at is null`,
    values: [userId],
  });
}

/** Sets quiet hours and digest. What waits for a digest that is switched off goes out with one at once. */
export function setNotificationSettings(
  tx: Db,
  {
    userId,
    quietFrom,
    quietTo,
    digest,
  }: { userId: string; quietFrom: string | null; quietTo: string | null; digest: Digest },
): Promise<number> {
  return run(tx, {
    name: "notification_settings_set",
    text: `insert into notification.settings as s (user_id, quiet_from, quiet_to, digest) values ($1, $2, $3, $4)
      on conflict (user_id) do update set quiet_from = excluded.quiet_from, quiet_to = excluded.quiet_to, digest = excluded.digest,
        digest_due_at = case when excluded.digest = 'off' and s.digest_due_at is not null then now() else s.digest_due_at end`,
    values: [userId, quietFrom, quietTo, digest],
  });
}

export type PreferenceRow = { kind: string; medium: Medium; enabled: boolean };

export function listPreferences(db: Db, userId: string): Promise<PreferenceRow[]> {
  return many<PreferenceRow>(db, {
    name: "notification_preference_list",
    text: `select kind, medium, enabled from notification.preference where user_id = $1`,
    values: [userId],
  });
}

export function setPreferences(
  tx: Db,
  { userId, preferences }: { userId: string; preferences: PreferenceRow[] },
): Promise<number> {
  return run(tx, {
    name: "notification_preference_set",
    text: `insert into notification.preference (user_id, kind, medium, enabled)
      select u.id, p.kind, p.medium, p.enabled from jsonb_to_recordset($2::jsonb) as p (kind text, medium text, enabled boolean), account."user" u
        where u.id = $1 and u.deleted_at is null
      on conflict (user_id, kind, medium) do update set enabled = excluded.enabled`,
    values: [userId, JSON.stringify(preferences)],
  });
}

/** Mutes an event that its caller may see. 0 when he may not, or it is muted. */
export function insertMute(
  db: Db,
  { userId, roles, slug }: { userId: string; roles: string[]; slug: string },
): Promise<number> {
  return run(db, {
    name: "mute_insert",
    text: `insert into notification.mute (user_id, event_id) select $1, e.id from event.event e where e.slug = $3 and event.can_read(e, $1, $2)
      on conflict do nothing`,
    values: [userId, roles, slug],
  });
}

export function deleteMute(db: Db, { userId, slug }: { userId: string; slug: string }): Promise<number> {
  return run(db, {
    name: "mute_delete",
    text: `delete from notification.mute m using event.event e where m.user_id = $1 and e.id = m.event_id and e.slug = $2`,
    values: [userId, slug],
  });
}

/** Events that somebody muted and may see. */
export function listMutes(db: Db, { userId, roles }: { userId: string; roles: string[] }): Promise<{ slug: string }[]> {
  return many<{ slug: string }>(db, {
    name: "mute_list",
    text: `select e.slug from notification.mute m join event.event e on e.id = m.event_id where m.user_id = $1 and event.can_read(e, $1, $2)
      order by m.created_at desc limit 500`,
    values: [userId, roles],
  });
}
