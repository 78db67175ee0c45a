import { type Db, many, one, run } from "./query.ts";

/** Bytes that are kept, and bytes that wait to be removed. */
export async function sumStorage(
  db: Db,
): Promise<{ liveBytes: number; doomedBytes: number; blobs: number; brokenBlobs: number }> {
  const row = await one<{ liveBytes: number; doomedBytes: number; blobs: number; brokenBlobs: number }>(db, {
    name: "storage_sum",
    text: `select (select coalesce(sum(size_bytes), 0)::bigint from blob.blob) as "liveBytes", (select count(*) from blob.blob) as blobs,
      (select count(*) from blob.blob where broken is not null) as "brokenBlobs",
      (select coalesce(sum(size_bytes), 0)::bigint from blob.doomed) as "doomedBytes"`,
  });
  return row ?? { liveBytes: 0, doomedBytes: 0, blobs: 0, brokenBlobs: 0 };
}

/** Bytes that were stored within the last days and are still there. Ids begin with the time. */
export async function sumNewBlobs(db: Db, days: number): Promise<number> {
  const since = (Date.now() - days * 24 * 3_600_000).toString(16).padStart(12, "0");
  const row = await one<{ bytes: number }>(db, {
    name: "storage_sum_new",
    text: `select coalesce(sum(size_bytes), 0)::bigint as bytes from blob.blob where id >= $1`,
    values: [`${since.slice(0, 8)}-${since.slice(8)}-7000-8000-000000000000`],
  });
  return row?.bytes ?? 0;
}

/** Bytes that uploads have announced and that are no blobs yet, by the uploads' state. */
export function sumUploads(db: Db): Promise<{ state: string; bytes: number }[]> {
  return many(db, {
    name: "storage_sum_uploads",
    text: `select state, sum(size_bytes)::bigint as bytes from blob.upload where state <> 'verified' and state <> 'rejected' group by state`,
  });
}

/** Key of the advisory lock that a backup holds (`pg_advisory_lock`) from its dump until its objects are copied: meanwhile nothing is removed. */
export const backupLock = 7_368_054;

/** Holds backups off until the transaction ends. False when one is under way. */
export async function holdBackups(tx: Db): Promise<boolean> {
  const row = await one<{ free: boolean }>(tx, {
    name: "sweep_hold_backups",
    text: `select pg_try_advisory_xact_lock_shared($1) as free`,
    values: [backupLock],
  });
  return row?.free ?? false;
}

/** Whether the database was restored so lately that what its tables do not name may still be newer than they are. */
export async function isRestored(db: Db, withinSeconds: number): Promise<boolean> {
  const row = await one<{ restored: boolean }>(db, {
    name: "sweep_is_restored",
    text: `select exists (select from backup.restore where restored_at > now() - make_interval(secs => $1)) as restored`,
    values: [withinSeconds],
  });
  return row?.restored ?? false;
}

/** Every column that names a blob. A test compares them with the foreign keys that there are. */
export const blobReferences = [
  "blob.upload.blob_id",
  "file.file.blob_id",
  "image.archive.blob_id",
  "image.image.source_blob_id",
  "image.variant.blob_id",
  "pack.archive.blob_id",
  "pack.pack.background_blob_id",
  "pack.pack.icon_blob_id",
  "pack.pack.logo_blob_id",
  "pack.solder_mod.blob_id",
  "pack.version_file.blob_id",
  "player.player.cape_blob_id",
  "player.player.skin_blob_id",
] as const;

/** Idle: untouched for the grace time ($1, seconds), and named by nothing but uploads that were verified before it. */
const isIdle = `b.touched_at < now() - make_interval(secs => $1) and b.created_at < now() - make_interval(secs => $1)
    and not exists (select from pack.version_file r where r.blob_id = b.id)
    and not exists (select from pack.archive r where r.blob_id = b.id)
    and not exists (select from pack.solder_mod r where r.blob_id = b.id)
    and not exists (select from pack.pack r where r.icon_blob_id = b.id or r.logo_blob_id = b.id or r.background_blob_id = b.id)
    and not exists (select from file.file r where r.blob_id = b.id)
    and not exists (select from image.variant r where r.blob_id = b.id)
    and not exists (select from image.image r where r.source_blob_id = b.id)
    and not exists (select from image.archive r where r.blob_id = b.id)
    and not exists (select from player.player r where r.skin_blob_id = b.id)
    and not exists (select from player.player r where r.cape_blob_id = b.id)
    and not exists (select from blob.upload r where r.blob_id = b.id
      and (r.state <> 'verified' or r.updated_at >= now() - make_interval(secs => $1)))`;

type Batch = { graceSeconds: number; limit: number };

