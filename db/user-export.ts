import { type Db, many, one, type Statement } from "./query.ts";

/**
 * What is kept of somebody, table by table, without what only works as long as nobody knows it (hashes, keys, addresses that
 * are secrets) and who else was concerned with it.
 */
const parts: Statement[] = [
  {
    name: "user_export_account",
    text: `select to_jsonb(t) - '{password_hash,totp_secret,totp_last_step,totp_tries,totp_tries_since,ver,password_changes}'::text[] as kept from account."user" t where t.id = $1`,
  },
  {
    name: "user_export_access_tokens",
    text: `select to_jsonb(t) - '{token_hash}'::text[] as kept from account.access_token t where t.user_id = $1`,
  },
  {
    name: "user_export_activity",
    text: `select to_jsonb(t) as kept from account.activity t where t.user_id = $1`,
  },
  {
    name: "user_export_app_passwords",
    text: `select to_jsonb(t) - '{hash}'::text[] as kept from account.app_password t where t.user_id = $1`,
  },
  {
    name: "user_export_authorization_codes",
    text: `select to_jsonb(t) - '{code_hash,challenge,nonce}'::text[] as kept from account.authorization_code t where t.user_id = $1`,
  },
  {
    name: "user_export_device_grants",
    text: `select to_jsonb(t) - '{device_hash,user_code_hash,confirm_hash,password_changes}'::text[] as kept from account.device_grant t where t.user_id = $1`,
  },
  {
    name: "user_export_analytics_reports",
    text: `select to_jsonb(t) as kept from analytics.schedule t where t.user_id = $1`,
  },
  {
    name: "user_export_identities",
    text: `select to_jsonb(t) as kept from account.identity t where t.user_id = $1`,
  },
  {
    name: "user_export_invites",
    text: `select to_jsonb(t) - '{code_hash}'::text[] as kept from account.invite t where t.created_by = $1 or t.used_by = $1`,
  },
  {
    name: "user_export_mail_links",
    text: `select to_jsonb(t) - '{token_hash}'::text[] as kept from account.mail_link t where t.user_id = $1`,
  },
  {
    name: "user_export_sessions",
    text: `select to_jsonb(t) - '{salt,counter}'::text[] as kept from account.session t where t.user_id = $1`,
  },
  {
    name: "user_export_solder_keys",
    text: `select to_jsonb(t) - '{key_hash}'::text[] as kept from account.solder_key t where t.user_id = $1`,
  },
  {
    name: "user_export_game_tokens",
    text: `select to_jsonb(t) - '{token_hash}'::text[] as kept from yggdrasil.token t join account.session s on s.id = t.session_id where s.user_id = $1`,
  },
  {
    name: "user_export_acts",
    text: `select to_jsonb(t) as kept from audit.act t where t.actor_id = $1`,
  },
  {
    name: "user_export_room",
    text: `select to_jsonb(t) as kept from blob.quota t where t.user_id = $1`,
  },
  {
    name: "user_export_uploads",
    text: `select to_jsonb(t) - '{parts_id,attempt_id}'::text[] as kept from blob.upload t where t.owner_id = $1`,
  },
  {
    name: "user_export_follows",
    text: `select to_jsonb(t) as kept from community.follow t where t.user_id = $1`,
  },
  {
    name: "user_export_reports",
    text: `select to_jsonb(t) - '{handled_by}'::text[] as kept from community.report t where t.reporter_id = $1`,
  },
  {
    name: "user_export_calendars",
    text: `select to_jsonb(t) - '{token_hash}'::text[] as kept from event.calendar t where t.user_id = $1`,
  },
  {
    name: "user_export_events",
    text: `select to_jsonb(t) - '{words,spelling}'::text[] as kept from event.event t where t.owner_id = $1`,
  },
  {
    name: "user_export_registrations",
    text: `select to_jsonb(t) - '{token_hash}'::text[] as kept from event.registration t where t.user_id = $1`,
  },
  {
    name: "user_export_registration_changes",
    text: `select to_jsonb(t) - '{actor_id}'::text[] as kept from event.registration_change t where t.registration_id in (select r.id from event.registration r where r.user_id = $1)`,
  },
  {
    name: "user_export_files",
    text: `select to_jsonb(t) as kept from file.file t where t.owner_id = $1`,
  },
  {
    name: "user_export_readable_files",
    text: `select to_jsonb(t) as kept from file.reader_user t where t.user_id = $1`,
  },
  {
    name: "user_export_albums",
    text: `select to_jsonb(t) as kept from image.album t where t.owner_id = $1`,
  },
  {
    name: "user_export_images",
    text: `select to_jsonb(t) as kept from image.image t where t.owner_id = $1`,
  },
  {
    name: "user_export_image_room",
    text: `select to_jsonb(t) as kept from image.quota t where t.user_id = $1`,
  },
  {
    name: "user_export_readable_images",
    text: `select to_jsonb(t) as kept from image.reader_user t where t.user_id = $1`,
  },
  {
    name: "user_export_jobs",
    text: `select to_jsonb(t) - '{payload}'::text[] as kept from job.job t where t.owner_id = $1`,
  },
  {
    name: "user_export_deliveries",
    text: `select to_jsonb(t) as kept from notification.delivery t where t.user_id = $1`,
  },
  {
    name: "user_export_muted_events",
    text: `select to_jsonb(t) as kept from notification.mute t where t.user_id = $1`,
  },
  {
    name: "user_export_notifications",
    text: `select to_jsonb(t) as kept from notification.notification t where t.user_id = $1`,
  },
  {
    name: "user_export_notification_preferences",
    text: `select to_jsonb(t) as kept from notification.preference t where t.user_id = $1`,
  },
  {
    name: "user_export_push_subscriptions",
    text: `select to_jsonb(t) - '{address_hash,sealed}'::text[] as kept from notification.push_subscription t where t.user_id = $1`,
  },
  {
    name: "user_export_notification_settings",
    text: `select to_jsonb(t) as kept from notification.settings t where t.user_id = $1`,
  },
  {
    name: "user_export_telegram_chats",
    text: `select to_jsonb(t) - '{code_hash}'::text[] as kept from notification.telegram_chat t where t.user_id = $1`,
  },
  {
    name: "user_export_webhooks",
    text: `select to_jsonb(t) - '{secret,address}'::text[] as kept from notification.webhook t where t.user_id = $1`,
  },
  {
    name: "user_export_invitations",
    text: `select to_jsonb(t) - '{token_hash,created_by}'::text[] as kept from organization.invitation t where t.user_id = $1`,
  },
  {
    name: "user_export_memberships",
    text: `select to_jsonb(t) as kept from organization.member t where t.user_id = $1`,
  },
  {
    name: "user_export_transfers",
    text: `select to_jsonb(t) as kept from organization.transfer t where t.from_id = $1 or t.to_id = $1`,
  },
  {
    name: "user_export_pack_links",
    text: `select to_jsonb(t) - '{token_hash}'::text[] as kept from pack.link t where t.created_by = $1`,
  },
  {
    name: "user_export_pack_memberships",
    text: `select to_jsonb(t) as kept from pack.member t where t.user_id = $1`,
  },
  {
    name: "user_export_packs",
    text: `select to_jsonb(t) as kept from pack.pack t where t.owner_id = $1`,
  },
  {
    name: "user_export_readable_packs",
    text: `select to_jsonb(t) as kept from pack.reader_user t where t.user_id = $1`,
  },
  {
    name: "user_export_versions",
    text: `select to_jsonb(t) - '{manifest}'::text[] as kept from pack.version t where t.created_by = $1 or t.publish_by = $1`,
  },
  {
    name: "user_export_former_names",
    text: `select to_jsonb(t) as kept from player.former_name t where t.user_id = $1`,
  },
  {
    name: "user_export_players",
    text: `select to_jsonb(t) - '{skin_upload_id,cape_upload_id}'::text[] as kept from player.player t where t.user_id = $1`,
  },
];

