import { type Db, one, run } from "./query.ts";
import type { Channel, VersionGroup, VersionState } from "./version.ts";

export type NewVersion = {
  id: string;
  packId: string;
  version: string;
  channel: Channel;
  minecraft: string;
  loaderName: string | null;
  loaderVersion: string | null;
  changelog: string;
  java?: string | null;
  memoryMb?: number | null;
  serverAddress?: string | null;
  groups?: VersionGroup[] | null;
  contentDigest: string;
  createdBy: string;
  expiresSeconds: number;
};

/** Throws a duplicate error when the pack has that version. */
export function insertVersion(tx: Db, version: NewVersion): Promise<number> {
  return run(tx, {
    name: "version_insert",
    text: `insert into pack.version (id, pack_id, version, channel, minecraft, loader_name, loader_version, changelog, content_digest, created_by, expires_at,
        java, memory_mb, server_address, groups)
      values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now() + make_interval(secs => $11), $12, $13, $14, $15)`,
    values: [
      version.id,
      version.packId,
      version.version,
      version.channel,
      version.minecraft,
      version.loaderName,
      version.loaderVersion,
      version.changelog,
      version.contentDigest,
      version.createdBy,
      version.expiresSeconds,
      ...listSettings(version),
    ],
  });
}

/** Locks a version until the transaction ends, so that whoever changes it decides by what it says now. */
export function lockVersion(
  tx: Db,
  id: string,
): Promise<{ state: VersionState; revision: number; contentDigest: string; createdBy: string } | undefined> {
  return one(tx, {
    name: "version_lock",
    text: `select state, revision, content_digest as "contentDigest", created_by as "createdBy" from pack.version where id = $1 for no key update`,
    values: [id],
  });
}

/** Changes a draft that the caller has locked. One that says something else than before is no longer published by itself. */
export function updateDraft(tx: Db, draft: Omit<NewVersion, "packId" | "version">): Promise<number> {
  return run(tx, {
    name: "version_update_draft",
    text: `update pack.version set channel = $2, minecraft = $3, loader_name = $4, loader_version = $5, changelog = $6, content_digest = $7,
        publish_at = case when content_digest = $7 then publish_at end, publish_by = case when content_digest = $7 then publish_by end,
        expires_at = greatest(now(), case when content_digest = $7 then publish_at end) + make_interval(secs => $8), created_by = $9, java = $10, memory_mb = $11, server_address = $12, groups = $13,
        revision = revision + 1, updated_at = now()
      where id = $1 and state = 'draft'`,
    values: [
      draft.id,
      draft.channel,
      draft.minecraft,
      draft.loaderName,
      draft.loaderVersion,
      draft.changelog,
      draft.contentDigest,
      draft.expiresSeconds,
      draft.createdBy,
      ...listSettings(draft),
    ],
  });
}

function listSettings({ java, memoryMb, serverAddress, groups }: Omit<NewVersion, "packId" | "version">): unknown[] {
  return [java ?? null, memoryMb ?? null, serverAddress ?? null, groups ? JSON.stringify(groups) : null];
}

export function deleteDraft(db: Db, id: string): Promise<number> {
  return run(db, {
    name: "version_delete_draft",
    text: `delete from pack.version where id = $1 and state = 'draft'`,
    values: [id],
  });
}
