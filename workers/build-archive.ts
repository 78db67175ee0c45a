import { findArchive, insertArchive, lockPublishedVersion } from "../db/archive.ts";
import { listBlocked, lockBlobs } from "../db/blob.ts";
import type { Db } from "../db/query.ts";
import { findManifest, findVersionById, type VersionRow } from "../db/version.ts";
import { listFiles, type VersionFileRow } from "../db/version-file.ts";
import type { Deps } from "../deps.ts";
import { Fault } from "../fault.ts";
import { isForSide, openDefault } from "../formats/default-files.ts";
import { parseManifest } from "../formats/manifest.ts";
import { layOutMrpack } from "../formats/mrpack.ts";
import type { Handle } from "../queues/actor.ts";
import type { BuildArchive } from "../queues/build-archive.ts";
import type { ZipEntry } from "../zip.ts";
import { storeArchive, storedEntry } from "./store-archive.ts";
import { isStored, type StoredFile } from "./stored-file.ts";

type Needs = "db" | "storage" | "config";

/**
 * Packs a published version. Twice the same version is twice the same bytes, so a second run at the same time only makes a
 * spare copy, which is removed.
 */
export const handle: Handle<BuildArchive, Needs> = async ({ payload, deps, signal, progress, log }) => {
  const { db } = deps;
  const version = await findVersionById(db, payload.versionId);
  if (version?.state !== "published") return { state: "gone" };
  const known = await findArchive(db, payload);
  if (known) return { state: "built", sha256: known.sha256, size: known.sizeBytes };
  const { files, entries } = await plan(deps, { payload, version, signal });
  const stored = await storeArchive(deps, {
    entries,
    signal,
    log,
    progress,
    settle: async (tx, makeBlob) => {
      if (!(await lockPublishedVersion(tx, version.id))) return false; // withdrawn or erased meanwhile
      // Held, so that whoever blocks one of them waits for us or is seen here.
      await lockBlobs(
        tx,
        files.map(({ blobId }) => blobId),
      );
      if ((await listBlocked(tx, digestsOf(files))).length > 0) return false;
      const blob = await makeBlob();
      await insertArchive(tx, { ...payload, blobId: blob.id });
      return true;
    },
  });
  return stored ? { state: "built", sha256: stored.sha256, size: stored.sizeBytes } : { state: "gone" };
};

type Plan = { payload: BuildArchive; version: VersionRow; signal: AbortSignal };

/** What goes into the archive. Throws `conflict` naming files that it cannot hold, or that are blocked on this server. */
async function plan(
  { db, storage }: Pick<Deps, Needs>,
  { payload: { format, side, base }, version, signal }: Plan,
): Promise<{ files: StoredFile[]; entries: ZipEntry[] }> {
  const isTaken = openDefault(version.groups ?? [], side);
  const all = await listFiles(db, version.id);
  // Of a zip nobody chooses; an mrpack lists what is optional.
  const files = all.filter((file) =>
    format === "zip" ? isTaken({ ...file, group: file.groupId }) : isForSide(file, side),
  );
  const stored = files.filter(isStored);
  await refuseBlocked(db, { version, files: stored });
  const read = (path: string, file: StoredFile) => storedEntry(storage, { path, file, signal });
  if (format === "zip") {
    if (stored.length < files.length) throw lacking(version, { files });
    return { files: stored, entries: stored.map((file) => read(file.path, file)) };
  }
  const found = await findManifest(db, version.id);
  if (!found) throw new Fault("gone", `Version "${version.version}" was withdrawn`);
  const blobs = base && `${base}/v1/blobs`;
  const { index, inside } = layOutMrpack(parseManifest(found.manifest), { blobs, side });
  const byPath = new Map(stored.map((file) => [file.path, file]));
  const entries = inside.map(({ path, file }) => {
    const row = byPath.get(file.path);
    if (!row) throw new Fault("internal", `Cannot pack: the bytes of "${file.path}" are not in the storage`);
    return read(path, row);
  });
  return { files: stored, entries: [textEntry("modrinth.index.json", index), ...entries] };
}

async function refuseBlocked(db: Db, { version, files }: { version: VersionRow; files: StoredFile[] }): Promise<void> {
  const blocked = new Set(await listBlocked(db, digestsOf(files)));
  if (blocked.size === 0) return;
  const paths = files.filter(({ sha256 }) => blocked.has(sha256)).map(({ path }) => path);
  throw new Fault(
    "conflict",
    `Cannot pack version "${version.version}": ${paths.length} of its files are blocked on this server`,
    { errors: paths.slice(0, 100).map((path) => ({ detail: path })) },
  );
}

function lacking(version: VersionRow, { files }: { files: VersionFileRow[] }): Fault {
  const missing = files.filter((file) => !isStored(file)).map(({ path }) => path);
  return new Fault(
    "conflict",
    `Cannot pack version "${version.version}": zip needs the bytes of every file, and ${missing.length} are references. Publish with mirroring`,
    { errors: missing.slice(0, 100).map((path) => ({ detail: path })) },
  );
}

const digestsOf = (files: StoredFile[]) => files.map(({ sha256 }) => sha256);

function textEntry(path: string, text: string): ZipEntry {
  const bytes = new TextEncoder().encode(text);
  return {
    path,
    sizeBytes: bytes.byteLength,
    crc32: Bun.hash.crc32(bytes),
    open: async function* () {
      yield bytes;
    },
  };
}
