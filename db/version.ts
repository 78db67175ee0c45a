import { type Db, many, one, run } from "./query.ts";

export type Channel = "release" | "beta" | "alpha";

export type VersionState = "draft" | "publishing" | "published" | "withdrawn";

/** Files that a player takes together, as the manifest says it. */
export type VersionGroup = {
  id: string;
  name: string;
  description?: string;
  required?: true;
  recommended?: true;
  exclusive?: string;
  requires?: string[];
  conflicts?: string[];
};

export type VersionRow = {
  id: string;
  packId: string;
  version: string;
  channel: Channel;
  minecraft: string;
  loaderName: string | null;
  loaderVersion: string | null;
  changelog: string;
  /** How it is started; null in a draft: as its pack, at publishing. */
  java: string | null;
  memoryMb: number | null;
  serverAddress: string | null;
  /** Of its optional files, in the author's order; null: none. */
  groups: VersionGroup[] | null;
  state: VersionState;
  contentDigest: string;
  revision: number;
  number: number | null;
  /** Who declared its files: his uploads are what a draft waits for. */
  createdBy: string;
  createdAt: Date;
  publishedAt: Date | null;
  yankedAt: Date | null;
  withdrawnReason: string | null;
  manifestSha256: string | null;
  /** When a draft is to be published by itself. */
  publishAt: Date | null;
  fileCount: number;
  /** Files whose stored bytes are missing or changed. */
  brokenCount: number;
  sizeBytes: number;
};

const columns = `v.id, v.pack_id as "packId", v.version, v.channel, v.minecraft, v.loader_name as "loaderName", v.loader_version as "loaderVersion",
  v.changelog, v.java, v.memory_mb as "memoryMb", v.server_address as "serverAddress", v.groups, v.publish_at as "publishAt", v.state, v.content_digest as "contentDigest", v.revision, v.number, v.created_by as "createdBy", v.created_at as "createdAt",
  v.published_at as "publishedAt", v.yanked_at as "yankedAt", v.withdrawn_reason as "withdrawnReason", v.manifest_sha256 as "manifestSha256",
  (select count(*) from pack.version_file f where f.version_id = v.id) as "fileCount",
  (select count(*) from blob.blob b join pack.version_file f on f.blob_id = b.id where b.broken is not null and f.version_id = v.id) as "brokenCount",
  (select coalesce(sum(f.size_bytes), 0)::bigint from pack.version_file f where f.version_id = v.id) as "sizeBytes"`;

export function findVersion(
  db: Db,
  { packId, version }: { packId: string; version: string },
): Promise<VersionRow | undefined> {
  return one<VersionRow>(db, {
    name: "version_find",
    text: `select ${columns} from pack.version v where v.pack_id = $1 and v.version = $2`,
    values: [packId, version],
  });
}

export function findVersionById(db: Db, id: string): Promise<VersionRow | undefined> {
  return one<VersionRow>(db, {
    name: "version_find_by_id",
    text: `select ${columns} from pack.version v where v.id = $1`,
    values: [id],
  });
}

/** The last published version of a channel that is neither yanked nor withdrawn. */
export function findLatest(
  db: Db,
  { packId, channel }: { packId: string; channel: Channel },
): Promise<VersionRow | undefined> {
  return one<VersionRow>(db, {
    name: "version_find_latest",
    text: `select ${columns} from pack.version v where v.pack_id = $1 and v.channel = $2 and v.state = 'published' and v.yanked_at is null
      order by v.number desc limit 1`,
    values: [packId, channel],
  });
}

/** Newest first by publishing, drafts (for those who work on the pack) before all. `before` is the number the page before ended with. */
export function listVersions(
  db: Db,
  { packId, before, limit }: { packId: string; before: number | null; limit: number },
): Promise<VersionRow[]> {
  return many<VersionRow>(db, {
    name: "version_list",
    text: `select ${columns} from pack.version v where v.pack_id = $1 and v.state = 'published' and ($2::integer is null or v.number < $2)
      order by v.number desc limit $3`,
    values: [packId, before, limit],
  });
}

