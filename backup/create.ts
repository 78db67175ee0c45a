import { openDump } from "../db/dump.ts";
import { Fault } from "../fault.ts";
import program from "../package.json" with { type: "json" };
import { folderOf, manifestOf, removeOld } from "./catalogue.ts";
import { eachAtOnce } from "./each-at-once.ts";
import { type Manifest, writeManifest } from "./manifest.ts";
import { readObjectList, writeObjectList } from "./object-list.ts";
import { objectName, objectSize, requireDigest, writePart } from "./parts.ts";
import type { Sealing } from "./sealing.ts";
import { type BackupStore, type Objects, writeText } from "./store.ts";

export type Step = { part: "database" | "objects"; done: number; of: number };

type Create = {
  url: string;
  /** Where the objects of the installation are; a restore point copies none. */
  from: Objects | undefined;
  store: BackupStore;
  encrypt: boolean;
  /** The server's own secrets; they are taken where the backup is encrypted, and nowhere else. */
  secrets: Record<string, string>;
  why: string;
  /** So many backups of this kind are kept, with this one. */
  keep: number;
  onStep?: (step: Step) => void;
  signal: AbortSignal;
};

export type Created = { manifest: Manifest; removed: string[] };

const objectsAtOnce = 8;
const copyTimeoutMs = 30 * 60_000;

/**
 * Makes a backup: the database as it is at one moment, then its objects, while nothing is swept; last the manifest, which
 * makes it one. Objects that are there already are not copied again. Memory does not grow with either.
 */
export async function createBackup(options: Create): Promise<Created> {
  const { store, from, signal } = options;
  const sealing = options.encrypt ? store.sealing : undefined;
  const dump = await openDump(options.url, { hold: from !== undefined });
  try {
    const name = nameBackup(dump.madeAt, from === undefined);
    const tables: Manifest["tables"] = [];
    for (const table of dump.tables) {
      signal.throwIfAborted();
      let rows = 0;
      const bytes = dump.copy(table, (count) => {
        rows = count;
      });
      const digest = await writePart(store, tablePart(name, table.name, sealing), { bytes, sealing, signal });
      tables.push({ ...table, rows, ...digest });
      options.onStep?.({ part: "database", done: tables.length, of: dump.tables.length });
    }
    const sums = { count: 0, sizeBytes: 0 };
    const blobs = (async function* () {
      for await (const blob of dump.listBlobs()) {
        sums.count += 1;
        sums.sizeBytes += blob.sizeBytes;
        yield blob;
      }
    })();
    const list = await writeObjectList(store, name, { blobs, sealing, signal });
    const takesSecrets = sealing !== undefined && Object.keys(options.secrets).length > 0;
    if (takesSecrets)
      await writePart(store, secretsPart(name), { bytes: once(JSON.stringify(options.secrets)), sealing, signal });
    await dump.endSnapshot();
    const copied = from
      ? await copyObjects({ ...options, from, sealing, name, count: sums.count })
      : { copied: 0, copiedBytes: 0, damaged: [] };
    await dump.requireLock();
    const manifest: Manifest = {
      format: 1,
      name,
      kind: from ? "backup" : "restore-point",
      why: options.why,
      madeAt: dump.madeAt.toISOString(),
      xid: dump.xid,
      program: program.version,
      encrypted: sealing !== undefined,
      migrations: dump.migrations,
      tables,
      partitions: dump.partitions,
      sequences: dump.sequences,
      objects: { ...sums, sha256: list.sha256, ...copied },
      secrets: takesSecrets,
    };
    await writeText(store.objects, { name: manifestOf(name), text: writeManifest(manifest, sealing?.sign) });
    const removed = await removeOld(store, { keep: options.keep, points: from === undefined, except: name, signal });
    return { manifest, removed };
  } finally {
    await dump.close();
  }
}

/** Where the rows of a table lie in a backup. */
export function tablePart(name: string, table: string, sealing: Sealing | undefined): string {
  return `${folderOf(name)}/tables/${table.replaceAll('"', "")}.${sealing ? "sealed" : "gz"}`;
}

/** Where the server's secrets lie in an encrypted backup. */
export const secretsPart = (name: string) => `${folderOf(name)}/secrets.sealed`;

function nameBackup(at: Date, point: boolean): string {
  const digits = Buffer.from(crypto.getRandomValues(new Uint8Array(3))).toString("hex");
  return `${at.toISOString().replace(/[-:.]/g, "")}-${point ? "point-" : ""}${digits}`;
}

type Copy = Create & { from: Objects; sealing: Sealing | undefined; name: string; count: number };

async function copyObjects({
  from,
  store,
  sealing,
  name,
  count,
  onStep,
  signal,
}: Copy): Promise<Pick<Manifest["objects"], "copied" | "copiedBytes" | "damaged">> {
  const done: Pick<Manifest["objects"], "copied" | "copiedBytes" | "damaged"> = {
    copied: 0,
    copiedBytes: 0,
    damaged: [],
  };
  let looked = 0;
  const copy = async ({ sha256, sizeBytes, key }: { sha256: string; sizeBytes: number; key: string }) => {
    const target = objectName(sha256, sealing);
    const wanted = objectSize(sizeBytes, sealing);
    const limit = AbortSignal.any([signal, AbortSignal.timeout(copyTimeoutMs)]);
    if ((await store.objects.stat(target))?.sizeBytes !== wanted) {
      try {
        const bytes = requireDigest(await from.read(key, { signal: limit }), { sha256, sizeBytes });
        const sealed = sealing ? sealing.close(bytes, target) : bytes;
        await store.objects.write(target, sealed, { sizeBytes: wanted, signal: limit });
        done.copied += 1;
        done.copiedBytes += sizeBytes;
      } catch (error) {
        // One that is lost must not keep the others from being saved; it is told, and the backup counts as damaged.
        if (!(error instanceof Fault && (error.code === "not-found" || error.code === "invalid"))) throw error;
        done.damaged.push({ key, sha256, reason: error.message });
      }
    }
    looked += 1;
    onStep?.({ part: "objects", done: looked, of: count });
  };
  await eachAtOnce(readObjectList(store, name, { signal }), { limit: objectsAtOnce, work: copy });
  return done;
}

async function* once(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
