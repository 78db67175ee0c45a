import { deleteAttempt, findBlocked, insertAttempt, insertDoomed } from "../db/blob.ts";
import { findUpload, lockVerifying, releaseQuota, settleUpload, type UploadRow } from "../db/upload.ts";
import { linkDraftsOf } from "../db/version-file.ts";
import type { Deps } from "../deps.ts";
import { type Digests, digestStream } from "../digest.ts";
import { Fault } from "../fault.ts";
import type { Handle } from "../queues/actor.ts";
import type { VerifyUpload } from "../queues/verify-upload.ts";
import { blobKey, stagingKey } from "../storage/keys.ts";
import { type Attempt, removeDoomed, settleAttempt } from "./settle-blob.ts";

type Needs = "db" | "storage";

/** Promotes, then verifies: the object that is hashed is the one that stays, and no address can write it any more. */
export const handle: Handle<VerifyUpload, Needs> = async ({ payload, deps, signal, progress }) => {
  const { db, storage } = deps;
  const upload = await findUpload(db, payload.uploadId);
  // Another run settled it: that one and this say the same, whichever settles the job.
  if (upload?.state === "verified") return { state: "verified", sha256: upload.sha256 };
  if (upload?.state !== "verifying") return { state: upload?.state ?? "gone" };
  const attempt = await promote(upload, deps);
  if (!attempt) return reject(upload, { deps, reason: "no bytes have arrived" });
  const bytes = await storage.read(attempt.key, { signal });
  const digests = await digestStream(bytes, {
    signal,
    announcedBytes: upload.sizeBytes,
    onBytes: (total) => progress(total / Math.max(1, upload.sizeBytes)),
  });
  const blocked = await findBlocked(db, digests.sha256);
  const reason = blocked ? `these bytes are blocked on this server: ${blocked.reason}` : findFlaw(upload, digests);
  if (reason) return reject(upload, { deps, reason, attempt });
  await settleAttempt(deps, {
    attempt,
    digests,
    settle: async (tx, makeBlob) => {
      if (!(await lockVerifying(tx, upload.id))) return false; // another run settled it: ours is the spare copy
      const blob = await makeBlob();
      await settleUpload(tx, { id: upload.id, state: "verified", reason: null, blobId: blob.id });
      await linkDraftsOf(tx, { userId: upload.ownerId, sha256: blob.sha256, blobId: blob.id });
      return true;
    },
  });
  await storage.remove([stagingKey(upload.id)]);
  return { state: "verified", sha256: upload.sha256 };
};

/** Moves the bytes to a final key, whose row comes first. Undefined when there are none. */
async function promote(upload: UploadRow, { db, storage }: Pick<Deps, Needs>): Promise<Attempt | undefined> {
  if (upload.partsId && upload.attemptId) {
    const attempt = { id: upload.attemptId, key: blobKey(upload.sha256, upload.attemptId) };
    // Found when another run got this far: parts can be joined once.
    if (await storage.stat(attempt.key)) return attempt;
    await storage.completeParts(attempt.key, upload.partsId).catch((error) => {
      if (!(error instanceof Fault) || error.code !== "not-found") throw error;
    });
    return (await storage.stat(attempt.key)) ? attempt : undefined;
  }
  const id = Bun.randomUUIDv7();
  const attempt = { id, key: blobKey(upload.sha256, id) };
  await insertAttempt(db, attempt);
  try {
    await storage.copy(stagingKey(upload.id), attempt.key);
    return attempt;
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "not-found") throw error;
    await deleteAttempt(db, id);
    return undefined;
  }
}

function findFlaw(upload: UploadRow, digests: Digests): string | undefined {
  if (digests.sizeBytes !== upload.sizeBytes) return `size is ${digests.sizeBytes}, ${upload.sizeBytes} was announced`;
  if (digests.sha256 !== upload.sha256) return `SHA-256 is ${digests.sha256}, ${upload.sha256} was announced`;
  return undefined;
}

type Rejection = { deps: Pick<Deps, Needs>; reason: string; attempt?: Attempt };

/** Settles the upload as rejected, gives its room in the quota back, and removes its bytes. */
async function reject(upload: UploadRow, { deps, reason, attempt }: Rejection): Promise<Record<string, unknown>> {
  const { db, storage } = deps;
  const doomed = await db.transaction(async (tx) => {
    const settled = await settleUpload(tx, { id: upload.id, state: "rejected", reason, blobId: null });
    if (settled > 0) await releaseQuota(tx, { userId: upload.ownerId, sizeBytes: upload.sizeBytes });
    if (!attempt) return 0;
    await deleteAttempt(tx, attempt.id);
    return insertDoomed(tx, { key: attempt.key, sizeBytes: upload.sizeBytes, reason: "rejected", afterSeconds: 0 });
  });
  await storage.remove([stagingKey(upload.id)]);
  if (attempt && doomed > 0) await removeDoomed(deps, attempt.key);
  return { state: "rejected", reason };
}
