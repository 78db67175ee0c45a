import { type Dump, openDump } from "../db/dump.ts";
import { loadDatabase } from "../db/load.ts";
import { Fault } from "../fault.ts";
import type { Step } from "./create.ts";
import { tablePart } from "./create.ts";
import { eachAtOnce } from "./each-at-once.ts";
import type { Manifest } from "./manifest.ts";
import { readObjectList } from "./object-list.ts";
import { readObject, readPart } from "./parts.ts";
import type { Sealing } from "./sealing.ts";
import type { BackupStore, Objects } from "./store.ts";

type Restore = {
  store: BackupStore;
  manifest: Manifest;
  sealing: Sealing | undefined;
  url: string;
  /** Where the objects of the installation are. */
  to: Objects;
  endSessions: boolean;
  onStep?: (step: Step) => void;
  signal: AbortSignal;
};

const objectsAtOnce = 8;

/**
 * Puts a backup back: objects first, so that no row names one that is missing; then the database in one transaction. Whoever
 * is killed meanwhile has left the database as it was, and some objects more; running it again goes on. Answers with the
 * keys of objects that could not be restored.
 */
export async function restoreBackup(options: Restore): Promise<{ objects: number; missing: string[] }> {
  const { store, manifest, sealing, url, signal } = options;
  const { objects, missing } = await restoreObjects(options);
  let done = 0;
  await loadDatabase(url, {
    ...manifest,
    read: (table) => readTable({ store, manifest, sealing, signal }, table),
    restored: { name: manifest.name, madeAt: new Date(manifest.madeAt), endSessions: options.endSessions },
    onTable: (table, rows) => {
      requireRows(manifest, { table, rows });
      done += 1;
      options.onStep?.({ part: "database", done, of: manifest.tables.length });
    },
    signal,
  });
  return { objects, missing };
}

type Source = Pick<Restore, "store" | "manifest" | "sealing" | "signal">;

/** The rows of a table. Throws `Fault("invalid")` when they are not those of the manifest. */
export async function* readTable(
  { store, manifest, sealing, signal }: Source,
  table: string,
): AsyncGenerator<Uint8Array> {
  const sha256 = manifest.tables.find(({ name }) => name === table)?.sha256 ?? "";
  yield* readPart(store, tablePart(manifest.name, table, sealing), { sealing, sha256, signal });
}

/** Throws `Fault("invalid")` when a table came with another number of rows. */
export function requireRows(manifest: Manifest, { table, rows }: { table: string; rows: number }): void {
  const wanted = manifest.tables.find(({ name }) => name === table)?.rows;
  if (rows !== wanted)
    throw new Fault("invalid", `Cannot read the backup ${manifest.name}: ${table} has ${rows} rows, not ${wanted}`);
}

async function restoreObjects({ store, manifest, sealing, to, onStep, signal }: Restore) {
  const missing: string[] = [];
  let objects = 0;
  let looked = 0;
  const of = manifest.objects.count;
  await eachAtOnce(readObjectList(store, manifest.name, { sha256: manifest.objects.sha256, signal }), {
    limit: objectsAtOnce,
    work: async (blob) => {
      const there = await to.stat(blob.key);
      if (there?.sizeBytes !== blob.sizeBytes) {
        try {
          if (manifest.kind === "restore-point") throw new Fault("not-found", "There is no such object");
          await to.write(blob.key, readObject(store, blob, { sealing, signal }), { sizeBytes: blob.sizeBytes, signal });
          objects += 1;
        } catch (error) {
          if (!(error instanceof Fault && (error.code === "not-found" || error.code === "invalid"))) throw error;
          missing.push(blob.key);
        }
      }
      looked += 1;
      onStep?.({ part: "objects", done: looked, of });
    },
  });
  return { objects, missing };
}

/** Whether a database says of its blobs what the list of a backup says. */
export async function compareBlobs(
  { store, manifest, signal }: Source,
  { url }: { url: string },
): Promise<{ count: number; same: boolean }> {
  const dump: Dump = await openDump(url, { hold: false });
  try {
    const rows = dump.listBlobs();
    let count = 0;
    let same = true;
    for await (const wanted of readObjectList(store, manifest.name, { sha256: manifest.objects.sha256, signal })) {
      const { value, done } = await rows.next();
      if (done || JSON.stringify(value) !== JSON.stringify(wanted)) same = false;
      count += 1;
    }
    if (!(await rows.next()).done) same = false;
    return { count, same };
  } finally {
    await dump.close();
  }
}
