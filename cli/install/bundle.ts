import { closeSync, fdatasync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Fault } from "../../fault.ts";
import { readTar } from "../../tar.ts";
import { runParallel } from "../parallel.ts";
import type { Wanted } from "./manifest.ts";
import type { Origin } from "./origin.ts";
import { partialName, type Staged } from "./partial.ts";

/** Up to this size a file's round trip costs more than its bytes: such files come together, if there are a few of them. */
const smallBytes = 64 * 1024;
const leastFiles = 8;
const mostFiles = 1000;
const syncsAtOnce = 64;
const quietMs = 30_000;

const syncData = promisify(fdatasync);

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
  const written: { wanted: Wanted; bytes: Staged }[] = [];
  try {
    const response = await origin.openBundle?.(asked, { signal: AbortSignal.any([signal, stop.signal]) });
    if (response?.body === undefined || response.body === null) return;
    for await (const { name, bytes } of readTar(heard(response.body, quiet), { maxFileBytes: 1024 ** 2 })) {
      const wanted = left.get(name);
      if (wanted === undefined || new Bun.CryptoHasher("sha256").update(bytes).digest("hex") !== name) continue;
      const file = join(partial, partialName(wanted.digest));
      writeFileSync(file, bytes);
      written.push({ wanted, bytes: { file, digests: [wanted.digest], sizeBytes: bytes.byteLength } });
      left.delete(name);
      bundling.onBytes(bytes.byteLength);
    }
  } catch (error) {
    signal.throwIfAborted();
    if (isOfDisk(error)) throw error;
  } finally {
    clearTimeout(quiet);
  }
  // All are written before the first is synced: the disk then has them all in a few goes.
  await runParallel(written, {
    limit: syncsAtOnce,
    work: async ({ wanted, bytes }) => {
      await syncFile(bytes.file);
      bundling.onFile(wanted, bytes);
    },
  });
}

async function syncFile(path: string): Promise<void> {
  const handle = openSync(path, "r+");
  try {
    await syncData(handle);
  } finally {
    closeSync(handle);
  }
}

async function* heard(body: AsyncIterable<Uint8Array>, quiet: Timer) {
  for await (const chunk of body) {
    quiet.refresh();
    yield chunk;
  }
}

function isOfDisk(error: unknown): boolean {
  return error instanceof Error && !(error instanceof Fault) && "syscall" in error && "errno" in error;
}
