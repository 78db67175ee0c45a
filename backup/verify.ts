import { loadDatabase } from "../db/load.ts";
import { createScratch } from "../db/scratch.ts";
import { Fault } from "../fault.ts";
import type { Step } from "./create.ts";
import { eachAtOnce } from "./each-at-once.ts";
import type { Manifest } from "./manifest.ts";
import { readObjectList } from "./object-list.ts";
import { readObject } from "./parts.ts";
import { compareBlobs, readTable, requireRows } from "./restore.ts";
import type { Sealing } from "./sealing.ts";
import type { BackupStore, Objects } from "./store.ts";

type Verify = {
  store: BackupStore;
  manifest: Manifest;
  sealing: Sealing | undefined;
  /** A database on the server that the scratch one is made on. */
  url: string;
  /** Where the objects of the installation are: those of a restore point. */
  installed: Objects;
  onStep?: (step: Step) => void;
  signal: AbortSignal;
};

export type Verified = { problems: string[]; tables: number; rows: number; objects: number };

const objectsAtOnce = 8;

/** Restores a backup into a scratch database, and reads every object. Answers with all that is wrong. */
export async function verifyBackup(options: Verify): Promise<Verified> {
  const { manifest, url } = options;
  const problems = manifest.objects.damaged.map(({ key, reason }) => `${key}: ${reason}`);
  const tell = (error: unknown) => {
    if (options.signal.aborted || !(error instanceof Error)) throw error;
    if (error instanceof Fault && error.code === "unavailable") throw error;
    problems.push(error.message);
  };
  const scratch = await createScratch(url);
  let rows = 0;
  try {
    await restoreInto(scratch.url, options, (more) => {
      rows += more;
    });
    const { same } = await compareBlobs(options, scratch);
    if (!same) problems.push("The blobs of the database are not those of the list of objects");
  } catch (error) {
    tell(error);
  } finally {
    await scratch.drop();
  }
  let objects = 0;
  await readObjects(options, {
    onRead: () => {
      objects += 1;
    },
    onProblem: (problem) => void problems.push(problem),
  }).catch(tell);
  return { problems, tables: manifest.tables.length, rows, objects };
}

async function restoreInto(url: string, options: Verify, onRows: (rows: number) => void): Promise<void> {
  const { manifest, signal, onStep } = options;
  let done = 0;
  await loadDatabase(url, {
    ...manifest,
    read: (table) => readTable(options, table),
    onTable: (table, rows) => {
      requireRows(manifest, { table, rows });
      onRows(rows);
      done += 1;
      onStep?.({ part: "database", done, of: manifest.tables.length });
    },
    signal,
  });
}

type Told = { onRead: () => void; onProblem: (problem: string) => void };

async function readObjects(options: Verify, { onRead, onProblem }: Told): Promise<void> {
  const { store, manifest, sealing, installed, onStep, signal } = options;
  let looked = 0;
  await eachAtOnce(readObjectList(store, manifest.name, { sha256: manifest.objects.sha256, signal }), {
    limit: objectsAtOnce,
    work: async (blob) => {
      try {
        if (manifest.kind === "restore-point") await requireInstalled(installed, blob);
        else for await (const _piece of readObject(store, blob, { sealing, signal }));
        onRead();
      } catch (error) {
        if (!(error instanceof Fault && (error.code === "not-found" || error.code === "invalid"))) throw error;
        onProblem(`${blob.key}: ${error.message}`);
      }
      looked += 1;
      onStep?.({ part: "objects", done: looked, of: manifest.objects.count });
    },
  });
}

async function requireInstalled(
  installed: Objects,
  { key, sizeBytes }: { key: string; sizeBytes: number },
): Promise<void> {
  if ((await installed.stat(key))?.sizeBytes !== sizeBytes)
    throw new Fault("not-found", "the storage does not have it any more");
}
