import { listBlocked } from "./blob.ts";
import type { Db } from "./query.ts";
import { listFiles, listMissing, type VersionFileRow } from "./version-file.ts";

/** What keeps a draft from being published. */
export type Obstacles = {
  /** Digests whose bytes are not here, or not verified. */
  missing: Awaited<ReturnType<typeof listMissing>>;
  /** Files whose bytes an admin has blocked. */
  blocked: VersionFileRow[];
  /** References that were to be mirrored and are not. */
  unmirrored: VersionFileRow[];
};

/** Looks for what keeps a draft from being published. */
export async function findObstacles(db: Db, versionId: string): Promise<Obstacles> {
  const missing = await listMissing(db, versionId);
  const files = await listFiles(db, versionId);
  const digests = files.flatMap(({ sha256 }) => sha256 ?? []);
  const blocked = new Set(await listBlocked(db, digests));
  return {
    missing,
    blocked: files.filter(({ sha256 }) => sha256 !== null && blocked.has(sha256)),
    unmirrored: files.filter(({ mirror, blobId }) => mirror !== null && blobId === null),
  };
}

/** Whether nothing keeps a draft from being published. */
export const isComplete = ({ missing, blocked, unmirrored }: Obstacles) =>
  missing.length + blocked.length + unmirrored.length === 0;
