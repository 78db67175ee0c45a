import {
  type CheckedBlob,
  type Flaw,
  forgetArchives,
  listBlobsByKey,
  listBroken,
  listUnverified,
  listVersionsHolding,
  settleBroken,
  settleVerified,
  sumIntegrity,
} from "../db/integrity.ts";
import { insertFact } from "../db/outbox.ts";
import type { Deps } from "../deps.ts";
import { digestStream } from "../digest.ts";
import { Fault, hasCode } from "../fault.ts";
import type { Log } from "../log.ts";
import type { Handle } from "../queues/actor.ts";
import type { VerifyStorage } from "../queues/verify-storage.ts";
import { findAbsent } from "./find-absent.ts";

type Verifying = Pick<Deps, "db" | "storage" | "bus"> & {
  signal: AbortSignal;
  log: Log;
  /** Ids of packs that this run has told of. */
  told: Set<string>;
};

const dayMs = 24 * 60 * 60_000;
const blobsAtOnce = 100;
/** So many may be missing at once, however few there are; and so many may be unreadable in one run. */
const fewest = 20;

/**
 * Looks whether every object is there, then reads some: those that were not read for longest, as many bytes as it takes to read all
 * within VERIFY_DAYS; and again those that were broken, which may have been put back. An object is broken when it is so twice.
 */
export const handle: Handle<VerifyStorage, "db" | "storage" | "config" | "bus"> = async ({
  payload,
  deps,
  signal,
  progress,
  log,
}) => {
  const verifying = { ...deps, signal, log, told: new Set<string>() };
  const { db, config } = deps;
  const result = { missing: 0, changed: 0, restored: 0, unread: 0, read: 0, readBytes: 0 };
  const unread: string[] = [];
  const settle = async (blob: CheckedBlob) => {
    const flaw = await readTwice(verifying, blob);
    if (flaw === "unread") {
      if (unread.push(blob.id) > fewest)
        throw new Fault("unavailable", `Cannot verify the storage: it gives ${unread.length} objects to nobody`);
      result.unread += 1;
      return flaw;
    }
    if (flaw) result[flaw] += await flag(verifying, { blob, flaw });
    else await settleVerified(db, blob);
    result.read += 1;
    result.readBytes += blob.sizeBytes;
    return flaw;
  };
  const wasBroken = new Set<string>();
  for await (const blob of eachPage((after) => listBroken(db, { after, limit: blobsAtOnce }))) {
    wasBroken.add(blob.id);
    if (!(await settle(blob))) result.restored += 1;
  }
  const { bytes, blobs } = await sumIntegrity(db);
  for (const blob of await listAbsent(verifying, Math.max(fewest, blobs * config.SWEEP_MAX_SHARE)))
    if (!wasBroken.has(blob.id)) result.missing += await flag(verifying, { blob, flaw: "missing" });

  const runs = Math.max(1, (config.VERIFY_DAYS * dayMs) / (config.VERIFY_EVERY_SECONDS * 1000));
  const dueBefore = new Date(Date.now() - (config.VERIFY_DAYS * dayMs) / 2);
  const before = payload.since === undefined ? dueBefore : new Date(payload.since);
  const mostBytes = payload.since === undefined ? Math.ceil((2 * bytes) / runs) : Number.POSITIVE_INFINITY;
  let readBytes = 0;
  for (;;) {
    const due = await listUnverified(db, { before, without: unread, limit: blobsAtOnce });
    for (const blob of due) {
      signal.throwIfAborted();
      if (readBytes > 0 && readBytes + blob.sizeBytes > mostBytes) return report(result, log);
      await settle(blob);
      readBytes += blob.sizeBytes;
      progress(Math.min(1, readBytes / Math.max(1, Math.min(mostBytes, bytes))));
    }
    if (due.length < blobsAtOnce) return report(result, log);
  }
};

/** Objects that are not there. Throws `conflict` when they are more than `most`: then it is not they that are wrong. */
async function listAbsent({ db, storage, signal }: Verifying, most: number): Promise<CheckedBlob[]> {
  const absent: CheckedBlob[] = [];
  const list = (after: string) => listBlobsByKey(db, { after, limit: 1_000 });
  for await (const blob of findAbsent({ storage, list, signal })) {
    if (absent.length >= most)
      throw new Fault(
        "conflict",
        `Cannot verify the storage: more than ${absent.length} objects are missing at once. Is this its bucket or folder, and is all of it there?`,
      );
    absent.push(blob);
  }
  return absent;
}

async function* eachPage(list: (after: string) => Promise<CheckedBlob[]>): AsyncGenerator<CheckedBlob> {
  let after = "00000000-0000-0000-0000-000000000000";
  for (;;) {
    const page = await list(after);
    yield* page;
    const last = page.at(-1);
    if (!last) return;
    after = last.id;
  }
}

function report<Result extends Record<string, number>>(result: Result, log: Log): Result {
  const level = (result.missing ?? 0) + (result.changed ?? 0) + (result.unread ?? 0) > 0 ? "error" : "info";
  log[level]({ result }, "verified the storage");
  return result;
}

type Read = Flaw | "unread" | undefined;

/** What is wrong with an object, twice in a row: bytes may also be lost on their way. */
async function readTwice(verifying: Verifying, blob: CheckedBlob): Promise<Read> {
  return (await readOnce(verifying, blob)) && (await readOnce(verifying, blob));
}

async function readOnce({ storage, signal, log }: Verifying, { key, sha256 }: CheckedBlob): Promise<Read> {
  try {
    const digests = await digestStream(await storage.read(key, { signal }), { sha256Only: true, signal });
    return digests.sha256 === sha256 ? undefined : "changed";
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Fault && error.code === "not-found") return "missing";
    if (hasCode(error, "EIO")) return "changed"; // the disk has lost it
    // A storage that is away is asked again; one object that it does not give must not keep all others from being read.
    await storage.check();
    log.error({ err: error, key }, "stored bytes could not be read");
    return "unread";
  }
}

/**
 * Takes broken bytes out of service, and tells who works on a pack that has them; once, however often it is found. One file is in
 * many versions, and a disk loses many files: a pack is told of its newest version, once in a run.
 */
async function flag(
  { db, bus, log, told }: Verifying,
  { blob, flaw }: { blob: CheckedBlob; flaw: Flaw },
): Promise<number> {
  const versions = await db.transaction(async (tx) => {
    if ((await settleBroken(tx, { ...blob, flaw })) === 0) return undefined;
    await forgetArchives(tx, blob.id);
    const holding = await listVersionsHolding(tx, blob.id);
    const newest = new Map(holding.toReversed().map(({ packId, versionId }) => [packId, versionId]));
    for (const [packId, versionId] of newest)
      if (!told.has(packId)) await insertFact(tx, { kind: "version.broken", payload: { packId, versionId } });
    return holding;
  });
  if (!versions) return 0;
  for (const { packId } of versions) told.add(packId);
  log.error({ sha256: blob.sha256, key: blob.key, flaw, versions: versions.length }, "stored bytes are broken");
  for (const slug of new Set(versions.map((version) => version.slug))) bus.publish("pack.changed", slug);
  return 1;
}
