import { type Db, many, one, run } from "./query.ts";

/** How a notification went, by one medium. */
export type DeliveryRow = {
  id: string;
  kind: string;
  medium: string;
  targetId: string | null;
  state: "queued" | "sent" | "failed" | "skipped";
  why: string | null;
  digest: boolean;
  dueAt: Date;
  attempts: number;
  status: number | null;
  createdAt: Date;
  settledAt: Date | null;
};

const columns = `d.id, n.kind, d.medium, d.target_id as "targetId", d.state, d.why, d.digest, d.due_at as "dueAt", d.attempts, d.status,
  d.created_at as "createdAt", d.settled_at as "settledAt"`;

/** The ways of one notification of somebody. */
export function listDeliveries(
  db: Db,
  { notificationId, userId }: { notificationId: string; userId: string },
): Promise<DeliveryRow[]> {
  return many<DeliveryRow>(db, {
    name: "delivery_log_list",
    text: `select ${columns} from notification.notification n join notification.delivery d on d.notification_id = n.id
      where n.id = $1 and n.user_id = $2 order by d.id limit 100`,
    values: [notificationId, userId],
  });
}

/** What was told to a webhook, newest first. */
export function listTargetDeliveries(
  db: Db,
  { targetId, before, limit }: { targetId: string; before: string | null; limit: number },
): Promise<DeliveryRow[]> {
  return many<DeliveryRow>(db, {
    name: "delivery_log_list_of_target",
    text: `select ${columns} from notification.delivery d join notification.notification n on n.id = d.notification_id
      where d.target_id = $1 and ($2::uuid is null or d.id < $2) order by d.id desc limit $3`,
    values: [targetId, before, limit],
  });
}

type Asked = { state: string | null; medium: string | null; before: string | null; limit: number };

/** Everybody's, newest first, for operators: how it went, and not what it said. */
export function listAllDeliveries(
  db: Db,
  { state, medium, before, limit }: Asked,
): Promise<(DeliveryRow & { login: string | null })[]> {
  return many(db, {
    name: "delivery_log_list_all",
    text: `select ${columns}, u.login from notification.delivery d join notification.notification n on n.id = d.notification_id
      left join account."user" u on u.id = d.user_id
      where ($1::text is null or d.state = $1) and ($2::text is null or d.medium = $2) and ($3::uuid is null or d.id < $3) order by d.id desc limit $4`,
    values: [state, medium, before, limit],
  });
}

/** Sends a delivery to a target once more, under its old id. 0 when there is none, or it waits anyway. */
export function replayDelivery(db: Db, { id, targetId }: { id: string; targetId: string }): Promise<number> {
  return run(db, {
    name: "delivery_replay",
    text: `update notification.delivery set state = 'queued', attempts = 0, due_at = now(), settled_at = null, claimed_until = null, why = null
      where id = $1 and target_id = $2 and state <> 'queued'`,
    values: [id, targetId],
  });
}

export function findTargetDelivery(
  db: Db,
  { id, targetId }: { id: string; targetId: string },
): Promise<DeliveryRow | undefined> {
  return one<DeliveryRow>(db, {
    name: "delivery_log_find",
    text: `select ${columns} from notification.delivery d join notification.notification n on n.id = d.notification_id where d.id = $1 and d.target_id = $2`,
    values: [id, targetId],
  });
}
