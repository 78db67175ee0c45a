import { type Db, many, run } from "./query.ts";

/** Notes for people when their next digest goes out, where none waits yet. */
export function planDigests(tx: Db, digests: { userId: string; dueAt: Date }[]): Promise<number> {
  return run(tx, {
    name: "digest_plan",
    text: `update notification.settings s set digest_due_at = d."dueAt"
      from jsonb_to_recordset($1::jsonb) as d ("userId" uuid, "dueAt" timestamptz) where s.user_id = d."userId" and s.digest_due_at is null`,
    values: [JSON.stringify(digests)],
  });
}

/** Takes one person whose digest is due, for so long. */
export function claimDigest(db: Db, { forSeconds }: { forSeconds: number }): Promise<{ userId: string }[]> {
  return many(db, {
    name: "digest_claim",
    text: `update notification.settings set digest_claimed_until = clock_timestamp() + make_interval(secs => $1)
      where user_id = (select user_id from notification.settings where digest_due_at <= clock_timestamp()
          and (digest_claimed_until is null or digest_claimed_until < clock_timestamp()) order by digest_due_at limit 1 for update skip locked)
      returning user_id as "userId"`,
    values: [forSeconds],
  });
}

/** What waits for a person's digest, oldest first. */
export function listDigest(
  db: Db,
  { userId, limit }: { userId: string; limit: number },
): Promise<{ id: string; notificationId: string; kind: string }[]> {
  return many(db, {
    name: "digest_list",
    text: `select d.id, d.notification_id as "notificationId", n.kind from notification.delivery d join notification.notification n on n.id = d.notification_id
      where d.user_id = $1 and d.state = 'queued' and d.digest order by d.id limit $2`,
    values: [userId, limit],
  });
}

/** A digest went out, or there was nothing in it: another one is planned when something waits for it. */
export function settleDigest(db: Db, userId: string): Promise<number> {
  return run(db, {
    name: "digest_settle",
    text: `update notification.settings s set digest_claimed_until = null,
        digest_due_at = (select clock_timestamp() from notification.delivery d where d.user_id = s.user_id and d.state = 'queued' and d.digest limit 1)
      where s.user_id = $1`,
    values: [userId],
  });
}

/** Puts off a digest that could not be sent for now. */
export function postponeDigest(
  db: Db,
  { userId, forSeconds }: { userId: string; forSeconds: number },
): Promise<number> {
  return run(db, {
    name: "digest_postpone",
    text: `update notification.settings set digest_claimed_until = null, digest_due_at = clock_timestamp() + make_interval(secs => $2)
      where user_id = $1 and digest_due_at is not null`,
    values: [userId, forSeconds],
  });
}
