import { type Db, many, one, run } from "./query.ts";

/** Deletes drafts whose time is over, with their files. What is being published stays. */
export function deleteExpiredDrafts(db: Db, limit: number): Promise<number> {
  return run(db, {
    name: "sweep_delete_drafts",
    text: `delete from pack.version where id in (
      select id from pack.version where state = 'draft' and expires_at < now() order by expires_at limit $1 for update skip locked)`,
    values: [limit],
  });
}

/** Erases versions of packs that were deleted longer ago than the grace time. The pack's row keeps its slug. */
export function deleteVersionsOfDeletedPacks(
  db: Db,
  { graceSeconds, limit }: { graceSeconds: number; limit: number },
): Promise<number> {
  return run(db, {
    name: "sweep_delete_versions",
    text: `delete from pack.version where id in (
      select v.id from pack.version v join pack.pack p on p.id = v.pack_id
        where p.deleted_at < now() - make_interval(secs => $1) order by v.id limit $2 for update of v skip locked)`,
    values: [graceSeconds, limit],
  });
}

/** An upload that was given up: what lies in storage for it. */
export type GivenUp = { id: string; partsId: string | null; attemptKey: string | null };

/**
 * Deletes uploads that waited for bytes past their end. In the same statement their owners get the room back, and the
 * keys that they would have had are doomed.
 */
export function deleteExpiredUploads(db: Db, limit: number): Promise<GivenUp[]> {
  return many<GivenUp>(db, {
    name: "sweep_delete_uploads",
    text: `with gone as (
        delete from blob.upload where id in (
          select id from blob.upload where state = 'waiting' and expires_at < now() order by expires_at limit $1 for update skip locked)
        returning id, owner_id, size_bytes, parts_id, attempt_id),
      attempts as (delete from blob.attempt a using gone where a.id = gone.attempt_id returning a.id, a.key),
      doomed as (insert into blob.doomed (key, reason, remove_after) select key, 'given up', now() from attempts on conflict do nothing),
      owners as (select owner_id, count(*) as uploads, sum(size_bytes) as size_bytes from gone group by owner_id),
      released as (update blob.quota q set uploads = greatest(0, q.uploads - o.uploads), size_bytes = greatest(0, q.size_bytes - o.size_bytes)
        from owners o where q.user_id = o.owner_id)
      select gone.id, gone.parts_id as "partsId", attempts.key as "attemptKey" from gone left join attempts on attempts.id = gone.attempt_id`,
    values: [limit],
  });
}

/** Rejects uploads whose verification was given up for good, and gives their owners the room back. */
export function rejectUnverified(db: Db, limit: number): Promise<number> {
  return run(db, {
    name: "sweep_reject_uploads",
    text: `with gone as (
        update blob.upload set state = 'rejected', reason = 'it could not be verified', updated_at = now() where id in (
          select u.id from blob.upload u where u.state = 'verifying' and u.expires_at < now() and not exists (
              select from job.job j where j.actor = 'verify-upload' and j.subject = u.id::text and j.done < j.wanted)
            order by u.expires_at limit $1 for update of u skip locked)
        returning owner_id, size_bytes),
      owners as (select owner_id, count(*) as uploads, sum(size_bytes) as size_bytes from gone group by owner_id),
      released as (update blob.quota q set uploads = greatest(0, q.uploads - o.uploads), size_bytes = greatest(0, q.size_bytes - o.size_bytes)
        from owners o where q.user_id = o.owner_id)
      select owner_id from gone`,
    values: [limit],
  });
}

/** Forgets uploads that were rejected more than 7 days ago. */
export function deleteRejectedUploads(db: Db, limit: number): Promise<number> {
  return run(db, {
    name: "sweep_delete_rejected",
    text: `delete from blob.upload where id in (
      select id from blob.upload where state = 'rejected' and expires_at < now() and updated_at < now() - interval '7 days'
        order by expires_at limit $1 for update skip locked)`,
    values: [limit],
  });
}

/**
 * Gives up attempts that began longer ago than any run may take, and dooms their keys. An upload that is under way keeps
 * its own. A run that is late finds its attempt gone and does not settle.
 */
export async function deleteOldAttempts(
  db: Db,
  { afterSeconds, limit }: { afterSeconds: number; limit: number },
): Promise<number> {
  const row = await one<{ count: number }>(db, {
    name: "sweep_delete_attempts",
    text: `with gone as (
        delete from blob.attempt where id in (
          select a.id from blob.attempt a where a.created_at < now() - make_interval(secs => $1)
              and not exists (select from blob.upload u where u.attempt_id = a.id and u.state in ('waiting', 'verifying'))
            order by a.id limit $2 for update of a skip locked)
        returning key),
      doomed as (insert into blob.doomed (key, reason, remove_after)
        select key, 'given up', now() from gone where not exists (select from blob.blob b where b.key = gone.key) on conflict do nothing)
      select count(*) as count from gone`,
    values: [afterSeconds, limit],
  });
  return row?.count ?? 0;
}

