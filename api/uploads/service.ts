import { deleteAttempt, findBlocked, insertAttempt, keepBlobs, listReadableBlobs } from "../../db/blob.ts";
import { findJobBySubject } from "../../db/job.ts";
import type { Db } from "../../db/query.ts";
import {
  findUpload,
  findWaitingUpload,
  insertUpload,
  reserveQuota,
  startVerifying,
  type UploadRow,
} from "../../db/upload.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { want } from "../../queues/mailbox.ts";
import { verifyUpload } from "../../queues/verify-upload.ts";
import { blobKey, stagingKey } from "../../storage/keys.ts";
import { toReader } from "../caller.ts";
import type { Caller } from "../tokens.ts";
import type { Upload } from "./model.ts";

type Uploads = Pick<Deps, "db" | "storage" | "config" | "mailbox">;
type Wanted = { sha256: string; size: number; name: string };
const maxParts = 10_000;

/** Whether this caller may read those bytes anyway: then they are not sent again. Knowing a digest is not enough. */
export async function isAlreadyThere(
  { db }: Pick<Uploads, "db">,
  { caller, sha256, size }: { caller: Caller; sha256: string; size: number },
): Promise<boolean> {
  const [blob] = await listReadableBlobs(db, { sha256: [sha256], reader: toReader(caller) });
  if (blob && blob.sizeBytes !== size)
    throw new Fault(
      "invalid",
      `Cannot upload: the size is ${size}, but the file with this digest has ${blob.sizeBytes} bytes`,
      { errors: [{ pointer: "/size", detail: `is not ${blob.sizeBytes}` }] },
    );
  // Kept for the grace time, so that it is still here when a draft names it; gone when the collector was first.
  return blob !== undefined && (await db.transaction((tx) => keepBlobs(tx, [sha256]))).length > 0;
}

/** Opens an upload within the caller's quota, or goes on with his unfinished one of the same bytes. */
export async function openUpload(
  uploads: Uploads,
  { caller, sha256, size, name }: Wanted & { caller: Caller },
): Promise<Upload> {
  const { db, config, storage } = uploads;
  if (size > config.LIMIT_FILE_BYTES)
    throw new Fault(
      "too-large",
      `Cannot upload "${name}": it has ${size} bytes, this server takes up to ${config.LIMIT_FILE_BYTES}`,
    );
  const blocked = await findBlocked(db, sha256);
  if (blocked)
    throw new Fault(
      "not-allowed",
      `Cannot upload "${name}": these bytes are blocked on this server: ${blocked.reason}`,
    );
  const unfinished = await findWaitingUpload(db, { ownerId: caller.userId, sha256, sizeBytes: size });
  if (unfinished) return describeUpload(uploads, unfinished);

  const id = Bun.randomUUIDv7();
  const large = size > config.SINGLE_PUT_BYTES;
  const attemptId = large ? Bun.randomUUIDv7() : null;
  const partBytes = large ? Math.max(config.PART_BYTES, Math.ceil(size / maxParts)) : null;
  const key = attemptId && blobKey(sha256, attemptId);
  if (attemptId && key) await insertAttempt(db, { id: attemptId, key });
  const partsId = key ? await storage.openParts(key) : null;
  const reserve = async (tx: Db) => {
    const room = await reserveQuota(tx, {
      userId: caller.userId,
      sizeBytes: size,
      maxBytes: config.LIMIT_USER_BYTES,
      maxUploads: config.LIMIT_USER_UPLOADS,
    });
    if (room === 0)
      throw new Fault(
        "quota-exceeded",
        `Cannot upload "${name}": your quota of ${config.LIMIT_USER_BYTES} bytes in ${config.LIMIT_USER_UPLOADS} files is used up. Delete what you no longer need`,
      );
    return insertUpload(tx, {
      id,
      ownerId: caller.userId,
      sha256,
      sizeBytes: size,
      name,
      partsId,
      partBytes,
      attemptId,
      expiresSeconds: config.UPLOAD_EXPIRES_SECONDS,
    });
  };
  const row = await db.transaction(reserve).catch(async (error) => {
    if (attemptId && key && partsId) await giveUpParts(uploads, { attemptId, key, partsId });
    throw error;
  });
  return describeUpload(uploads, row);
}

/** Leaves nothing of a large upload that never was; what the storage does not let go now is left to the sweep. */
async function giveUpParts(
  { db, storage }: Pick<Uploads, "db" | "storage">,
  { attemptId, key, partsId }: { attemptId: string; key: string; partsId: string },
): Promise<void> {
  try {
    await storage.abortParts(key, partsId);
    await deleteAttempt(db, attemptId);
  } catch {
    // the attempt's row stays, and names it
  }
}

