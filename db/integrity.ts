import { type Db, many, one, run } from "./query.ts";

/** How stored bytes are not what their row says. */
export type Flaw = "missing" | "changed";

export type CheckedBlob = { id: string; key: string; sha256: string; sizeBytes: number };

const columns = `b.id, b.key, b.sha256, b.size_bytes as "sizeBytes"`;

/** Blobs in the order of their keys' bytes, as a listing of the storage has them. */
export function listBlobsByKey(
  db: Db,
  { after, limit }: { after: string; limit: number },
): Promise<(CheckedBlob & { broken: Flaw | null })[]> {
  return many(db, {
    name: "integrity_list_by_key",
    text: `select ${columns}, b.broken from blob.blob b where b.key collate "C" > $1 order by b.key collate "C" limit $2`,
    values: [after, limit],
  });
}

/** Of those that are not broken, those that have not been read for longest, last read before a time; `without` those with these ids. */
export function listUnverified(
  db: Db,
  { before, without, limit }: { before: Date; without: string[]; limit: number },
): Promise<CheckedBlob[]> {
  return many<CheckedBlob>(db, {
    name: "integrity_list_unverified",
    text: `select ${columns} from blob.blob b where b.verified_at < $1 and b.broken is null and b.id <> all ($3::uuid[])
      order by b.verified_at limit $2`,
    values: [before, limit, without],
  });
}

/** Those that were found broken: they may have been put back. */
export function listBroken(db: Db, { after, limit }: { after: string; limit: number }): Promise<CheckedBlob[]> {
  return many<CheckedBlob>(db, {
    name: "integrity_list_broken",
    text: `select ${columns} from blob.blob b where b.broken is not null and b.id > $1 order by b.id limit $2`,
    values: [after, limit],
  });
}

/** Notes that the bytes under this key were read and are right. */
export function settleVerified(db: Db, { id, key }: { id: string; key: string }): Promise<number> {
  return run(db, {
    name: "integrity_settle_verified",
    text: `update blob.blob set verified_at = now(), broken = null, broken_at = null where id = $1 and key = $2`,
    values: [id, key],
  });
}

/** Notes that the bytes under this key are not what the row says. 0 when that is known, or other bytes are there by now. */
export function settleBroken(tx: Db, { id, key, flaw }: { id: string; key: string; flaw: Flaw }): Promise<number> {
  return run(tx, {
    name: "integrity_settle_broken",
    text: `update blob.blob set broken = $3, broken_at = now() where id = $1 and key = $2 and broken is null`,
    values: [id, key, flaw],
  });
}

/** Published versions that have these bytes among their files, the newest first. */
export function listVersionsHolding(
  tx: Db,
  blobId: string,
): Promise<{ packId: string; versionId: string; slug: string }[]> {
  return many(tx, {
    name: "integrity_list_versions",
    text: `select distinct v.pack_id as "packId", v.id as "versionId", p.slug, v.number from pack.version_file f join pack.version v on v.id = f.version_id
      join pack.pack p on p.id = v.pack_id where f.blob_id = $1 and v.state = 'published' and p.deleted_at is null order by v.number desc, v.id`,
    values: [blobId],
  });
}

/** Lets go of archives that are these bytes: they are built anew when somebody asks. */
export async function forgetArchives(tx: Db, blobId: string): Promise<void> {
  await run(tx, {
    name: "integrity_forget_archives",
    text: `delete from pack.archive where blob_id = $1`,
    values: [blobId],
  });
  await run(tx, {
    name: "integrity_forget_album_archives",
    text: `delete from image.archive where blob_id = $1`,
    values: [blobId],
  });
}

export type BrokenFile = { path: string; sha256: string; flaw: Flaw; foundAt: Date };

/** Stored files of a version that are broken, the first `most` by their paths. */
export function listBrokenFiles(
  db: Db,
  { versionId, most }: { versionId: string; most: number },
): Promise<BrokenFile[]> {
  return many<BrokenFile>(db, {
    name: "integrity_list_broken_files",
    text: `select f.path, b.sha256, b.broken as flaw, b.broken_at as "foundAt" from pack.version_file f join blob.blob b on b.id = f.blob_id
      where f.version_id = $1 and b.broken is not null order by f.path collate "C" limit $2`,
    values: [versionId, most],
  });
}

type VersionSums = { stored: number; references: number; verifiedAt: Date | null };

/** How many files of a version are stored here, and since when all of those that are not broken are known to be right. */
export async function sumVersionIntegrity(db: Db, versionId: string): Promise<VersionSums> {
  const sums = await one<VersionSums>(db, {
    name: "integrity_sum_version",
    text: `select count(b.id) as stored, count(*) - count(b.id) as references, min(b.verified_at) filter (where b.broken is null) as "verifiedAt"
      from pack.version_file f left join blob.blob b on b.id = f.blob_id where f.version_id = $1`,
    values: [versionId],
  });
  return sums ?? { stored: 0, references: 0, verifiedAt: null };
}

export type IntegritySums = { blobs: number; broken: number; verifiedAt: Date | null; bytes: number };

/** All blobs together: how many are broken, and the time before which none of the others was read last. */
export async function sumIntegrity(db: Db): Promise<IntegritySums> {
  const sums = await one<IntegritySums>(db, {
    name: "integrity_sum",
    text: `select count(*) as blobs, count(*) filter (where broken is not null) as broken, min(verified_at) filter (where broken is null) as "verifiedAt",
      coalesce(sum(size_bytes), 0)::bigint as bytes from blob.blob`,
  });
  return sums ?? { blobs: 0, broken: 0, verifiedAt: null, bytes: 0 };
}

/** Broken blobs with the versions that have them, for operators. */
export function listBrokenPlaces(
  db: Db,
  limit: number,
): Promise<{ sha256: string; sizeBytes: number; flaw: Flaw; foundAt: Date; versions: string[] }[]> {
  return many(db, {
    name: "integrity_list_places",
    text: `select b.sha256, b.size_bytes as "sizeBytes", b.broken as flaw, b.broken_at as "foundAt",
        array(select distinct p.slug || ' ' || v.version from pack.version_file f join pack.version v on v.id = f.version_id
          join pack.pack p on p.id = v.pack_id where f.blob_id = b.id and v.state = 'published' order by 1 limit 100) as versions
      from blob.blob b where b.broken is not null order by b.id limit $1`,
    values: [limit],
  });
}

/** Gives a broken blob, which the caller has locked, the bytes that were sent again, under a key of their own; the former key is doomed. */
export async function replaceBroken(
  tx: Db,
  { id, key, former }: { id: string; key: string; former: { key: string; sizeBytes: number } },
): Promise<void> {
  await run(tx, {
    name: "integrity_replace",
    text: `update blob.blob set key = $2, broken = null, broken_at = null, verified_at = now() where id = $1`,
    values: [id, key],
  });
  await run(tx, {
    name: "integrity_doom_former",
    text: `insert into blob.doomed (key, size_bytes, reason, remove_after) values ($1, $2, 'replaced', now()) on conflict do nothing`,
    values: [former.key, former.sizeBytes],
  });
}
