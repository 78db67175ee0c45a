import type { Medium } from "../notification-kinds.ts";
import { type Db, many, one, run } from "./query.ts";

/** A notification as it is written: ids only. */
export type NewNotification = {
  id: string;
  factId: string;
  factAt: Date;
  /** Null: told to an organization by its webhooks. */
  userId: string | null;
  kind: string;
  reason: string;
  groupKey: string;
  critical: boolean;
  packId: string | null;
  versionId: string | null;
  eventId: string | null;
  occurrenceId: string | null;
  registrationId: string | null;
  organizationId: string | null;
  subjectId: string | null;
  fields: string[];
  shown: boolean;
};

/** Somebody who may be told, with how he wants to be. */
export type Recipient = {
  userId: string;
  registrationId: string | null;
  occurrenceId: string | null;
  timeZone: string;
  quietFrom: string | null;
  quietTo: string | null;
  digest: "off" | "daily" | "weekly";
  digestDueAt: Date | null;
  muted: boolean;
  /** Something newer of the same group was told before: facts come in no order. */
  overtaken: boolean;
  /** When it is too late: a seat that is offered goes to the next one. */
  offeredUntil: Date | null;
  /** What he chose about this kind. */
  chosen: Partial<Record<Medium, boolean>>;
  hasMail: boolean;
  hasTelegram: boolean;
  subscriptions: string[];
  webhooks: { id: string; format: "standard" | "discord" }[];
};

const row = (notification: Partial<NewNotification>) => ({
  id: notification.id,
  fact_id: notification.factId,
  fact_at: notification.factAt,
  user_id: notification.userId,
  kind: notification.kind,
  reason: notification.reason,
  group_key: notification.groupKey,
  critical: notification.critical,
  pack_id: notification.packId,
  version_id: notification.versionId,
  event_id: notification.eventId,
  occurrence_id: notification.occurrenceId,
  registration_id: notification.registrationId,
  organization_id: notification.organizationId,
  subject_id: notification.subjectId,
  fields: notification.fields,
  shown: notification.shown,
});

/** Those of some people who may be told this now, with their settings, in one statement for all. */
export function listRecipients(
  db: Db,
  { drafts, kind }: { drafts: Partial<NewNotification>[]; kind: string },
): Promise<Recipient[]> {
  return many<Recipient>(db, {
    name: "notification_list_recipients",
    text: `select n.user_id as "userId", n.registration_id as "registrationId", n.occurrence_id as "occurrenceId", u.time_zone as "timeZone",
        s.quiet_from as "quietFrom", s.quiet_to as "quietTo", coalesce(s.digest, 'off') as digest, s.digest_due_at as "digestDueAt",
        exists (select from notification.mute m where m.user_id = n.user_id and m.event_id = n.event_id) as muted,
        exists (select from notification.notification x where x.user_id = n.user_id and x.group_key = n.group_key and x.fact_at > n.fact_at) as overtaken,
        (select r.offered_until from event.registration r where r.id = n.registration_id) as "offeredUntil",
        coalesce((select jsonb_object_agg(p.medium, p.enabled) from notification.preference p where p.user_id = n.user_id and p.kind = $2), '{}') as chosen,
        u.email is not null and u.email_verified_at is not null as "hasMail",
        exists (select from notification.telegram_chat c where c.user_id = n.user_id and c.chat_id is not null) as "hasTelegram",
        array(select b.id::text from notification.push_subscription b where b.user_id = n.user_id order by b.id) as subscriptions,
        coalesce((select jsonb_agg(jsonb_build_object('id', w.id, 'format', w.format) order by w.id) from notification.webhook w
          where w.user_id = n.user_id and w.disabled_at is null and $2 = any (w.kinds)), '[]') as webhooks
      from jsonb_populate_recordset(null::notification.notification, $1::jsonb) n
      join account."user" u on u.id = n.user_id
      left join notification.settings s on s.user_id = n.user_id
      where notification.may_tell(n, u) order by n.user_id`,
    values: [JSON.stringify(drafts.map(row)), kind],
  });
}

/** Writes notifications. Answers with those that were not there: a fact is told to a person once. */
export function insertNotifications(
  tx: Db,
  notifications: NewNotification[],
): Promise<{ id: string; userId: string | null }[]> {
  return many(tx, {
    name: "notification_insert",
    text: `insert into notification.notification (id, fact_id, fact_at, user_id, kind, reason, group_key, critical, pack_id, version_id, event_id, occurrence_id,
        registration_id, organization_id, subject_id, fields, shown)
      select id, fact_id, fact_at, user_id, kind, reason, group_key, critical, pack_id, version_id, event_id, occurrence_id, registration_id, organization_id,
        subject_id, fields, shown from jsonb_populate_recordset(null::notification.notification, $1::jsonb)
      on conflict do nothing returning id, user_id as "userId"`,
    values: [JSON.stringify(notifications.map(row))],
  });
}

/** People who have been told of a fact by one kind; with null among them, an organization. */
export function listTold(
  tx: Db,
  { factId, kind, userIds }: { factId: string; kind: string; userIds: string[] },
): Promise<{ userId: string | null }[]> {
  return many(tx, {
    name: "notification_list_told",
    text: `select user_id as "userId" from notification.notification
      where fact_id = $1 and kind = $2 and (user_id is null or user_id = any ($3::uuid[]))`,
    values: [factId, kind, userIds],
  });
}

/** One run decides about a group at a time: until the transaction ends. */
export async function lockGroup(tx: Db, groupKey: string): Promise<void> {
  await one(tx, {
    name: "notification_lock_group",
    text: `select pg_advisory_xact_lock(hashtextextended($1, 0))::text as locked`,
    values: [groupKey],
  });
}

/** Takes unread ones of the last moments out of the inbox that a newer one of their group replaces; answers with what they told. */
export function hideReplaced(
  tx: Db,
  {
    userIds,
    groupKey,
    kind,
    withinSeconds,
  }: { userIds: string[]; groupKey: string; kind: string; withinSeconds: number },
): Promise<{ userId: string; fields: string[] }[]> {
  return many(tx, {
    name: "notification_hide_replaced",
    text: `update notification.notification set shown = false where user_id = any ($1::uuid[]) and group_key = $2 and kind = $3 and shown and read_at is null
        and created_at > now() - make_interval(secs => $4) returning user_id as "userId", fields`,
    values: [userIds, groupKey, kind, withinSeconds],
  });
}

/** Forgets what is old, read or not. */
export function deleteOldNotifications(db: Db, { afterDays }: { afterDays: number }): Promise<number> {
  return run(db, {
    name: "notification_delete_old",
    text: `delete from notification.notification where created_at < now() - make_interval(days => $1)`,
    values: [afterDays],
  });
}