/** The caller's own upload, with what it still lacks. */
export async function getUpload(uploads: Uploads, { caller, id }: { caller: Caller; id: string }): Promise<Upload> {
  return describeUpload(uploads, await findOwn(uploads, { caller, id }));
}

/** Hands the bytes over to be verified. Repeating it changes nothing. */
export async function completeUpload(
  uploads: Uploads,
  { caller, id }: { caller: Caller; id: string },
): Promise<{ state: string; jobId: string }> {
  const { db, mailbox } = uploads;
  const upload = await findOwn(uploads, { caller, id });
  if (upload.state === "waiting") {
    await requireArrived(uploads, upload);
    const message = await db.transaction(async (tx) =>
      (await startVerifying(tx, id))
        ? want(tx, verifyUpload, { payload: { uploadId: id }, ownerId: caller.userId })
        : undefined,
    );
    if (message) {
      await mailbox.send(verifyUpload.name, message);
      return { state: "verifying", jobId: message.jobId };
    }
  }
  const job = await findJobBySubject(db, { actor: verifyUpload.name, subject: id });
  if (!job) throw new Fault("gone", "This upload was settled long ago: ask for its state");
  return { state: upload.state === "waiting" ? "verifying" : upload.state, jobId: job.id };
}

async function findOwn(
  { db }: Pick<Uploads, "db">,
  { caller, id }: { caller: Caller; id: string },
): Promise<UploadRow> {
  const upload = await findUpload(db, id);
  if (!upload || upload.ownerId !== caller.userId) throw new Fault("not-found", "There is no such upload of yours");
  return upload;
}

async function requireArrived({ storage }: Uploads, upload: UploadRow): Promise<void> {
  if (upload.partsId) {
    const missing = await listMissingParts(storage, upload);
    if (missing.length > 0)
      throw new Fault(
        "conflict",
        `Cannot complete: ${missing.length} parts have not arrived. GET this upload to see which`,
        { extra: { missingParts: missing.slice(0, 100).map(({ number }) => number) } },
      );
    return;
  }
  const staged = await storage.stat(stagingKey(upload.id));
  if (!staged)
    throw new Fault("conflict", "Cannot complete: no bytes have arrived. PUT them to the address that the upload gave");
}

type PlannedPart = { number: number; offset: number; sizeBytes: number };

async function listMissingParts(storage: Deps["storage"], upload: UploadRow): Promise<PlannedPart[]> {
  const { partsId, partBytes, attemptId, sizeBytes } = upload;
  if (!partsId || !partBytes || !attemptId) return [];
  const arrived = new Map(
    (await storage.listParts(blobKey(upload.sha256, attemptId), partsId)).map((part) => [part.number, part.sizeBytes]),
  );
  const planned = Array.from({ length: Math.ceil(sizeBytes / partBytes) }, (_, index) => {
    const offset = index * partBytes;
    return { number: index + 1, offset, sizeBytes: Math.min(partBytes, sizeBytes - offset) };
  });
  return planned.filter((part) => arrived.get(part.number) !== part.sizeBytes);
}

async function describeUpload({ storage, config }: Uploads, upload: UploadRow): Promise<Upload> {
  const told: Upload = {
    id: upload.id,
    state: upload.state,
    sha256: upload.sha256,
    size: upload.sizeBytes,
    name: upload.name,
    expiresAt: upload.expiresAt.toISOString(),
    ...(upload.reason !== null && { reason: upload.reason }),
  };
  if (upload.state !== "waiting") return told;
  const expiresSeconds = Math.max(
    60,
    Math.min(config.UPLOAD_EXPIRES_SECONDS, Math.floor((upload.expiresAt.getTime() - Date.now()) / 1000)),
  );
  const { partsId, attemptId, sha256, partBytes } = upload;
  if (!partsId || !attemptId || !partBytes) {
    return {
      ...told,
      ...(await storage.signPut({ key: stagingKey(upload.id), sizeBytes: upload.sizeBytes, sha256, expiresSeconds })),
    };
  }
  const missing = await listMissingParts(storage, upload);
  const parts = await Promise.all(
    missing.map(async (part) => ({
      ...part,
      ...(await storage.signPart({
        key: blobKey(sha256, attemptId),
        partsId,
        number: part.number,
        sizeBytes: part.sizeBytes,
        expiresSeconds,
      })),
    })),
  );
  return { ...told, partBytes, parts };
}
