import { findArchive, insertArchive, lockPublishedVersion } from "../db/archive.ts";
import { listBlocked, lockBlobs } from "../db/blob.ts";
import type { Db } from "../db/query.ts";
import { findManifest, findVersionById, type VersionRow } from "../db/version.ts";
import { listFiles } from "../db/version-file.ts";
import type { Deps } from "../deps.ts";
import { Fault } from "../fault.ts";
import type { Handle } from "../queues/actor.ts";
import type { BuildArchive } from "../queues/build-archive.ts";
import type { ZipEntry } from "../zip.ts";
import { isStored, layOutMrpack, type StoredFile } from "./mrpack-index.ts";
import { storeArchive, storedEntry } from "./store-archive.ts";

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
  const files = (await listFiles(db, version.id)).filter(
    (file) => side === "both" || file.side === "both" || file.side === side,
  );
  await refuseBlocked(db, { version, files: files.filter(isStored) });
  const read = (path: string, file: StoredFile) => storedEntry(storage, { path, file, signal });
  if (format === "zip") {
    const stored = files.filter(isStored);
    if (stored.length < files.length) throw lacking(version, { files });
    return { files: stored, entries: stored.map((file) => read(file.path, file)) };
  }
  const { index, inside } = layOutMrpack({ version, name: await readName(db, version), files, base });
  const entries = inside.map(({ path, file }) => read(path, file));
  return { files: files.filter(isStored), entries: [textEntry("modrinth.index.json", index), ...entries] };
}

/** The pack's name as it was frozen at publishing: a new name must not change what was built before. */
async function readName(db: Db, version: VersionRow): Promise<string> {
  const found = await findManifest(db, version.id);
  const manifest: unknown = found && JSON.parse(new TextDecoder().decode(found.manifest));
  const pack = isRecord(manifest) ? manifest.pack : undefined;
  return isRecord(pack) && typeof pack.name === "string" && pack.name !== "" ? pack.name : version.version;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
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

function lacking(version: VersionRow, { files }: { files: Parameters<typeof isStored>[0][] }): Fault {
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
