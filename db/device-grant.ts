import { type Db, one, run } from "./query.ts";

export type NewDeviceGrant = {
  id: string;
  deviceHash: string;
  userCodeHash: string;
  clientId: string;
  scopes: string[];
  device: string;
  address: string;
  intervalSeconds: number;
  lifetimeSeconds: number;
};

/** Throws a duplicate error when the user code is taken, which is worth another try. */
export function insertDeviceGrant(db: Db, grant: NewDeviceGrant): Promise<number> {
  return run(db, {
    name: "device_grant_insert",
    text: `insert into account.device_grant (id, device_hash, user_code_hash, client_id, scopes, device, address, interval_seconds, expires_at)
      values ($1, $2, $3, $4, $5, $6, $7, $8, now() + make_interval(secs => $9))`,
    values: [
      grant.id,
      grant.deviceHash,
      grant.userCodeHash,
      grant.clientId,
      grant.scopes,
      grant.device,
      grant.address,
      grant.intervalSeconds,
      grant.lifetimeSeconds,
    ],
  });
}

/** Whether a grant waits under a user code. */
export function findWaitingGrant(db: Db, userCodeHash: string): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(db, {
    name: "device_grant_find_waiting",
    text: `select id from account.device_grant where user_code_hash = $1 and state = 'pending' and expires_at > clock_timestamp()`,
    values: [userCodeHash],
  });
}

/** What a person is shown of a device that waits for him. */
export type WaitingGrant = { clientId: string; scopes: string[]; device: string; address: string; ageSeconds: number };

type Claim = { id: string; userId: string; passwordChanges: number; confirmHash: string };

/** From now on this user looks at the grant, in this browser: the last one to look decides. Undefined when it no longer waits. */
export function claimDeviceGrant(
  db: Db,
  { id, userId, passwordChanges, confirmHash }: Claim,
): Promise<WaitingGrant | undefined> {
  return one<WaitingGrant>(db, {
    name: "device_grant_claim",
    text: `update account.device_grant set user_id = $2, password_changes = $3, confirm_hash = $4
      where id = $1 and state = 'pending' and expires_at > clock_timestamp()
      returning client_id as "clientId", scopes, device, address,
        extract(epoch from clock_timestamp() - created_at)::integer as "ageSeconds"`,
    values: [id, userId, passwordChanges, confirmHash],
  });
}

type Decision = { id: string; confirmHash: string; state: "approved" | "denied"; playerId: string | null };

/**
 * Settles a waiting grant as the browser that looks at it says; undefined when it waits for that browser no longer, its user
 * has another password since, or approves what asks for a player with none of his. Users are locked before grants, so that a change of password comes before or after.
 */
export function settleDeviceGrant(
  db: Db,
  { id, confirmHash, state, playerId }: Decision,
): Promise<{ userId: string; device: string } | undefined> {
  return one<{ userId: string; device: string }>(db, {
    name: "device_grant_settle",
    text: `with holds as (select u.id, u.password_changes from account.device_grant g join account."user" u on u.id = g.user_id
        where g.id = $1 and u.disabled_at is null and u.deleted_at is null for share of u)
      update account.device_grant g set state = $3, confirm_hash = null,
        player_id = (select p.id from player.player p where p.id = $4 and p.user_id = g.user_id)
      from holds where g.id = $1 and g.confirm_hash = $2 and g.state = 'pending' and g.expires_at > clock_timestamp()
        and g.user_id = holds.id and g.password_changes = holds.password_changes
        and ($3 = 'denied' or 'Yggdrasil.PlayerProfiles.Select' <> all (g.scopes)
          or exists (select from player.player p where p.id = $4 and p.user_id = g.user_id))
      returning g.user_id as "userId", g.device`,
    values: [id, confirmHash, state, playerId],
  });
}

type Redemption = { deviceHash: string; clientId: string };

/** Takes an approved grant, once: of any number of callers at the same moment one gets it. */
export function redeemDeviceGrant(
  tx: Db,
  { deviceHash, clientId }: Redemption,
): Promise<{ userId: string; scopes: string[]; device: string; playerId: string | null } | undefined> {
  return one<{ userId: string; scopes: string[]; device: string; playerId: string | null }>(tx, {
    name: "device_grant_redeem",
    text: `with holds as (select u.id from account.device_grant g join account."user" u on u.id = g.user_id
        where g.device_hash = $1 and g.state = 'approved' for share of u)
      update account.device_grant g set state = 'used' from holds
      where g.device_hash = $1 and g.client_id = $2 and g.state = 'approved' and g.expires_at > clock_timestamp()
        and g.user_id = holds.id
      returning g.user_id as "userId", g.scopes, g.device, g.player_id as "playerId"`,
    values: [deviceHash, clientId],
  });
}

export type Polled = {
  state: "pending" | "approved" | "denied" | "used";
  expired: boolean;
  /** It came before the interval was over, which is 5 s longer from now on (RFC 8628, 3.5). */
  hasty: boolean;
};

/** Notes one poll of a device. Its right sides see the row as the poll before left it, also when many come at once. */
export function pollDeviceGrant(db: Db, { deviceHash, clientId }: Redemption): Promise<Polled | undefined> {
  return one<Polled>(db, {
    name: "device_grant_poll",
    text: `update account.device_grant set polled_at = clock_timestamp(),
        hasty = coalesce(polled_at > clock_timestamp() - make_interval(secs => interval_seconds - 0.5), false),
        interval_seconds = case when polled_at > clock_timestamp() - make_interval(secs => interval_seconds - 0.5)
          then least(300, interval_seconds + 5) else interval_seconds end
      where device_hash = $1 and client_id = $2
      returning state, expires_at <= clock_timestamp() as expired, hasty`,
    values: [deviceHash, clientId],
  });
}

/** Takes back what a user looks at or has approved, and no device or client has fetched yet. To be run before his sessions are ended. */
export function denyDeviceGrants(tx: Db, userId: string): Promise<number> {
  return run(tx, {
    name: "device_grant_deny",
    text: `with codes as (delete from account.authorization_code where user_id = $1 and used_at is null)
      update account.device_grant set state = 'denied' where user_id = $1 and state in ('pending', 'approved')`,
    values: [userId],
  });
}

/** Forgets grants that expired more than an hour ago. */
export function deleteOldDeviceGrants(db: Db): Promise<number> {
  return run(db, {
    name: "device_grant_delete_old",
    text: `delete from account.device_grant where expires_at < now() - interval '1 hour'`,
  });
}