/** Locks idle blobs, in id order; those that a publisher has locked are left for the next time. */
export async function lockIdleBlobs(tx: Db, { graceSeconds, limit }: Batch): Promise<string[]> {
  const rows = await many<{ id: string }>(tx, {
    name: "sweep_lock_idle_blobs",
    text: `select b.id from blob.blob b where ${isIdle} order by b.id limit $2 for update of b skip locked`,
    values: [graceSeconds, limit],
  });
  return rows.map(({ id }) => id);
}

/**
 * Of blobs that the transaction has locked, those that are idle still. Has to be a statement of its own: the one that locks
 * does not see a reference that was committed between its snapshot and its lock.
 */
export async function listStillIdle(
  tx: Db,
  { ids, graceSeconds }: { ids: string[]; graceSeconds: number },
): Promise<string[]> {
  const rows = await many<{ id: string }>(tx, {
    name: "sweep_list_still_idle",
    text: `select b.id from blob.blob b where ${isIdle} and b.id = any ($2::uuid[]) order by b.id`,
    values: [graceSeconds, ids],
  });
  return rows.map(({ id }) => id);
}

/**
 * Deletes blobs that the transaction has locked and found idle: first the uploads that gave a right to them, whose owners
 * get the room back, then the rows. Their keys are doomed. What still names one, whether we know of it or not, makes it fail.
 */
export async function deleteBlobs(
  tx: Db,
  { ids, doomedSeconds }: { ids: string[]; doomedSeconds: number },
): Promise<{ blobs: number; sizeBytes: number }> {
  await run(tx, {
    name: "sweep_delete_uploads_of_blobs",
    text: `with gone as (delete from blob.upload where blob_id = any ($1::uuid[]) and state = 'verified' returning owner_id, size_bytes),
        owners as (select owner_id, count(*) as uploads, sum(size_bytes) as size_bytes from gone group by owner_id)
      update blob.quota q set uploads = greatest(0, q.uploads - o.uploads), size_bytes = greatest(0, q.size_bytes - o.size_bytes)
        from owners o where q.user_id = o.owner_id`,
    values: [ids],
  });
  const row = await one<{ blobs: number; sizeBytes: number }>(tx, {
    name: "sweep_delete_blobs",
    text: `with gone as (delete from blob.blob where id = any ($1::uuid[]) returning key, size_bytes),
        doomed as (insert into blob.doomed (key, size_bytes, reason, remove_after)
          select key, size_bytes, 'unreferenced', now() + make_interval(secs => $2) from gone on conflict do nothing)
      select count(*) as blobs, coalesce(sum(size_bytes), 0)::bigint as "sizeBytes" from gone`,
    values: [ids, doomedSeconds],
  });
  return row ?? { blobs: 0, sizeBytes: 0 };
}

/** How many blobs there are, and how many of them are idle. */
export async function countIdleBlobs(
  db: Db,
  graceSeconds: number,
): Promise<{ live: number; idle: number; idleBytes: number }> {
  const row = await one<{ live: number; idle: number; idleBytes: number }>(db, {
    name: "sweep_count_idle_blobs",
    text: `select (select count(*) from blob.blob) as live, count(*) as idle, coalesce(sum(b.size_bytes), 0)::bigint as "idleBytes"
      from blob.blob b where ${isIdle}`,
    values: [graceSeconds],
  });
  return row ?? { live: 0, idle: 0, idleBytes: 0 };
}

export type IdleBlob = { sha256: string; key: string; sizeBytes: number; touchedAt: Date; uploads: number };

/** Idle blobs for looking at, with how many old uploads name each. */
export function listIdleBlobs(db: Db, { graceSeconds, limit }: Batch): Promise<IdleBlob[]> {
  return many<IdleBlob>(db, {
    name: "sweep_list_idle_blobs",
    text: `select b.sha256, b.key, b.size_bytes as "sizeBytes", b.touched_at as "touchedAt",
        (select count(*) from blob.upload u where u.blob_id = b.id) as uploads
      from blob.blob b where ${isIdle} order by b.id limit $2`,
    values: [graceSeconds, limit],
  });
}

/** Locks doomed keys whose time has come. Never one that a blob lives under. */
export async function lockDueKeys(tx: Db, limit: number): Promise<string[]> {
  const rows = await many<{ key: string }>(tx, {
    name: "sweep_lock_due_keys",
    text: `select d.key from blob.doomed d where d.remove_after <= now() and not exists (select from blob.blob b where b.key = d.key)
      order by d.remove_after limit $1 for update of d skip locked`,
    values: [limit],
  });
  return rows.map(({ key }) => key);
}

type Doomed = { key: string; sizeBytes: number; reason: string; removeAfter: Date };

/** Doomed keys for looking at, the next to go first. */
export function listDoomed(db: Db, limit: number): Promise<Doomed[]> {
  return many<Doomed>(db, {
    name: "sweep_list_doomed",
    text: `select key, size_bytes as "sizeBytes", reason, remove_after as "removeAfter" from blob.doomed order by remove_after limit $1`,
    values: [limit],
  });
}
