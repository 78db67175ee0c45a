import { type Db, one, run } from "./query.ts";

export type UploadRow = {
  id: string;
  ownerId: string;
  sha256: string;
  sizeBytes: number;
  name: string;
  state: "waiting" | "verifying" | "verified" | "rejected";
  reason: string | null;
  partsId: string | null;
  partBytes: number | null;
  attemptId: string | null;
  blobId: string | null;
  expiresAt: Date;
};

const columns = `id, owner_id as "ownerId", sha256, size_bytes as "sizeBytes", name, state, reason, parts_id as "partsId", part_bytes as "partBytes",
  attempt_id as "attemptId", blob_id as "blobId", expires_at as "expiresAt"`;

type NewUpload = {
  id: string;
  ownerId: string;
  sha256: string;
  sizeBytes: number;
  name: string;
  partsId: string | null;
  partBytes: number | null;
  attemptId: string | null;
  expiresSeconds: number;
};

export async function insertUpload(db: Db, upload: NewUpload): Promise<UploadRow> {
  const row = await one<UploadRow>(db, {
    name: "upload_insert",
    text: `insert into blob.upload (id, owner_id, sha256, size_bytes, name, parts_id, part_bytes, attempt_id, expires_at)
      values ($1, $2, $3, $4, $5, $6, $7, $8, now() + make_interval(secs => $9)) returning ${columns}`,
    values: [
      upload.id,
      upload.ownerId,
      upload.sha256,
      upload.sizeBytes,
      upload.name,
      upload.partsId,
      upload.partBytes,
      upload.attemptId,
      upload.expiresSeconds,
    ],
  });
  if (!row) throw new Error("the upload returned no row");
  return row;
}

export function findUpload(db: Db, id: string): Promise<UploadRow | undefined> {
  return one<UploadRow>(db, {
    name: "upload_find",
    text: `select ${columns} from blob.upload where id = $1`,
    values: [id],
  });
}

/** An upload of the same bytes by the same owner that still waits for them: it goes on instead of another. */
export function findWaitingUpload(
  db: Db,
  { ownerId, sha256, sizeBytes }: { ownerId: string; sha256: string; sizeBytes: number },
): Promise<UploadRow | undefined> {
  return one<UploadRow>(db, {
    name: "upload_find_waiting",
    text: `select ${columns} from blob.upload where owner_id = $1 and sha256 = $2 and size_bytes = $3 and state = 'waiting'
      and expires_at > now() + interval '1 hour' order by id limit 1`,
    values: [ownerId, sha256, sizeBytes],
  });
}

/** waiting → verifying. Undefined when it was in another state. */
export function startVerifying(tx: Db, id: string): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(tx, {
    name: "upload_start_verifying",
    text: `update blob.upload set state = 'verifying', updated_at = now() where id = $1 and state = 'waiting' returning id`,
    values: [id],
  });
}

/** Locks an upload that is being verified until the transaction ends. Undefined when another run settled it. */
export function lockVerifying(tx: Db, id: string): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(tx, {
    name: "upload_lock_verifying",
    text: `select id from blob.upload where id = $1 and state = 'verifying' for update`,
    values: [id],
  });
}

/** verifying → verified or rejected, once: 0 when another run settled it. */
export function settleUpload(
  tx: Db,
  settled: { id: string; state: "verified" | "rejected"; reason: string | null; blobId: string | null },
): Promise<number> {
  return run(tx, {
    name: "upload_settle",
    text: `update blob.upload set state = $2, reason = $3, blob_id = $4, updated_at = now() where id = $1 and state = 'verifying'`,
    values: [settled.id, settled.state, settled.reason, settled.blobId],
  });
}

/** Takes room in a user's quota: 0 when there is not enough. Exact under concurrency: the row is the lock. */
export async function reserveQuota(
  tx: Db,
  quota: { userId: string; sizeBytes: number; maxBytes: number; maxUploads: number },
): Promise<number> {
  await run(tx, {
    name: "quota_open",
    text: `insert into blob.quota (user_id) values ($1) on conflict do nothing`,
    values: [quota.userId],
  });
  return run(tx, {
    name: "quota_reserve",
    text: `update blob.quota set uploads = uploads + 1, size_bytes = size_bytes + $2
      where user_id = $1 and uploads < $4 and size_bytes + $2 <= $3`,
    values: [quota.userId, quota.sizeBytes, quota.maxBytes, quota.maxUploads],
  });
}

export function releaseQuota(
  tx: Db,
  { userId, sizeBytes, uploads = 1 }: { userId: string; sizeBytes: number; uploads?: number },
): Promise<number> {
  return run(tx, {
    name: "quota_release",
    text: `update blob.quota set uploads = greatest(0, uploads - $3), size_bytes = greatest(0, size_bytes - $2) where user_id = $1`,
    values: [userId, sizeBytes, uploads],
  });
}

export function findQuota(db: Db, userId: string): Promise<{ uploads: number; sizeBytes: number } | undefined> {
  return one(db, {
    name: "quota_find",
    text: `select uploads, size_bytes as "sizeBytes" from blob.quota where user_id = $1`,
    values: [userId],
  });
}
