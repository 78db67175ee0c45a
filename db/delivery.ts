import { currentTrace } from "../trace.ts";
import { type Db, many, run } from "./query.ts";

export type DeliveryMedium = "inbox" | "mail" | "webhook" | "discord" | "telegram" | "push";

export type NewDelivery = {
  id: string;
  notificationId: string;
  userId: string | null;
  medium: DeliveryMedium;
  /** A webhook or a push subscription. */
  targetId: string | null;
  groupKey: string;
  state: "queued" | "sent" | "skipped";
  why: string | null;
  dueAt: Date;
  digest: boolean;
};

/** Writes what is to be sent, and what is not and why. */
export function insertDeliveries(tx: Db, deliveries: NewDelivery[]): Promise<number> {
  return run(tx, {
    name: "delivery_insert_all",
    text: `insert into notification.delivery (id, notification_id, user_id, medium, target_id, group_key, state, why, due_at, digest, settled_at, trace_id)
      select id, "notificationId", "userId", medium, "targetId", "groupKey", state, why, "dueAt", digest, case when state <> 'queued' then now() end, $2
      from jsonb_to_recordset($1::jsonb) as d (id uuid, "notificationId" uuid, "userId" uuid, medium text, "targetId" uuid, "groupKey" text, state text,
        why text, "dueAt" timestamptz, digest boolean)
      on conflict do nothing`,
    values: [JSON.stringify(deliveries), currentTrace()?.id ?? null],
  });
}

/** A delivery that a newer one takes the place of. */
export type Replaced = {
  userId: string | null;
  medium: DeliveryMedium;
  targetId: string | null;
  dueAt: Date;
  digest: boolean;
  fields: string[];
};

type Replacing = {
  userIds: string[];
  targetIds: string[];
  groupKey: string;
  /** Of facts up to then; null: whenever they were stated. */
  before: Date | null;
  /** Whether it may take the place of what is critical. */
  critical: boolean;
};

/** Settles what waits for people in a group as replaced; what a run has in hand goes out. Programs are told of everything. */
export function replaceWaiting(
  tx: Db,
  { userIds, targetIds, groupKey, before, critical }: Replacing,
): Promise<Replaced[]> {
  return many<Replaced>(tx, {
    name: "delivery_replace",
    text: `update notification.delivery d set state = 'skipped', why = 'replaced', settled_at = now() from notification.notification n
      where d.state = 'queued' and (d.user_id = any ($1::uuid[]) or d.target_id = any ($2::uuid[])) and d.group_key = $3 and d.medium <> 'webhook'
        and (d.claimed_until is null or d.claimed_until < clock_timestamp()) and n.id = d.notification_id
        and ($4::timestamptz is null or n.fact_at <= $4) and (not n.critical or $5)
      returning d.user_id as "userId", d.medium, d.target_id as "targetId", d.due_at as "dueAt", d.digest, n.fields`,
    values: [userIds, targetIds, groupKey, before, critical],
  });
}

export type ClaimedDelivery = {
  id: string;
  notificationId: string;
  userId: string | null;
  targetId: string | null;
  attempts: number;
  /** How long ago it was due. */
  lateSeconds: number;
  /** Of the request that it tells of. */
  traceId: string | null;
};

/** Takes the delivery of a medium that is due longest, for so long. Undefined when none is. */
export function claimDelivery(
  db: Db,
  { media, forSeconds }: { media: DeliveryMedium[]; forSeconds: number },
): Promise<ClaimedDelivery[]> {
  return many<ClaimedDelivery>(db, {
    name: "delivery_claim",
    text: `update notification.delivery d set claimed_until = clock_timestamp() + make_interval(secs => $2), attempts = attempts + 1
      where d.id = (select id from notification.delivery where state = 'queued' and not digest and medium = any ($1::text[]) and due_at <= clock_timestamp()
          and (claimed_until is null or claimed_until < clock_timestamp()) order by due_at limit 1 for update skip locked)
      returning d.id, d.notification_id as "notificationId", d.user_id as "userId", d.target_id as "targetId", d.attempts,
        extract(epoch from clock_timestamp() - d.due_at)::float8 as "lateSeconds", d.trace_id as "traceId"`,
    values: [media, forSeconds],
  });
}

type Settled = { ids: string[]; state: "sent" | "failed" | "skipped"; why?: string | null; status?: number | null };

/** Settles deliveries, once: those that another run has settled stay as they are. */
export function settleDeliveries(db: Db, { ids, state, why = null, status = null }: Settled): Promise<number> {
  return run(db, {
    name: "delivery_settle",
    text: `update notification.delivery set state = $2, why = $3, status = $4, settled_at = now(), claimed_until = null
      where id = any ($1::uuid[]) and state = 'queued'`,
    values: [ids, state, why, status],
  });
}

/** Puts off a delivery that could not be made for now. */
export function postponeDelivery(
  db: Db,
  { id, forSeconds, why, status = null }: { id: string; forSeconds: number; why: string; status?: number | null },
): Promise<number> {
  return run(db, {
    name: "delivery_postpone",
    text: `update notification.delivery set claimed_until = null, due_at = clock_timestamp() + make_interval(secs => $2), why = $3, status = $4
      where id = $1 and state = 'queued'`,
    values: [id, forSeconds, why, status],
  });
}

/** Gives back what a run that is stopped has in hand. */
export function releaseDelivery(db: Db, id: string): Promise<number> {
  return run(db, {
    name: "delivery_release",
    text: `update notification.delivery set claimed_until = null, attempts = greatest(0, attempts - 1) where id = $1 and state = 'queued'`,
    values: [id],
  });
}
