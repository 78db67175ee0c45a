import { afterAll, beforeAll, expect, test } from "bun:test";
import { insertAttempt } from "../../db/blob.ts";
import { findQuota, findUpload } from "../../db/upload.ts";
import type { Deps } from "../../deps.ts";
import { blobKey } from "../../storage/keys.ts";
import { handle } from "../../workers/verify-upload.ts";
import { openTestDeps, sha256 } from "../harness.ts";
import { addUpload, addUser } from "../storage-rows.ts";
import { call } from "./arrange.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());

async function arrangeParts(text: string) {
  const [ownerId, attemptId, digest] = [await addUser(deps.db), Bun.randomUUIDv7(), sha256(text)];
  const key = blobKey(digest, attemptId);
  await insertAttempt(deps.db, { id: attemptId, key });
  const partsId = await deps.storage.openParts(key);
  const uploadId = await addUpload(deps.db, {
    ownerId,
    state: "verifying",
    sizeBytes: text.length,
    partsId,
    attemptId,
  });
  await deps.db.query({
    name: "test_upload_sha256",
    text: `update blob.upload set sha256 = $2 where id = $1`,
    values: [uploadId, digest],
  });
  return { ownerId, uploadId, key, partsId };
}

test("an upload whose parts are gone is rejected and its room given back, not left to wait", async () => {
  const { ownerId, uploadId, key, partsId } = await arrangeParts("parts that vanish");
  await deps.storage.abortParts(key, partsId);
  expect(await call(handle, deps, { uploadId })).toEqual({ state: "rejected", reason: "no bytes have arrived" });
  expect((await findUpload(deps.db, uploadId))?.state).toBe("rejected");
  expect(await findQuota(deps.db, ownerId)).toEqual({ uploads: 0, sizeBytes: 0 });
});
