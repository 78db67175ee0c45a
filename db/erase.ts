import { type Db, many, run } from "./query.ts";
import type { GivenUp } from "./sweep-leftovers.ts";

/**
 * Every column that names a user, and what becomes of it when he is erased: "cascade" and "null" as the database would do,
 * but done by us, since his row stays; "stays" names the tombstone. Compared with the schema in a test.
 */
export const userReferences: Record<string, "erased" | "null" | "stays"> = {
  "account.access_token.user_id": "erased",
  "account.activity.user_id": "erased",
  "account.app_password.user_id": "erased",
  "account.authorization_code.user_id": "erased",
  "account.device_grant.user_id": "erased",
  "account.identity.user_id": "erased",
  "account.invite.created_by": "null",
  "account.invite.used_by": "null",
  "account.mail_link.user_id": "erased",
  "account.provider_flow.user_id": "erased",
  "account.recovery_code.user_id": "erased",
  "account.session.user_id": "erased",
  "account.solder_key.user_id": "erased",
  "audit.act.actor_id": "stays",
  "analytics.schedule.user_id": "erased",
  "blob.quota.user_id": "erased",
  "blob.upload.owner_id": "erased",
  "community.follow.organizer_id": "erased",
  "community.follow.user_id": "erased",
  "community.report.handled_by": "null",
  "community.report.reporter_id": "null",
  "event.calendar.user_id": "erased",
  "event.event.owner_id": "stays", // a deleted event keeps its address; one of an organization goes on
  "event.registration.user_id": "erased",
  "event.registration_change.actor_id": "null",
  "event.source.created_by": "null",
  "file.file.owner_id": "erased",
  "file.reader_user.user_id": "erased",
  "image.album.owner_id": "stays", // of galleries that he made for pages of others
  "image.image.owner_id": "erased",
  "image.quota.user_id": "erased",
  "image.reader_user.user_id": "erased",
  "job.job.owner_id": "null",
  "notification.delivery.user_id": "erased",
  "notification.mute.user_id": "erased",
  "notification.notification.user_id": "erased",
  "notification.preference.user_id": "erased",
  "notification.push_subscription.user_id": "erased",
  "notification.settings.user_id": "erased",
  "notification.telegram_chat.user_id": "erased",
  "notification.webhook.user_id": "erased",
  "organization.invitation.created_by": "null",
  "organization.invitation.user_id": "erased",
  "organization.member.user_id": "erased",
  "organization.transfer.from_id": "erased",
  "organization.transfer.to_id": "erased",
  "pack.link.created_by": "null",
  "pack.member.user_id": "erased",
  "pack.pack.owner_id": "stays", // a deleted pack keeps its slug, and nothing else
  "pack.reader_user.user_id": "erased",
  "pack.version.created_by": "stays", // of packs of others
  "pack.version.publish_by": "null",
  "player.former_name.user_id": "erased",
  "player.player.user_id": "erased",
};

/** Deletes some of somebody's uploads with their room in the quota, and dooms the keys that they would have had. */
export function eraseUploads(tx: Db, { userId, limit }: { userId: string; limit: number }): Promise<GivenUp[]> {
  return many<GivenUp>(tx, {
    name: "erase_uploads",
    text: `with gone as (
        delete from blob.upload where id in (select id from blob.upload where owner_id = $1 order by id limit $2 for update)
        returning id, parts_id, attempt_id),
      attempts as (delete from blob.attempt a using gone where a.id = gone.attempt_id returning a.id, a.key),
      doomed as (insert into blob.doomed (key, reason, remove_after) select key, 'given up', now() from attempts on conflict do nothing)
      select gone.id, gone.parts_id as "partsId", attempts.key as "attemptKey" from gone left join attempts on attempts.id = gone.attempt_id`,
    values: [userId, limit],
  });
}

/** Deletes his quota, files and reading rights. The bytes are left to the sweep, which knows who else names them. */
export async function eraseFiles(tx: Db, userId: string): Promise<number> {
  await run(tx, { name: "erase_quota", text: `delete from blob.quota where user_id = $1`, values: [userId] });
  await run(tx, {
    name: "erase_file_readers",
    text: `delete from file.reader_user where user_id = $1`,
    values: [userId],
  });
  return run(tx, { name: "erase_files", text: `delete from file.file where owner_id = $1`, values: [userId] });
}

