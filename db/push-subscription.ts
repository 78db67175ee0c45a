import { type Db, many, one, run } from "./query.ts";

export type PushSubscriptionRow = { id: string; sealed: string; device: string; createdAt: Date };

/** Keeps a browser's subscription, in the place of the one it had. Undefined when its owner has so many already. */
export function insertPushSubscription(
  db: Db,
  subscription: { id: string; userId: string; addressHash: string; sealed: string; device: string; most: number },
): Promise<PushSubscriptionRow | undefined> {
  return one<PushSubscriptionRow>(db, {
    name: "push_subscription_insert",
    text: `insert into notification.push_subscription (id, user_id, address_hash, sealed, device)
      select $1, $2, $3, $4, $5 where (select count(*) from notification.push_subscription where user_id = $2 and address_hash <> $3) < $6
      on conflict (user_id, address_hash) do update set sealed = excluded.sealed, device = excluded.device
      returning id, sealed, device, created_at as "createdAt"`,
    values: [
      subscription.id,
      subscription.userId,
      subscription.addressHash,
      subscription.sealed,
      subscription.device,
      subscription.most,
    ],
  });
}

export function listPushSubscriptions(db: Db, userId: string): Promise<PushSubscriptionRow[]> {
  return many<PushSubscriptionRow>(db, {
    name: "push_subscription_list",
    text: `select id, sealed, device, created_at as "createdAt" from notification.push_subscription where user_id = $1 order by id limit 100`,
    values: [userId],
  });
}

export function findPushSubscription(db: Db, id: string): Promise<PushSubscriptionRow | undefined> {
  return one<PushSubscriptionRow>(db, {
    name: "push_subscription_find",
    text: `select id, sealed, device, created_at as "createdAt" from notification.push_subscription where id = $1`,
    values: [id],
  });
}

export function deletePushSubscription(db: Db, { id, userId }: { id: string; userId: string | null }): Promise<number> {
  return run(db, {
    name: "push_subscription_delete",
    text: `delete from notification.push_subscription where id = $1 and ($2::uuid is null or user_id = $2)`,
    values: [id, userId],
  });
}
