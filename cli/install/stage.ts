import { closeSync, copyFileSync, fdatasyncSync, mkdirSync, openSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { fetchBundles, splitSmall } from "./bundle.ts";
import { algorithmOf, createDigester, type Digest, digestFile } from "./digest.ts";
import { download } from "./download.ts";
import type { Wanted } from "./manifest.ts";
import type { Origin } from "./origin.ts";
import { openPartial, type Partial, partialName, type Staged } from "./partial.ts";
import type { Plan } from "./plan.ts";
import { createUrls } from "./urls.ts";

type StageOptions = {
  root: string;
  partial: string;
  origin: Origin;
  /** Files that came inside the pack's archive: where each lies, by its SHA-256. */
  inside: ReadonlyMap<string, string>;
  /** At once, to the server's storage. */
  connections: number;
  signal: AbortSignal;
  onBytes(sizeBytes: number): void;
  /** Told each file that has come. */
  onFile(): void;
};

/** At once, to hosts that are not ours: enough for speed, few enough to be a polite guest. */
const referenceConnections = 16;

/**
 * Brings all bytes that a plan needs and the folder does not have beside it, checked, without changing the folder.
 * What could be brought stays for the next run when something fails. Faults: as `download`, naming every file.
 */
export async function stagePlan(plan: Plan, options: StageOptions) {
  mkdirSync(options.partial, { recursive: true });
  const present = new Set(readdirSync(options.partial));
  const staged = new Map<Digest, Staged>();
  const toFetch = new Map<Digest, Wanted>();
  for (const { wanted, from } of plan.place) {
    if (staged.has(wanted.digest) || from.kind === "move") continue;
    const inside = options.inside.get(sha256Of(wanted));
    const source = from.kind === "copy" ? join(options.root, from.path) : inside;
    const copy = source === undefined ? undefined : await copyLocally(wanted, { ...options, source });
    if (copy !== undefined) staged.set(wanted.digest, copy);
    else toFetch.set(wanted.digest, wanted);
  }
  // A file that is renamed serves its other places too.
  for (const { wanted, from } of plan.place) if (from.kind === "move") toFetch.delete(wanted.digest);

  // The largest first, so that none of them is left alone at the end.
  const sorted = [...toFetch.values()].sort((one, other) => (other.sizeBytes ?? 0) - (one.sizeBytes ?? 0));
  const stored = sorted.filter((file) => file.references.length === 0);
  const { small, others: single } = splitSmall(stored, { origin: options.origin, present });
  const failures: Fault[] = [];
  const halt = new AbortController();
  const signal = AbortSignal.any([options.signal, halt.signal]);
  const urls = createUrls(options.origin, {
    sha256s: single.map(sha256Of),
    signal,
  });
  let fetchedBytes = 0;
  const fetched = new Set<Digest>();

  const put = (file: Wanted, bytes: Staged) => {
    staged.set(file.digest, bytes);
    options.onFile();
  };
  const fail = (error: unknown) => {
    // A file that is wrong or missing does not keep the others from coming; a network or a disk that fails does.
    if (!(error instanceof Fault) || error.mayRetry || failures.push(error) > 20) halt.abort(error);
  };
  const fetchOne = async (file: Wanted, partial: Partial) => {
    const sha256 = sha256Of(file);
    const onBytes = (sizeBytes: number) => {
      fetched.add(file.digest);
      fetchedBytes += Math.max(sizeBytes, 0);
      options.onBytes(sizeBytes);
    };
    options.onBytes(partial.sizeBytes);
    const take = async (address: (refused?: string) => Promise<string>) =>
      put(file, await download(file, { partial, address, signal, onBytes }));
    if (file.references.length === 0) {
      await take((refused) => urls.get(sha256, refused));
      urls.done(sha256);
      return;
    }
    for (const [at, reference] of file.references.entries()) {
      try {
        return await take(async () => reference);
      } catch (error) {
        if (!(error instanceof Fault) || at + 1 === file.references.length) throw error;
      }
    }
  };
  const drain = async (queue: Wanted[]) => {
    // The disk is at work on one file while the next one arrives.
    let settling: Promise<void> = Promise.resolve();
    for (let file = queue.shift(); file !== undefined && !signal.aborted; file = queue.shift()) {
      const name = partialName(file.digest);
      const resume = present.has(name);
      const path = join(options.partial, name);
      try {
        const partial = await openPartial(path, { digest: file.digest, resume, signal });
        const fetching = fetchOne(file, partial);
        await Promise.allSettled([fetching, settling]);
        settling = fetching.then(partial.sync).catch(fail).finally(partial.close);
      } catch (error) {
        fail(error);
      }
    }
    await settling;
  };
  const drainAll = (queue: Wanted[], connections: number) =>
    Promise.all(Array.from({ length: connections }, () => drain(queue)));
  const ofSingle = drainAll(single, options.connections);
  const drainSmall = async () => {
    const left = await fetchBundles(small, {
      ...options,
      signal,
      onFile: put,
      onBytes: (sizeBytes) => {
        fetchedBytes += sizeBytes;
        options.onBytes(sizeBytes);
      },
    }).catch((error) => {
      halt.abort(error);
      return [];
    });
    for (const { digest } of small) fetched.add(digest);
    urls.expect(left.map(sha256Of));
    await ofSingle;
    await drainAll(left, options.connections);
  };
  await Promise.all([
    ofSingle,
    ...(small.length > 0 ? [drainSmall()] : []),
    drainAll(
      sorted.filter((file) => file.references.length > 0),
      referenceConnections,
    ),
  ]);
  options.signal.throwIfAborted();
  if (halt.signal.aborted) throw halt.signal.reason;
  const [first, ...others] = failures;
  if (first !== undefined) {
    throw others.length === 0
      ? first
      : new Fault(first.code, `Cannot install: ${failures.length} files cannot be had, the folder is as it was`, {
          errors: failures.map((failure) => ({ detail: failure.message })),
        });
  }
  return { staged, fetched: fetched.size, fetchedBytes };
}

/** The SHA-256 of a file whose bytes the pack's own server or archive has. */
export const sha256Of = ({ digest }: Wanted) => digest.slice("sha256:".length);

/** Copies bytes that are on this disk already; undefined when they turn out to be others. */
async function copyLocally(
  wanted: Wanted,
  options: { partial: string; source: string; signal: AbortSignal },
): Promise<Staged | undefined> {
  const file = join(options.partial, partialName(wanted.digest));
  copyFileSync(options.source, file);
  const digester = createDigester([algorithmOf(wanted.digest)]);
  await digestFile(file, { digester, signal: options.signal });
  if (!digester.digests().includes(wanted.digest)) {
    rmSync(file, { force: true });
    return undefined;
  }
  const handle = openSync(file, "r+");
  fdatasyncSync(handle);
  closeSync(handle);
  return { file, digests: digester.digests(), sizeBytes: statSync(file).size };
}
