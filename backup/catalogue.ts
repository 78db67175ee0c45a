import { Value } from "@sinclair/typebox/value";
import { Fault } from "../fault.ts";
import { BackupName, type Manifest, readManifest } from "./manifest.ts";
import { readObjectList } from "./object-list.ts";
import { objectName } from "./parts.ts";
import { type BackupStore, readText } from "./store.ts";

/** Where what belongs to one backup lies. */
export const folderOf = (name: string) => `backups/${name}`;
export const manifestOf = (name: string) => `${folderOf(name)}/manifest.json`;
export const isPoint = (name: string) => name.includes("-point-");

/** Names of whole backups, oldest first, and of those that were begun and never ended. */
export async function listNames({ objects }: BackupStore): Promise<{ whole: string[]; begun: string[] }> {
  const whole = new Set<string>();
  const all = new Set<string>();
  for await (const { key } of objects.list("backups/")) {
    const [, name = "", file] = key.split("/");
    if (!Value.Check(BackupName, name)) continue;
    all.add(name);
    if (file === "manifest.json") whole.add(name);
  }
  return { whole: [...whole].sort(), begun: [...all].filter((name) => !whole.has(name)).sort() };
}

/** The manifest of a backup. Faults: not-found, invalid. */
export async function openBackup(store: BackupStore, name: string): Promise<Manifest> {
  const text = await readText(store.objects, manifestOf(name));
  if (text === undefined)
    throw new Fault("not-found", `Cannot find the backup ${name}: none at ${store.place} has this name`);
  const manifest = readManifest(text, { name, sign: store.sealing?.sign });
  return manifest;
}

/** The same, of a name or of the newest one (`latest`), with the key that it needs. */
export async function chooseBackup(
  store: BackupStore,
  name: string,
): Promise<{ manifest: Manifest; sealing: BackupStore["sealing"] }> {
  const chosen = name === "latest" ? (await listNames(store)).whole.filter((known) => !isPoint(known)).at(-1) : name;
  if (chosen === undefined) throw new Fault("not-found", `Cannot find a backup: there is none at ${store.place}`);
  const manifest = await openBackup(store, chosen);
  if (!manifest.encrypted) return { manifest, sealing: undefined };
  if (!store.sealing)
    throw new Fault(
      "malformed",
      `Cannot read the backup ${chosen}: it is encrypted. Name the file of its passphrase with BACKUP_KEY_FILE`,
    );
  return { manifest, sealing: store.sealing };
}

/** At most so many objects are thought of at once. */
const atOnce = 100_000;

/**
 * Removes the oldest backups of a kind beyond `keep`, those of it that were never ended, and the objects that none names any
 * more. Nobody else may write to the store meanwhile. Answers with the names of those that were whole.
 */
export async function removeOld(
  store: BackupStore,
  { keep, points, except, signal }: { keep: number; points: boolean; except: string; signal: AbortSignal },
): Promise<string[]> {
  const { whole, begun } = await listNames(store);
  const old = whole.filter((name) => isPoint(name) === points).slice(0, -keep);
  const gone = [...begun.filter((name) => isPoint(name) === points && name !== except), ...old];
  if (gone.length === 0) return [];
  const left = whole.filter((name) => !gone.includes(name) && !isPoint(name));
  for (const name of gone) {
    // First what makes it whole: a backup that is half removed must not look like one.
    await store.objects.remove([manifestOf(name)]);
    if (!points) await removeObjects(store, { name, left, signal });
    const files: string[] = [];
    for await (const { key } of store.objects.list(`${folderOf(name)}/`)) files.push(key);
    await store.objects.remove(files);
  }
  return old;
}

/** A list that cannot be read keeps what it names, and all that others name: that costs room only. */
async function removeObjects(
  store: BackupStore,
  { name, left, signal }: { name: string; left: string[]; signal: AbortSignal },
): Promise<void> {
  const both = (sha256: string) => [undefined, store.sealing].map((sealing) => objectName(sha256, sealing));
  const remove = async (names: Set<string>) => {
    for (const other of left)
      for await (const { sha256 } of readObjectList(store, other, { signal }))
        for (const kept of both(sha256)) names.delete(kept);
    await store.objects.remove([...names]);
  };
  try {
    let names = new Set<string>();
    for await (const { sha256 } of readObjectList(store, name, { signal })) {
      for (const object of both(sha256)) names.add(object);
      if (names.size < atOnce) continue;
      await remove(names);
      names = new Set();
    }
    await remove(names);
  } catch (error) {
    if (!(error instanceof Fault && ["invalid", "not-found", "malformed"].includes(error.code))) throw error;
  }
}
