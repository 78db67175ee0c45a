import type { Reader } from "./blob.ts";
import { type Db, many, one, run } from "./query.ts";

export type Side = "both" | "client" | "server";

export type DigestName = "sha1" | "sha256" | "sha512" | "md5" | "murmur2";

/** A file of a version with what is known of its bytes: its blob's digests, or what its author says of a reference. */
export type VersionFileRow = {
  path: string;
  side: Side;
  optional: boolean;
  preserve: boolean;
  sha256: string | null;
  sizeBytes: number | null;
  blobId: string | null;
  url: string | null;
  digests: Partial<Record<DigestName, string>> | null;
  mirror: "wanted" | "refused" | null;
  mirrorReason: string | null;
  /** Of the version's groups. */
  groupId: string | null;
  sha1: string | null;
  sha512: string | null;
  md5: string | null;
  murmur2: number | null;
  crc32: number | null;
  key: string | null;
};

/** What an author declares of a file: bytes by their digest, or a reference by its address. */
export type DeclaredFile = {
  path: string;
  side: Side;
  optional: boolean;
  preserve: boolean;
  sha256: string | null;
  sizeBytes: number | null;
  url: string | null;
  digests: Partial<Record<DigestName, string>> | null;
  mirror: "wanted" | "refused" | null;
  mirrorReason: string | null;
  groupId?: string | null;
};

/** Replaces the files of a draft that the caller has locked by updating it, and gives them the blobs they may have already. */
export async function replaceFiles(
  tx: Db,
  { versionId, files }: { versionId: string; files: DeclaredFile[] },
): Promise<void> {
  await run(tx, {
    name: "version_file_delete",
    text: `delete from pack.version_file where version_id = $1`,
    values: [versionId],
  });
  await run(tx, {
    name: "version_file_insert",
    text: `insert into pack.version_file (version_id, path, side, optional, preserve, sha256, size_bytes, url, digests, mirror, mirror_reason, group_id)
      select $1, path, side, optional, preserve, sha256, "sizeBytes", url, digests, mirror, "mirrorReason", "groupId"
      from jsonb_to_recordset($2::jsonb) as f (path text, side text, optional boolean, preserve boolean, sha256 text, "sizeBytes" bigint, url text,
        digests jsonb, mirror text, "mirrorReason" text, "groupId" text)`,
    values: [versionId, JSON.stringify(files)],
  });
}

/** Gives files of a draft their blobs, where the digest and the size agree. Only for digests that its author may read. */
export function linkFiles(tx: Db, { versionId, sha256 }: { versionId: string; sha256: string[] }): Promise<number> {
  return run(tx, {
    name: "version_file_link",
    text: `update pack.version_file f set blob_id = b.id from blob.blob b
      where f.version_id = $1 and f.blob_id is null and f.url is null and f.sha256 = any ($2) and b.sha256 = f.sha256 and b.size_bytes = f.size_bytes`,
    values: [versionId, sha256],
  });
}

/** Gives the drafts of somebody who has sent these bytes the blob they have waited for. */
export function linkDraftsOf(
  tx: Db,
  { userId, sha256, blobId }: { userId: string; sha256: string; blobId: string },
): Promise<number> {
  return run(tx, {
    name: "version_file_link_drafts_of",
    text: `update pack.version_file f set blob_id = $3 from pack.version v, blob.blob b
      where v.id = f.version_id and v.state = 'draft' and v.created_by = $1 and f.blob_id is null and f.url is null and f.sha256 = $2
        and b.id = $3 and b.size_bytes = f.size_bytes`,
    values: [userId, sha256, blobId],
  });
}

export function listFiles(db: Db, versionId: string): Promise<VersionFileRow[]> {
  return many<VersionFileRow>(db, {
    name: "version_file_list",
    text: `select f.path, f.side, f.optional, f.preserve, coalesce(b.sha256, f.sha256) as sha256, coalesce(b.size_bytes, f.size_bytes) as "sizeBytes",
        f.blob_id as "blobId", f.url, f.digests, f.mirror, f.mirror_reason as "mirrorReason", f.group_id as "groupId", b.sha1, b.sha512, b.md5, b.murmur2, b.crc32, b.key
      from pack.version_file f left join blob.blob b on b.id = f.blob_id where f.version_id = $1 order by f.path collate "C"`,
    values: [versionId],
  });
}

/** What the author of a version declared, whatever is known of the bytes by now. */
export function listDeclared(db: Db, versionId: string): Promise<DeclaredFile[]> {
  return many<DeclaredFile>(db, {
    name: "version_file_list_declared",
    text: `select path, side, optional, preserve, sha256, size_bytes as "sizeBytes", url, digests, mirror, mirror_reason as "mirrorReason",
        group_id as "groupId"
      from pack.version_file where version_id = $1`,
    values: [versionId],
  });
}

/** SHA-256 of the stored files of the version that was published last, by their paths. */
export async function listPreviousDigests(tx: Db, packId: string): Promise<Map<string, string>> {
  const rows = await many<{ path: string; sha256: string }>(tx, {
    name: "version_file_list_previous",
    text: `select f.path, b.sha256 from pack.version_file f join blob.blob b on b.id = f.blob_id
      where f.version_id = (select v.id from pack.version v where v.pack_id = $1 and v.state = 'published' order by v.number desc limit 1)`,
    values: [packId],
  });
  return new Map(rows.map(({ path, sha256 }) => [path, sha256]));
}

