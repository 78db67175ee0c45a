import { type Db, many, one, run } from "./query.ts";

/** Somebody's account with a provider: its subject there stands for him here. */
export type Identity = { provider: string; email: string | null; createdAt: Date };

/** The user whom an identity stands for, also when he may not sign in. */
export function findIdentityUser(
  db: Db,
  { provider, subject }: { provider: string; subject: string },
): Promise<{ userId: string } | undefined> {
  return one<{ userId: string }>(db, {
    name: "identity_find_user",
    text: `select user_id as "userId" from account.identity where provider = $1 and subject = $2`,
    values: [provider, subject],
  });
}

/** The user who has proved that this address is his. */
export function findVerifiedEmail(db: Db, email: string): Promise<{ userId: string } | undefined> {
  return one<{ userId: string }>(db, {
    name: "identity_find_verified_email",
    text: `select id as "userId" from account."user" where email = $1 and email_verified_at is not null and deleted_at is null`,
    values: [email],
  });
}

export function listIdentities(db: Db, userId: string): Promise<Identity[]> {
  return many<Identity>(db, {
    name: "identity_list",
    text: `select provider, email, created_at as "createdAt" from account.identity where user_id = $1 order by created_at`,
    values: [userId],
  });
}

/** 0 when the identity is somebody's, or the user has one of that provider. */
export function insertIdentity(
  tx: Db,
  identity: { provider: string; subject: string; userId: string; email: string | null },
): Promise<number> {
  return run(tx, {
    name: "identity_insert",
    text: `insert into account.identity (provider, subject, user_id, email) values ($1, $2, $3, $4) on conflict do nothing`,
    values: [identity.provider, identity.subject, identity.userId, identity.email],
  });
}

/** Locks a user until the transaction ends, so that his ways to sign in go one at a time. */
export function lockUser(tx: Db, userId: string): Promise<{ hasPassword: boolean } | undefined> {
  return one<{ hasPassword: boolean }>(tx, {
    name: "identity_lock_user",
    text: `select password_hash is not null as "hasPassword" from account."user" where id = $1 and deleted_at is null for no key update`,
    values: [userId],
  });
}

export function deleteIdentity(tx: Db, { userId, provider }: { userId: string; provider: string }): Promise<number> {
  return run(tx, {
    name: "identity_delete",
    text: `delete from account.identity where user_id = $1 and provider = $2`,
    values: [userId, provider],
  });
}
