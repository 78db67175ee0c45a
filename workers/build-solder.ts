import { lockPublishedVersion } from "../db/archive.ts";
import { listBlocked, lockBlobs } from "../db/blob.ts";
import type { Db } from "../db/query.ts";
import { insertSolderMods, listKnownZips, listSolderMods } from "../db/solder.ts";
import { findManifest, findVersionById } from "../db/version.ts";
import { listFiles } from "../db/version-file.ts";
import type { Deps } from "../deps.ts";
import { Fault } from "../fault.ts";
import { parseManifest } from "../formats/manifest.ts";
import { planSolder, type SolderZip } from "../formats/solder.ts";
import type { Log } from "../log.ts";
import type { Handle } from "../queues/actor.ts";
import type { BuildSolder } from "../queues/build-solder.ts";
import { storeArchive, storedEntry } from "./store-archive.ts";
import { isStored, type StoredFile } from "./stored-file.ts";

type Needs = "db" | "storage";

/** Zips are small, and most of their time is spent waiting for the storage. */
const atOnce = 4;

/**
 * Makes the zips of a version that there are not: each is settled by itself, so that a run which was broken off goes on where it
 * ended, and a second one at the same time only makes spare copies, which are removed.
 */
export const handle: Handle<BuildSolder, Needs> = async ({ payload, deps, signal, progress, log }) => {
  const { db } = deps;
  const version = await findVersionById(db, payload.versionId);
  const frozen = version && (await findManifest(db, version.id));
  if (!version || !frozen) return { state: "gone" };
  const { zips, missing } = planSolder(parseManifest(frozen.manifest));
  if (missing.length > 0)
    throw new Fault(
      "conflict",
      `Cannot pack version "${version.version}" for Solder: it needs the bytes of every file, and ${missing.length} are references. Publish with mirroring`,
      { errors: missing.slice(0, 100).map((path) => ({ detail: path })) },
    );
  const files = new Map((await listFiles(db, version.id)).filter(isStored).map((file) => [file.path, file]));
  const packing = { versionId: version.id, files };
  const lacking = await takeKnown(db, { ...packing, zips: await listLacking(db, { versionId: version.id, zips }) });
  let made = 0;
  const pack = async () => {
    try {
      for (let zip = lacking.shift(); zip !== undefined; zip = lacking.shift()) {
        if (!(await makeZip(deps, { ...packing, zip, signal, log }))) return false;
        made += 1;
        progress(made / (made + lacking.length));
      }
      return true;
    } catch (error) {
      lacking.length = 0; // the others end with what they have begun
      throw error;
    }
  };
  const finished = await Promise.all(Array.from({ length: atOnce }, pack));
  return finished.every(Boolean) ? { state: "built", zips: zips.length, made } : { state: "gone" };
};

async function listLacking(
  db: Db,
  { versionId, zips }: { versionId: string; zips: SolderZip[] },
): Promise<SolderZip[]> {
  const there = new Set((await listSolderMods(db, versionId)).map(keyOf));
  return zips.filter((zip) => !there.has(keyOf(zip)));
}

type Packing = { versionId: string; files: Map<string, StoredFile> };

/** Takes the zips that another version has already, in one transaction. Answers with those that nobody has. */
function takeKnown(db: Deps["db"], { zips, ...packing }: Packing & { zips: SolderZip[] }): Promise<SolderZip[]> {
  return db.transaction(async (tx) => {
    const known = await listKnownZips(tx, zips);
    const found = new Set(known.map(keyOf));
    const inside = zips.filter((zip) => found.has(keyOf(zip)));
    if (inside.length === 0 || !(await hold(tx, { ...packing, zips: inside }))) return zips;
    // The collector waits, or was first.
    const kept = new Set((await lockBlobs(tx, [...new Set(known.map(({ blobId }) => blobId))])).map(({ id }) => id));
    const taken = known.filter(({ blobId }) => kept.has(blobId));
    await insertSolderMods(tx, { versionId: packing.versionId, zips: taken });
    const done = new Set(taken.map(keyOf));
    return zips.filter((zip) => !done.has(keyOf(zip)));
  });
}

type Making = Packing & { zip: SolderZip; signal: AbortSignal; log: Log };

/** False when the version is gone, or holds what is blocked on this server. */
async function makeZip(deps: Pick<Deps, Needs>, { zip, signal, log, ...packing }: Making): Promise<boolean> {
  const entries = zip.files.map(({ path }) =>
    storedEntry(deps.storage, { path, file: fileAt(packing.files, path), signal }),
  );
  const stored = await storeArchive(deps, {
    entries,
    signal,
    log,
    progress: () => undefined,
    settle: async (tx, makeBlob) => {
      if (!(await hold(tx, { ...packing, zips: [zip] }))) return false;
      const { id: blobId } = await makeBlob();
      await insertSolderMods(tx, { versionId: packing.versionId, zips: [{ ...zip, blobId }] });
      return true;
    },
  });
  return stored !== undefined;
}

/**
 * Holds a version and what is inside some of its zips until the transaction ends, so that whoever withdraws it or blocks a file
 * waits for us or is seen here: then false.
 */
async function hold(tx: Db, { versionId, files, zips }: Packing & { zips: SolderZip[] }): Promise<boolean> {
  if (!(await lockPublishedVersion(tx, versionId))) return false;
  const inside = zips.flatMap((zip) => zip.files.map(({ path }) => fileAt(files, path)));
  await lockBlobs(tx, [...new Set(inside.map(({ blobId }) => blobId))]);
  const blocked = await listBlocked(tx, [...new Set(inside.map(({ sha256 }) => sha256))]);
  if (blocked.length === 0) return true;
  const bad = new Set(blocked);
  throw new Fault("conflict", "Cannot pack for Solder: some of its files are blocked on this server", {
    errors: inside.filter(({ sha256 }) => bad.has(sha256)).map(({ path }) => ({ detail: path })),
  });
}

function fileAt(files: Map<string, StoredFile>, path: string): StoredFile {
  const file = files.get(path);
  // The version was withdrawn after its manifest was read: the next look says so.
  if (!file) throw new Fault("unavailable", `Cannot pack: the bytes of "${path}" are not here any more`);
  return file;
}

const keyOf = ({ name, version }: { name: string; version: string }) => `${name} ${version}`;
