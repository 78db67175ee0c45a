import { rmSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { readTar } from "../../tar.ts";
import type { Wanted } from "./manifest.ts";
import type { Origin } from "./origin.ts";
import { openPartial, partialName, type Staged } from "./partial.ts";

/** Up to this size a file's round trip costs more than its bytes: such files come together, if there are a few of them. */
const smallBytes = 64 * 1024;
const leastFiles = 8;
const mostFiles = 1000;
const syncsAtOnce = 64;
const quietMs = 30_000;

type Bundling = {
  origin: Pick<Origin, "openBundle">;
  partial: string;
  signal: AbortSignal;
  onBytes(sizeBytes: number): void;
  onFile(file: Wanted, staged: Staged): void;
};

/** Splits off what comes in bundles; files that an earlier run has begun are gone on with one by one. */
export function splitSmall(files: Wanted[], { origin, present }: { origin: Origin; present: ReadonlySet<string> }) {
  const isSmall = ({ digest, sizeBytes }: Wanted) =>
    digest.startsWith("sha256:") &&
    Number(sizeBytes) > 0 &&
    Number(sizeBytes) <= smallBytes &&
    !present.has(partialName(digest));
  const small = origin.openBundle === undefined ? [] : files.filter(isSmall);
  if (small.length < leastFiles) return { small: [], others: files };
  return { small, others: files.filter((file) => !isSmall(file)) };
}

/**
 * Fetches small files in bundles, each checked. Answers with those that did not come: a server that knows no bundles, is busy
 * or breaks off is no failure, since every file may also be had by itself. Throws only what the disk says.
 */
export async function fetchBundles(files: Wanted[], bundling: Bundling): Promise<Wanted[]> {
  const left = new Map(files.map((file) => [file.digest.slice("sha256:".length), file]));
  const order = [...left.keys()];
  for (let start = 0; start < order.length; start += mostFiles) {
    const asked = order.slice(start, start + mostFiles);
    const before = left.size;
    await fetchBundle(asked, { ...bundling, left });
    if (left.size === before) break;
  }
  return [...left.values()];
}

async function fetchBundle(asked: string[], bundling: Bundling & { left: Map<string, Wanted> }): Promise<void> {
  const { origin, partial, signal, left } = bundling;
  const stop = new AbortController();
  const quiet = setTimeout(() => stop.abort(new Error("no byte for too long")), quietMs);
  const syncs = new Set<Promise<void>>();
  let unwritten: unknown;
  try {
    const response = await origin.openBundle?.(asked, { signal: AbortSignal.any([signal, stop.signal]) });
    if (response?.body === undefined || response.body === null) return;
    for await (const { name, bytes } of readTar(heard(response.body, quiet), { maxFileBytes: 1024 ** 2 })) {
      const file = left.get(name);
      if (file === undefined || bytes.byteLength !== file.sizeBytes) continue;
      const saving = await save(file, bytes, { partial, signal });
      if (saving === undefined) continue;
      left.delete(name);
      bundling.onBytes(bytes.byteLength);
      const syncing = saving.synced
        .then(() => bundling.onFile(file, saving.staged))
        .catch((error) => {
          unwritten ??= error;
        })
        .finally(() => syncs.delete(syncing));
      syncs.add(syncing);
      if (syncs.size >= syncsAtOnce) await Promise.race(syncs);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (isOfDisk(error)) throw error;
  } finally {
    clearTimeout(quiet);
    await Promise.all(syncs);
  }
  if (unwritten !== undefined) throw unwritten;
}

async function* heard(body: AsyncIterable<Uint8Array>, quiet: Timer) {
  for await (const chunk of body) {
    quiet.refresh();
    yield chunk;
  }
}

/** Writes a file beside the folder; undefined when its bytes are not what they should be. */
async function save(file: Wanted, bytes: Uint8Array, options: { partial: string; signal: AbortSignal }) {
  const path = join(options.partial, partialName(file.digest));
  const gathered = await openPartial(path, { digest: file.digest, resume: false, signal: options.signal });
  gathered.append(bytes);
  if (!gathered.matches()) {
    gathered.close();
    rmSync(path, { force: true });
    return undefined;
  }
  return { staged: gathered.staged(), synced: gathered.sync().finally(gathered.close) };
}

function isOfDisk(error: unknown): boolean {
  return error instanceof Error && !(error instanceof Fault) && "syscall" in error && "errno" in error;
}