/**
 * Of these keys in storage, those that no row names: no blob, attempt or doomed key under `blobs/`, no upload or image
 * under way under `staging/`, nor one whose parts are being joined under `tmp/`. One statement, so that a key that passes from an
 * attempt to a blob meanwhile is seen as one of both.
 */
export async function listUnnamed(db: Db, keys: string[]): Promise<string[]> {
  const rows = await many<{ key: string }>(db, {
    name: "sweep_list_unnamed",
    text: `select o.key from unnest($1::text[]) o (key) where case
      when o.key like 'blobs/%' then not exists (select from blob.blob r where r.key = o.key)
        and not exists (select from blob.attempt r where r.key = o.key) and not exists (select from blob.doomed r where r.key = o.key)
      when o.key ~ '^staging/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        then not exists (select from blob.upload r where r.id = substr(o.key, 9)::uuid and r.state in ('waiting', 'verifying'))
          and not exists (select from image.image r where r.id = substr(o.key, 9)::uuid and r.state in ('waiting', 'processing'))
      when o.key like 'tmp/parts-%'
        then not exists (select from blob.upload r where r.parts_id = substr(split_part(o.key, '/', 2), 7) and r.state in ('waiting', 'verifying'))
      else true end`,
    values: [keys],
  });
  return rows.map(({ key }) => key);
}

/** Of these multipart uploads at the storage, those that no upload under way has. */
export async function listUnnamedParts(db: Db, partsIds: string[]): Promise<string[]> {
  const rows = await many<{ id: string }>(db, {
    name: "sweep_list_unnamed_parts",
    text: `select p.id from unnest($1::text[]) p (id)
      where not exists (select from blob.upload u where u.parts_id = p.id and u.state in ('waiting', 'verifying'))`,
    values: [partsIds],
  });
  return rows.map(({ id }) => id);
}

export type Leftovers = {
  drafts: number;
  versions: number;
  uploads: number;
  uploadBytes: number;
  unverified: number;
  albumArchives: number;
  attempts: number;
  doomed: number;
  doomedBytes: number;
  due: number;
};

/** How much the next sweep would take besides idle blobs. */
export async function countLeftovers(
  db: Db,
  {
    graceSeconds,
    attemptSeconds,
    albumArchiveDays,
  }: { graceSeconds: number; attemptSeconds: number; albumArchiveDays: number },
): Promise<Leftovers> {
  const row = await one<Leftovers>(db, {
    name: "sweep_count_leftovers",
    text: `select (select count(*) from pack.version where state = 'draft' and expires_at < now()) as drafts,
      (select count(*) from pack.version v join pack.pack p on p.id = v.pack_id where p.deleted_at < now() - make_interval(secs => $1)) as versions,
      (select count(*) from blob.upload where state = 'waiting' and expires_at < now()) as uploads,
      (select coalesce(sum(size_bytes), 0)::bigint from blob.upload where state = 'waiting' and expires_at < now()) as "uploadBytes",
      (select count(*) from blob.upload u where u.state = 'verifying' and u.expires_at < now() and not exists (
        select from job.job j where j.actor = 'verify-upload' and j.subject = u.id::text and j.done < j.wanted)) as unverified,
      (select count(*) from image.archive where created_at < now() - make_interval(days => $3)) as "albumArchives",
      (select count(*) from blob.attempt a where a.created_at < now() - make_interval(secs => $2)
        and not exists (select from blob.upload u where u.attempt_id = a.id and u.state in ('waiting', 'verifying'))) as attempts,
      (select count(*) from blob.doomed) as doomed, (select coalesce(sum(size_bytes), 0)::bigint from blob.doomed) as "doomedBytes",
      (select count(*) from blob.doomed where remove_after <= now()) as due`,
    values: [graceSeconds, attemptSeconds, albumArchiveDays],
  });
  if (!row) throw new Error("the count of leftovers returned no row");
  return row;
}

type Draft = { slug: string; version: string; expiredAt: Date };
type Upload = { id: string; name: string; sizeBytes: number; expiredAt: Date };

/** Drafts that the next sweep would delete, for looking at. */
export function listExpiredDrafts(db: Db, limit: number): Promise<Draft[]> {
  return many<Draft>(db, {
    name: "sweep_list_drafts",
    text: `select p.slug, v.version, v.expires_at as "expiredAt" from pack.version v join pack.pack p on p.id = v.pack_id
      where v.state = 'draft' and v.expires_at < now() order by v.expires_at limit $1`,
    values: [limit],
  });
}

/** Uploads that the next sweep would give up, for looking at. */
export function listExpiredUploads(db: Db, limit: number): Promise<Upload[]> {
  return many<Upload>(db, {
    name: "sweep_list_uploads",
    text: `select id, name, size_bytes as "sizeBytes", expires_at as "expiredAt" from blob.upload
      where state = 'waiting' and expires_at < now() order by expires_at limit $1`,
    values: [limit],
  });
}
