import { declareVersion } from "../../api/versions/draft.ts";
import { publish } from "../../api/versions/publish.ts";
import { findVersion } from "../../db/version.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { handle as publishVersion } from "../../workers/publish-version.ts";
import { testLog } from "../harness.ts";
import { addBlob, addUpload } from "../storage-rows.ts";

type Author = { userId: string; slug: string; packId: string };

/**
 * One publisher's round with the code of the product: bytes are stored, a draft names them, the version is published. The
 * collector may come in between each two steps; then the bytes are missing and nothing is published. `meanwhile` is called
 * when the bytes are there and nothing names them yet.
 */
export async function publishOnce(
  deps: Deps,
  { author, version, meanwhile = () => undefined }: { author: Author; version: string; meanwhile?: () => void },
): Promise<"published" | "missing"> {
  const { userId, slug, packId } = author;
  const caller = { userId, login: userId, roles: [], ver: 0, sessionId: null, tokenId: null, scopes: null };
  const blob = await addBlob(deps, `bytes of ${version}`);
  try {
    await addUpload(deps.db, { ownerId: userId, state: "verified", blob, sizeBytes: blob.sizeBytes });
    meanwhile();
    const files = [{ path: "a.txt", sha256: blob.sha256, size: blob.sizeBytes, side: "both" as const }];
    const body = { version, channel: "release" as const, minecraft: "1.21.1", loader: null, files };
    await declareVersion(deps, { caller, slug, body });
    await publish(deps, { caller, slug, version });
    const row = await findVersion(deps.db, { packId, version });
    const signal = AbortSignal.timeout(30_000);
    const run = { wanted: 1, signal, progress: () => undefined, log: testLog };
    const done = await publishVersion({ ...run, payload: { versionId: row?.id ?? "" }, deps });
    return done?.state === "published" ? "published" : "missing";
  } catch (error) {
    // The upload names a blob that is gone by now (23503), or the draft's bytes are missing (a conflict).
    if (error instanceof Fault && error.code === "conflict") return "missing";
    if (error instanceof Error && "code" in error && error.code === "23503") return "missing";
    throw error;
  }
}
