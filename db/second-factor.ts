import { type Db, one, run } from "./query.ts";

/** An account's second factor: the sealed secret, and whether it was confirmed with a code. */
export type SecondFactorRow = { login: string; secret: string | null; confirmed: boolean };

export function findSecondFactor(db: Db, userId: string): Promise<SecondFactorRow | undefined> {
  return one<SecondFactorRow>(db, {
    name: "second_factor_find",
    text: `select login, totp_secret as secret, totp_confirmed_at is not null as confirmed from account."user"
      where id = $1 and (deleted_at is null or erase_after > now())`,
    values: [userId],
  });
}

/** Keeps a secret that still has to be confirmed. 0 when there is a confirmed one. */
export function updateTotpSecret(db: Db, { userId, secret }: { userId: string; secret: string }): Promise<number> {
  return run(db, {
    name: "second_factor_update_secret",
    text: `update account."user" set totp_secret = $2, totp_last_step = null where id = $1 and totp_confirmed_at is null`,
    values: [userId, secret],
  });
}

/** The secret counts from now on, and the code of `step` is used. 0 when it was confirmed or replaced meanwhile. */
export function settleTotpSecret(
  tx: Db,
  { userId, secret, step }: { userId: string; secret: string; step: number },
): Promise<number> {
  return run(tx, {
    name: "second_factor_settle",
    text: `update account."user" set totp_confirmed_at = now(), totp_last_step = $3, totp_tries = 0
      where id = $1 and totp_secret = $2 and totp_confirmed_at is null`,
    values: [userId, secret, step],
  });
}

export async function deleteSecondFactor(tx: Db, userId: string): Promise<void> {
  await run(tx, {
    name: "second_factor_delete",
    text: `update account."user" set totp_secret = null, totp_confirmed_at = null, totp_last_step = null where id = $1`,
    values: [userId],
  });
  await deleteRecoveryCodes(tx, userId);
}

/** Uses the code of a step, once: 0 when that step or a later one was used. A right code forgets the wrong ones. */
export function useTotpStep(db: Db, { userId, step }: { userId: string; step: number }): Promise<number> {
  return run(db, {
    name: "second_factor_use_step",
    text: `update account."user" set totp_last_step = $2, totp_tries = 0
      where id = $1 and totp_confirmed_at is not null and (totp_last_step is null or totp_last_step < $2)`,
    values: [userId, step],
  });
}

/** Counts a try before it is looked at, so that tries at the same moment count too. 0 when there were too many within the window. */
export function countTotpTry(
  db: Db,
  { userId, most, windowSeconds }: { userId: string; most: number; windowSeconds: number },
): Promise<number> {
  return run(db, {
    name: "second_factor_count_try",
    text: `update account."user" set
        totp_tries = case when totp_tries_since > now() - make_interval(secs => $3) then totp_tries + 1 else 1 end,
        totp_tries_since = case when totp_tries_since > now() - make_interval(secs => $3) then totp_tries_since else now() end
      where id = $1 and (totp_tries < $2 or totp_tries_since <= now() - make_interval(secs => $3))`,
    values: [userId, most, windowSeconds],
  });
}

export function deleteRecoveryCodes(tx: Db, userId: string): Promise<number> {
  return run(tx, {
    name: "recovery_code_delete",
    text: `delete from account.recovery_code where user_id = $1`,
    values: [userId],
  });
}

export function insertRecoveryCodes(tx: Db, { userId, hashes }: { userId: string; hashes: string[] }): Promise<number> {
  return run(tx, {
    name: "recovery_code_insert",
    text: `insert into account.recovery_code (user_id, code_hash) select $1, unnest($2::text[])`,
    values: [userId, hashes],
  });
}

/** Uses a recovery code, once: 0 when there is no such code, or it was used. */
export function useRecoveryCode(db: Db, { userId, hash }: { userId: string; hash: string }): Promise<number> {
  return run(db, {
    name: "recovery_code_use",
    text: `update account.recovery_code set used_at = now() where user_id = $1 and code_hash = $2 and used_at is null`,
    values: [userId, hash],
  });
}
