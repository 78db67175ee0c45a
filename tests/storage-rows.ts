import { insertAttempt } from "../db/blob.ts";
import { insertVersion } from "../db/draft.ts";
import { insertPack } from "../db/pack.ts";
import { type Db, one, run } from "../db/query.ts";
import { startPublishing } from "../db/version.ts";
import { linkFiles, replaceFiles } from "../db/version-file.ts";
import type { Deps } from "../deps.ts";
import { digestStream } from "../digest.ts";
import { blobKey } from "../storage/keys.ts";
import { settleAttempt } from "../workers/settle-blob.ts";
import { handle as sweepStorage } from "../workers/sweep-storage.ts";
import { testLog } from "./harness.ts";

const stream = (bytes: string | Uint8Array) => new Blob([bytes]).stream();

/** A user, straight into the database. */
export async function addUser(db: Db): Promise<string> {
  const id = Bun.randomUUIDv7();
  await run(db, {
    name: "test_user_insert",
    text: `insert into account."user" (id, login, password_hash) values ($1, $2, 'none')`,
    values: [id, `user-${id}`],
  });
  return id;
}

/** A stored blob that nothing names, its object written and its row settled as an actor does it. */
export async function addBlob({ db, storage }: Pick<Deps, "db" | "storage">, bytes: string) {
  const digests = await digestStream(stream(bytes), {});
  const id = Bun.randomUUIDv7();
  const attempt = { id, key: blobKey(digests.sha256, id) };
  await insertAttempt(db, attempt);
  await storage.write(attempt.key, stream(bytes), {
    sizeBytes: digests.sizeBytes,
    signal: AbortSignal.timeout(10_000),
  });
  await settleAttempt({ db, storage }, { attempt, digests, settle: async (_tx, blob) => Boolean(await blob()) });
  return { id, key: attempt.key, sha256: digests.sha256, sizeBytes: digests.sizeBytes };
}

type Upload = {
  ownerId: string;
  state: "waiting" | "verifying" | "verified" | "rejected";
  blob?: { id: string; sha256: string };
  sizeBytes?: number;
  partsId?: string;
  attemptId?: string;
};

/** An upload in any state, charged to its owner's quota unless it was rejected. */
export async function addUpload(db: Db, { ownerId, state, blob, sizeBytes = 3, partsId, attemptId }: Upload) {
  const id = Bun.randomUUIDv7();
  await run(db, {
    name: "test_upload_insert",
    text: `insert into blob.upload (id, owner_id, sha256, size_bytes, name, state, blob_id, parts_id, attempt_id, expires_at)
      values ($1, $2, $3, $4, 'file', $5, $6, $7, $8, now() + interval '1 day')`,
    values: [
      id,
      ownerId,
      blob?.sha256 ?? "0".repeat(64),
      sizeBytes,
      state,
      blob?.id ?? null,
      partsId ?? null,
      attemptId ?? null,
    ],
  });
  if (state !== "rejected")
    await run(db, {
      name: "test_quota_charge",
      text: `insert into blob.quota (user_id, uploads, size_bytes) values ($1, 1, $2)
        on conflict (user_id) do update set uploads = blob.quota.uploads + 1, size_bytes = blob.quota.size_bytes + $2`,
      values: [ownerId, sizeBytes],
    });
  return id;
}

/** A pack of that owner. */
export async function addPack(db: Db, ownerId: string): Promise<string> {
  const id = Bun.randomUUIDv7();
  const pack = { id, slug: `p-${id}`, name: "pack", summary: "", visibility: "public" } as const;
  await insertPack(db, { ...pack, ownerId, organizationId: null });
  return id;
}

type Version = {
  packId: string;
  ownerId: string;
  version: string;
  files: { path: string; sha256: string; sizeBytes: number }[];
};

/** A draft with files, linked to the blobs that are there. */
export async function addDraft(db: Db, { packId, ownerId, version, files }: Version): Promise<string> {
  const id = Bun.randomUUIDv7();
  await insertVersion(db, {
    id,
    packId,
    version,
    channel: "release",
    minecraft: "1.21.1",
    loaderName: null,
    loaderVersion: null,
    changelog: "",
    contentDigest: "none",
    createdBy: ownerId,
    expiresSeconds: 3600,
  });
  const plain = {
    side: "both",
    optional: false,
    preserve: false,
    url: null,
    digests: null,
    mirror: null,
    mirrorReason: null,
  } as const;
  await replaceFiles(db, { versionId: id, files: files.map((file) => ({ ...plain, ...file })) });
  await linkFiles(db, { versionId: id, sha256: files.map(({ sha256 }) => sha256) });
  return id;
}

/** The same, with publishing begun. */
export async function addPublishing(db: Db, version: Version): Promise<string> {
  const id = await addDraft(db, version);
  await startPublishing(db, id);
  return id;
}

/** Makes everything in the database look older. */
export async function age(db: Db, seconds: number): Promise<void> {
  const tables = {
    test_age_blobs: `update blob.blob set touched_at = touched_at - make_interval(secs => $1), created_at = created_at - make_interval(secs => $1)`,
    test_age_uploads: `update blob.upload set updated_at = updated_at - make_interval(secs => $1), expires_at = expires_at - make_interval(secs => $1)`,
    test_age_images: `update image.image set updated_at = updated_at - make_interval(secs => $1), expires_at = expires_at - make_interval(secs => $1)`,
    test_age_attempts: `update blob.attempt set created_at = created_at - make_interval(secs => $1)`,
    test_age_doomed: `update blob.doomed set remove_after = remove_after - make_interval(secs => $1)`,
    test_age_versions: `update pack.version set expires_at = expires_at - make_interval(secs => $1)`,
    test_age_packs: `update pack.pack set deleted_at = deleted_at - make_interval(secs => $1)`,
  };
  for (const [name, text] of Object.entries(tables)) await run(db, { name, text, values: [seconds] });
}

/** Runs one sweep in this process. */
export function runSweep(deps: Deps, { force = false, signal = AbortSignal.timeout(60_000) } = {}) {
  const run = { payload: { scope: "all" as const, force }, wanted: 1, signal, log: testLog, progress: () => undefined };
  return sweepStorage({ ...run, deps });
}

/** A number that a statement counts. */
export async function count(db: Db, from: string): Promise<number> {
  const row = await one<{ count: number }>(db, {
    name: `test_count_${Bun.hash(from)}`,
    text: `select count(*) as count from ${from}`,
  });
  return row?.count ?? 0;
}

/** Keys of all objects below a prefix. */
export async function listKeys({ storage }: Pick<Deps, "storage">, prefix = "blobs/"): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list(prefix)) keys.push(key);
  return keys.sort();
}
