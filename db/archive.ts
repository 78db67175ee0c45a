import { type Db, many, one, run } from "./query.ts";
import type { Side } from "./version-file.ts";

export type ArchiveFormat = "mrpack" | "zip";
export type ArchiveKey = { versionId: string; format: ArchiveFormat; side: Side; base: string };
export type ArchiveRow = { sha256: string; key: string; sizeBytes: number };

export function findArchive(db: Db, { versionId, format, side, base }: ArchiveKey): Promise<ArchiveRow | undefined> {
  return one<ArchiveRow>(db, {
    name: "archive_find",
    text: `select b.sha256, b.key, b.size_bytes as "sizeBytes" from pack.archive a join blob.blob b on b.id = a.blob_id
      where a.version_id = $1 and a.format = $2 and a.side = $3 and a.base = $4`,
    values: [versionId, format, side, base],
  });
}

/** Keeps a built archive, once. The caller holds a lock on the version, found published. */
export function insertArchive(
  tx: Db,
  { versionId, format, side, base, blobId }: ArchiveKey & { blobId: string },
): Promise<number> {
  return run(tx, {
    name: "archive_insert",
    text: `insert into pack.archive (version_id, format, side, base, blob_id) values ($1, $2, $3, $4, $5) on conflict do nothing`,
    values: [versionId, format, side, base, blobId],
  });
}

/** Keeps a version published until the transaction ends. Undefined when it vanished or was withdrawn. */
export function lockPublishedVersion(tx: Db, versionId: string): Promise<{ id: string } | undefined> {
  return one(tx, {
    name: "version_lock_published",
    text: `select id from pack.version where id = $1 and state = 'published' for share`,
    values: [versionId],
  });
}

/**
 * Forgets the archives and Solder zips of all versions that hold one of these bytes, which the caller has blocked. Whoever builds one now
 * holds these blobs, is waited for, and is seen by the second statement.
 */
export async function deleteArchivesHolding(tx: Db, sha256: string[]): Promise<number> {
  await many(tx, {
    name: "archive_lock_blobs",
    text: `select id from blob.blob where sha256 = any ($1) order by id for no key update`,
    values: [sha256],
  });
  await run(tx, {
    name: "solder_mod_delete_holding",
    text: `delete from pack.solder_mod m using pack.version_file f, blob.blob b
      where f.version_id = m.version_id and b.id = f.blob_id and b.sha256 = any ($1)`,
    values: [sha256],
  });
  return run(tx, {
    name: "archive_delete_holding",
    text: `delete from pack.archive a using pack.version_file f, blob.blob b
      where f.version_id = a.version_id and b.id = f.blob_id and b.sha256 = any ($1)`,
    values: [sha256],
  });
}
