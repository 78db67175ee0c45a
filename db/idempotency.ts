import { type Db, one, run } from "./query.ts";

export type KeptAnswer = {
  digest: string;
  route: string;
  status: number | null;
  headers: Record<string, string> | null;
  body: string | null;
};
export type IdempotencyKey = { caller: string; key: string };

/** Takes a key for a request. 0 when it is taken; one that was left in flight for a minute, or is a day old, may be taken again. */
export function takeKey(
  db: Db,
  { caller, key, route, digest }: IdempotencyKey & { route: string; digest: string },
): Promise<number> {
  return run(db, {
    name: "idempotency_take",
    text: `insert into api.idempotency (caller, key, route, digest) values ($1, $2, $3, $4)
      on conflict (caller, key) do update set route = excluded.route, digest = excluded.digest, status = null, headers = null, body = null, created_at = now()
        where api.idempotency.created_at < now() - interval '24 hours'
          or (api.idempotency.status is null and api.idempotency.created_at < now() - interval '1 minute' and api.idempotency.digest = excluded.digest)`,
    values: [caller, key, route, digest],
  });
}

export function findKeptAnswer(db: Db, { caller, key }: IdempotencyKey): Promise<KeptAnswer | undefined> {
  return one<KeptAnswer>(db, {
    name: "idempotency_find",
    text: `select digest, route, status, headers, body from api.idempotency where caller = $1 and key = $2`,
    values: [caller, key],
  });
}

export function keepAnswer(
  db: Db,
  {
    caller,
    key,
    status,
    headers,
    body,
  }: IdempotencyKey & { status: number; headers: Record<string, string>; body: string },
): Promise<number> {
  return run(db, {
    name: "idempotency_keep",
    text: `update api.idempotency set status = $3, headers = $4, body = $5 where caller = $1 and key = $2`,
    values: [caller, key, status, JSON.stringify(headers), body],
  });
}

export function releaseKey(db: Db, { caller, key }: IdempotencyKey): Promise<number> {
  return run(db, {
    name: "idempotency_release",
    text: `delete from api.idempotency where caller = $1 and key = $2 and status is null`,
    values: [caller, key],
  });
}

export function deleteOldKeys(db: Db): Promise<number> {
  return run(db, {
    name: "idempotency_delete_old",
    text: `delete from api.idempotency where created_at < now() - interval '24 hours'`,
  });
}