export function listUnpublished(db: Db, packId: string): Promise<VersionRow[]> {
  return many<VersionRow>(db, {
    name: "version_list_unpublished",
    text: `select ${columns} from pack.version v where v.pack_id = $1 and v.state <> 'published' order by v.created_at desc limit 100`,
    values: [packId],
  });
}

/** draft → publishing, once. */
export function startPublishing(tx: Db, id: string): Promise<number> {
  return run(tx, {
    name: "version_start_publishing",
    text: `update pack.version set state = 'publishing', publish_at = null, publish_by = null, revision = revision + 1, updated_at = now()
      where id = $1 and state = 'draft'`,
    values: [id],
  });
}

/** publishing → draft, when publishing turned out to be impossible. */
export function stopPublishing(tx: Db, id: string): Promise<number> {
  return run(tx, {
    name: "version_stop_publishing",
    text: `update pack.version set state = 'draft', revision = revision + 1, updated_at = now() where id = $1 and state = 'publishing'`,
    values: [id],
  });
}

type Published = {
  id: string;
  number: number;
  publishedAt: Date;
  manifest: Uint8Array;
  manifestSha256: string;
  java: string | null;
  memoryMb: number | null;
  serverAddress: string | null;
};

/**
 * publishing → published, once: freezes the manifest and how it is started, and takes the next number of the pack, which the
 * caller has locked.
 */
export function settlePublished(tx: Db, settled: Published): Promise<number> {
  return run(tx, {
    name: "version_settle_published",
    text: `update pack.version set state = 'published', number = $2, published_at = $3, manifest = $4, manifest_sha256 = $5, expires_at = null,
        java = $6, memory_mb = $7, server_address = $8, revision = revision + 1, updated_at = now() where id = $1 and state = 'publishing'`,
    values: [
      settled.id,
      settled.number,
      settled.publishedAt,
      settled.manifest,
      settled.manifestSha256,
      settled.java,
      settled.memoryMb,
      settled.serverAddress,
    ],
  });
}

export function findManifest(db: Db, versionId: string): Promise<{ manifest: Uint8Array; sha256: string } | undefined> {
  return one(db, {
    name: "version_find_manifest",
    text: `select manifest, manifest_sha256 as sha256 from pack.version where id = $1 and state = 'published'`,
    values: [versionId],
  });
}

export function updateYanked(db: Db, { id, yanked }: { id: string; yanked: boolean }): Promise<number> {
  return run(db, {
    name: "version_update_yanked",
    text: `update pack.version set yanked_at = case when $2 then coalesce(yanked_at, now()) end, revision = revision + 1 where id = $1 and state = 'published'`,
    values: [id, yanked],
  });
}

/**
 * published → withdrawn: lets go of archives and bytes, which the sweep removes where nothing else names them. The files
 * stay listed by their digests, so that these can be blocked later.
 */
export async function withdrawVersion(tx: Db, { id, reason }: { id: string; reason: string }): Promise<number> {
  const withdrawn = await run(tx, {
    name: "version_withdraw",
    text: `update pack.version set state = 'withdrawn', withdrawn_at = now(), withdrawn_reason = $2, revision = revision + 1 where id = $1 and state = 'published'`,
    values: [id, reason],
  });
  await run(tx, {
    name: "archive_delete_of_version",
    text: `delete from pack.archive where version_id = $1`,
    values: [id],
  });
  await run(tx, {
    name: "solder_mod_delete_of_version",
    text: `delete from pack.solder_mod where version_id = $1`,
    values: [id],
  });
  await run(tx, {
    name: "version_file_let_go",
    text: `update pack.version_file f set blob_id = null, sha256 = b.sha256, size_bytes = b.size_bytes from blob.blob b
      where f.version_id = $1 and b.id = f.blob_id and exists (select from pack.version v where v.id = f.version_id and v.state = 'withdrawn')`,
    values: [id],
  });
  return withdrawn;
}