/** Deletes his albums and images, and his right to see those of others; galleries of others' packs go to their owners. The bytes are left to the sweep. */
export async function eraseImages(tx: Db, userId: string): Promise<number> {
  await run(tx, { name: "erase_image_quota", text: `delete from image.quota where user_id = $1`, values: [userId] });
  await run(tx, {
    name: "erase_image_readers",
    text: `delete from image.reader_user where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_album_archives",
    text: `delete from image.archive where id in (
      select r.archive_id from image.archive_image r join image.image i on i.id = r.image_id where i.owner_id = $1)`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_galleries",
    text: `update image.album a set owner_id = p.owner_id from pack.pack p where a.owner_id = $1 and p.id = a.pack_id and p.owner_id <> $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_albums",
    text: `delete from image.album a where a.owner_id = $1 and case
      when a.pack_id is not null then exists (select from pack.pack p where p.id = a.pack_id and p.owner_id = $1 and p.organization_id is null)
      when a.event_id is not null then exists (select from event.event e where e.id = a.event_id and e.owner_id = $1 and e.organization_id is null)
      else a.organization_id is null end`,
    values: [userId],
  });
  return run(tx, { name: "erase_images", text: `delete from image.image where owner_id = $1`, values: [userId] });
}

/** Deletes his packs as their owner would, with all that he wrote on their pages, and takes him out of those of others. */
export async function erasePacks(tx: Db, userId: string): Promise<number> {
  await run(tx, { name: "erase_members", text: `delete from pack.member where user_id = $1`, values: [userId] });
  await run(tx, {
    name: "erase_pack_readers",
    text: `delete from pack.reader_user where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_pack_links",
    text: `update pack.link set created_by = null where created_by = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_solder_clients",
    text: `delete from pack.solder_client c using pack.pack p where p.id = c.pack_id and p.owner_id = $1 and p.organization_id is null`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_publishing",
    text: `update pack.version set publish_at = null, publish_by = null where publish_by = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_pack_webhooks",
    text: `delete from notification.webhook w using pack.pack p where p.id = w.pack_id and p.owner_id = $1 and p.organization_id is null`,
    values: [userId],
  });
  return run(tx, {
    name: "erase_packs",
    text: `update pack.pack set deleted_at = coalesce(deleted_at, now()), icon_blob_id = null, logo_blob_id = null, background_blob_id = null, revision = revision + 1,
        server_address = null, name = '', summary = '', description = '', licence = '', tags = '{}', links = '{}'
      where owner_id = $1 and organization_id is null and (deleted_at is null or name <> '')`,
    values: [userId],
  });
}

/** Takes his name off jobs and forgets kept answers: what they hold may be his words. */
export async function eraseTraces(tx: Db, userId: string): Promise<void> {
  await run(tx, {
    name: "erase_jobs",
    text: `update job.job set owner_id = null where owner_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_answers",
    text: `delete from api.idempotency where caller = $1::text`,
    values: [userId],
  });
}

/**
 * Deletes sessions, tokens, links and history, and leaves a tombstone of the account: an id and a login that nobody can
 * register, for what must go on naming somebody. 0 when it is not hidden for good.
 */
export async function eraseAccount(
  tx: Db,
  { userId, login, email }: { userId: string; login: string; email: string | null },
): Promise<number> {
  await run(tx, { name: "erase_sessions", text: `delete from account.session where user_id = $1`, values: [userId] });
  await run(tx, {
    name: "erase_tokens",
    text: `delete from account.access_token where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_app_passwords",
    text: `delete from account.app_password where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_codes",
    text: `delete from account.recovery_code where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_identities",
    text: `delete from account.identity where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_flows",
    text: `delete from account.provider_flow where user_id = $1`,
    values: [userId],
  });
  await run(tx, { name: "erase_links", text: `delete from account.mail_link where user_id = $1`, values: [userId] });
  await run(tx, {
    name: "erase_solder_keys",
    text: `delete from account.solder_key where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_grants",
    text: `delete from account.device_grant where user_id = $1`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_authorization_codes",
    text: `delete from account.authorization_code where user_id = $1`,
    values: [userId],
  });
  await run(tx, { name: "erase_activity", text: `delete from account.activity where user_id = $1`, values: [userId] });
  await run(tx, {
    name: "erase_invites",
    text: `update account.invite set created_by = nullif(created_by, $1), used_by = nullif(used_by, $1) where $1 in (created_by, used_by)`,
    values: [userId],
  });
  await run(tx, {
    name: "erase_mails",
    text: `delete from mail.mail where recipient = $3::text or params ->> 'userId' = $1::text or params ->> 'name' in ($2::text, $3::text)`,
    values: [userId, login, email],
  });
  return run(tx, {
    name: "erase_user",
    text: `update account."user" set login = 'deleted-' || id, email = null, email_verified_at = null, password_hash = null, roles = '{}',
        display_name = '', bio = '', locale = 'en', time_zone = 'UTC', links = '{}', preferences = '{}', disabled_at = null,
        totp_secret = null, totp_confirmed_at = null, totp_last_step = null, revision = revision + 1
      where id = $1 and deleted_at is not null and erase_after is null`,
    values: [userId],
  });
}