/** Digests whose bytes a draft still lacks, with the state of the last upload of them by the draft's author. */
export function listMissing(
  db: Db,
  versionId: string,
): Promise<{ sha256: string; sizeBytes: number; state: string | null; reason: string | null; paths: string[] }[]> {
  return many(db, {
    name: "version_file_list_missing",
    text: `select f.sha256, f.size_bytes as "sizeBytes", u.state, u.reason, array_agg(f.path order by f.path collate "C") as paths
      from pack.version_file f join pack.version v on v.id = f.version_id
      left join lateral (select state, reason from blob.upload u where u.owner_id = v.created_by and u.sha256 = f.sha256 and u.size_bytes = f.size_bytes
        order by u.id desc limit 1) u on true
      where f.version_id = $1 and ((f.blob_id is null and f.url is null)
        or exists (select from blob.blob b where b.id = f.blob_id and b.broken is not null and f.url is null))
      group by f.sha256, f.size_bytes, u.state, u.reason order by f.sha256`,
    values: [versionId],
  });
}

/** Keeps a reference that is to be mirrored as it is until the transaction ends. Undefined when it is gone or says something else by now. */
export function lockWantedFile(
  tx: Db,
  { versionId, path, url }: { versionId: string; path: string; url: string },
): Promise<{ path: string } | undefined> {
  return one(tx, {
    name: "version_file_lock_wanted",
    text: `select f.path from pack.version_file f join pack.version v on v.id = f.version_id
      where f.version_id = $1 and f.path = $2 and f.url = $3 and f.mirror = 'wanted' and v.state in ('draft', 'publishing') for update of f`,
    values: [versionId, path, url],
  });
}

/** Bytes of all files of a version whose size is known. */
export async function sumFiles(db: Db, versionId: string): Promise<number> {
  const row = await one<{ sizeBytes: number }>(db, {
    name: "version_file_sum",
    text: `select coalesce(sum(coalesce(b.size_bytes, f.size_bytes)), 0)::bigint as "sizeBytes"
      from pack.version_file f left join blob.blob b on b.id = f.blob_id where f.version_id = $1`,
    values: [versionId],
  });
  return row?.sizeBytes ?? 0;
}

/** Says anew which references of a draft are to be mirrored; those whose bytes are here stay as they are. */
export function updateMirroring(
  tx: Db,
  { versionId, files }: { versionId: string; files: DeclaredFile[] },
): Promise<number> {
  return run(tx, {
    name: "version_file_update_mirroring",
    text: `update pack.version_file f set mirror = said.mirror, mirror_reason = said."mirrorReason"
      from jsonb_to_recordset($2::jsonb) as said (path text, mirror text, "mirrorReason" text)
      where f.version_id = $1 and f.path = said.path and f.url is not null and f.blob_id is null`,
    values: [versionId, JSON.stringify(files)],
  });
}

/** Settles the mirroring of a reference: its bytes are here now. 0 when the draft is gone or says something else by now. */
export function settleMirrored(
  tx: Db,
  mirrored: { versionId: string; path: string; url: string; blobId: string },
): Promise<number> {
  return run(tx, {
    name: "version_file_settle_mirrored",
    text: `update pack.version_file f set blob_id = $4, mirror = null, mirror_reason = null
      where version_id = $1 and path = $2 and url = $3 and mirror = 'wanted'
        and exists (select from pack.version v where v.id = f.version_id and v.state in ('draft', 'publishing'))`,
    values: [mirrored.versionId, mirrored.path, mirrored.url, mirrored.blobId],
  });
}

/** Settles the mirroring of a reference that cannot be mirrored, with the reason. */
export function settleUnmirrored(
  db: Db,
  refused: { versionId: string; path: string; url: string; reason: string },
): Promise<number> {
  return run(db, {
    name: "version_file_settle_unmirrored",
    text: `update pack.version_file set mirror = 'refused', mirror_reason = $4 where version_id = $1 and path = $2 and url = $3 and mirror = 'wanted'`,
    values: [refused.versionId, refused.path, refused.url, refused.reason],
  });
}

export function findFile(
  db: Db,
  { versionId, path }: { versionId: string; path: string },
): Promise<VersionFileRow | undefined> {
  return one<VersionFileRow>(db, {
    name: "version_file_find",
    text: `select f.path, f.side, f.optional, f.preserve, f.sha256, f.size_bytes as "sizeBytes", f.blob_id as "blobId", f.url, f.digests, f.mirror,
        f.mirror_reason as "mirrorReason", f.group_id as "groupId", null as sha1, null as sha512, null as md5, null::bigint as murmur2, null::bigint as crc32, null as key
      from pack.version_file f where f.version_id = $1 and f.path = $2`,
    values: [versionId, path],
  });
}

/** Why a digest is gone for a reader who may see the pack of a withdrawn version that had it. */
export function findWithdrawnFile(
  db: Db,
  { sha256, reader }: { sha256: string; reader: Reader },
): Promise<{ reason: string } | undefined> {
  return one(db, {
    name: "version_file_find_withdrawn",
    text: `select v.withdrawn_reason as reason from pack.version_file f join pack.version v on v.id = f.version_id join pack.pack p on p.id = v.pack_id
      where (f.blob_id = (select b.id from blob.blob b where b.sha256 = $1) or (f.blob_id is null and f.sha256 = $1))
        and v.state = 'withdrawn' and pack.can_read(p, $2, $3) limit 1`,
    values: [sha256, reader.userId, reader.roles],
  });
}