export type KeptRows = Record<string, Record<string, unknown>[]>;
export type KeptObject = { sha256: string; size: number; as: string; name: string };

/** Every row that is somebody's, by what it is. In one REPEATABLE READ transaction it is of one moment. */
export async function listKeptRows(db: Db, userId: string): Promise<KeptRows> {
  const kept: KeptRows = {};
  for (const { name, text } of parts) {
    const rows = await many<{ kept: Record<string, unknown> }>(db, { name, text, values: [userId] });
    kept[name.replace("user_export_", "")] = rows.map((row) => row.kept);
  }
  return kept;
}

/** The stored bytes that are somebody's: uploads, files, images and textures, by their digests. */
export function listKeptObjects(db: Db, userId: string): Promise<KeptObject[]> {
  return many<KeptObject>(db, {
    name: "user_export_objects",
    text: `select b.sha256, b.size_bytes as size, 'upload' as "as", u.name from blob.upload u join blob.blob b on b.id = u.blob_id where u.owner_id = $1
      union all select b.sha256, b.size_bytes, 'file', f.name from file.file f join blob.blob b on b.id = f.blob_id where f.owner_id = $1
      union all select b.sha256, b.size_bytes, 'image ' || v.name, i.name from image.image i join image.variant v on v.image_id = i.id
        join blob.blob b on b.id = v.blob_id where i.owner_id = $1
      union all select b.sha256, b.size_bytes, case when b.id = p.skin_blob_id then 'skin' else 'cape' end, p.name
        from player.player p join blob.blob b on b.id in (p.skin_blob_id, p.cape_blob_id) where p.user_id = $1
      order by 3, 4`,
    values: [userId],
  });
}

/** Somebody by login, also when he is disabled or hidden; erased accounts are nobody's any more. */
export function findKeptUser(
  db: Db,
  login: string,
): Promise<{ id: string; login: string; hidden: boolean; roles: string[] } | undefined> {
  return one(db, {
    name: "user_find_kept",
    text: `select id, login, deleted_at is not null as hidden, roles from account."user"
      where login = $1 and (deleted_at is null or erase_after is not null)`,
    values: [login],
  });
}

/** Takes a hidden account's time to come back away: it is erased next. */
export function endHiding(tx: Db, id: string): Promise<{ id: string } | undefined> {
  return one(tx, {
    name: "user_end_hiding",
    text: `update account."user" set erase_after = now() where id = $1 and deleted_at is not null and erase_after is not null returning id`,
    values: [id],
  });
}
