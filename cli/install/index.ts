import { existsSync, lstatSync, mkdirSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { applyPlan } from "./apply.ts";
import type { Digest } from "./digest.ts";
import { explainDisk } from "./disk.ts";
import { lockFolder } from "./lock.ts";
import { listWanted, parseManifest, type Side, type Wanted } from "./manifest.ts";
import { type KeepReason, listParents, type Plan, planInstall } from "./plan.ts";
import { scanFolder } from "./scan.ts";
import type { PackServer } from "./server.ts";
import { stagePlan } from "./stage.ts";
import {
  addClaim,
  commitState,
  type InstalledFile,
  type InstalledState,
  type Places,
  placesOf,
  readClaims,
  readState,
  writeJournal,
} from "./state.ts";

type Progress = { advance(sizeBytes: number): void; finish(): void };

export type InstallOptions = {
  server: PackServer;
  slug: string;
  /** Without a version, the newest of the channel; without a channel, of releases. */
  version?: string | undefined;
  channel?: string | undefined;
  side: Side;
  /** Hash every file instead of trusting size and time. */
  full?: boolean;
  /** What to do with files that the player edited; they are kept when not told. */
  edited?: "keep" | "back-up";
  /** Connections to the server's storage; 64 when not told. */
  connections?: number;
  signal: AbortSignal;
  progress?: (totalBytes: number) => Progress;
};

/** What an install did; the lists hold paths. */
export type InstallResult = {
  pack: string;
  version: string;
  side: Side;
  fetched: number;
  fetchedBytes: number;
  copied: number;
  kept: { path: string; reason: KeepReason }[];
  removed: number;
  unchanged: number;
  backedUp: string[];
  upToDate: boolean;
};

/**
 * Makes a folder hold exactly a version's files, besides what is the player's. Bytes are brought beside the folder's files
 * first; then the folder is switched over. It may be killed at any point and run again. Faults: those of the server,
 * invalid, conflict (another pack is in the folder), not-allowed, unavailable, storage-full.
 */
export async function installPack(dir: string, options: InstallOptions): Promise<InstallResult> {
  return withFolder(dir, async (root, places) => {
    const state = readState(places);
    if (state !== undefined && state.pack !== options.slug) {
      throw new Fault("conflict", `Cannot install: ${dir} holds the pack "${state.pack}"; choose another folder`);
    }
    return installInto(root, { ...options, places, state });
  });
}

/** Locks a folder, makes it when needed, and tells failures of the disk in words. */
export async function withFolder<Result>(
  dir: string,
  work: (root: string, places: Places) => Promise<Result>,
): Promise<Result> {
  try {
    mkdirSync(dir, { recursive: true });
    const root = realpathSync(dir);
    const places = placesOf(root);
    mkdirSync(places.own, { recursive: true });
    if (lstatSync(places.own).isSymbolicLink()) {
      throw new Fault("not-allowed", `Cannot work in ${dir}: its folder .sunduk is a symbolic link; remove it`);
    }
    const unlock = lockFolder(places.lock, dir);
    try {
      return await work(root, places);
    } finally {
      unlock();
    }
  } catch (error) {
    throw explainDisk(error, dir);
  }
}

type Inside = InstallOptions & { places: Places; state: InstalledState | undefined };

async function installInto(root: string, options: Inside): Promise<InstallResult> {
  const { places, state, server, slug, side, signal } = options;
  const version = options.version ?? (await server.findLatest(slug, { channel: options.channel, signal }));
  const known = state?.version === version && state.server === server.url ? state : undefined;
  const answer = await server.readManifest(slug, { version, etag: known?.etag || undefined, signal });
  const source = answer ?? known;
  if (source === undefined) throw new Fault("internal", "Cannot install: the server sent no manifest");
  const body = answer === undefined ? known?.manifest : answer.body;
  const manifest = parseManifest(body);
  const wanted = listWanted(manifest, side);
  const { claims, folders, interrupted } = readClaims(places, state);
  const found = await scanFolder(root, { wanted, claims, state, full: options.full ?? false, signal });
  const plan = planInstall({ wanted, claims, found, edited: options.edited ?? "keep" });

  const made = new Set(folders);
  for (const { wanted: file } of plan.place) {
    for (const folder of listParents(file.path)) if (found.get(folder)?.kind !== "folder") made.add(folder);
  }
  const toFetch = new Map<Digest, Wanted>();
  for (const { wanted: file, from } of plan.place) if (from.kind === "fetch") toFetch.set(file.digest, file);
  const progress =
    toFetch.size === 0
      ? undefined
      : options.progress?.([...toFetch.values()].reduce((sum, file) => sum + (file.sizeBytes ?? 0), 0));
  const { staged, fetched, fetchedBytes } = await stagePlan(plan, {
    root,
    partial: places.partial,
    server,
    connections: options.connections ?? 64,
    signal,
    onBytes: (sizeBytes) => progress?.advance(sizeBytes),
  }).finally(() => progress?.finish());

  const changes = plan.place.length + plan.remove.length + plan.backUp.length > 0;
  if (changes) {
    const intended = new Map(claims);
    for (const { wanted: file } of plan.place) {
      addClaim(intended, { path: file.path, digests: [file.digest], adopted: false, preserve: file.preserve });
    }
    writeJournal(places, { claims: intended, folders: made });
  }
  const applied = applyPlan(root, { plan, found, staged, places, made, startedAt: new Date() });
  const files = listInstalled({ plan, found, claims, state, applied });
  const next: InstalledState = {
    formatVersion: 1,
    server: server.url,
    pack: slug,
    version,
    side,
    etag: source.etag,
    manifest: body,
    files,
    folders: [...made].filter((folder) => existsSync(join(root, folder))),
  };
  if (interrupted || changes || !Bun.deepEquals(next, state)) commitState(places, next);
  rmSync(places.partial, { recursive: true, force: true });

  const kept = [
    ...plan.keep.map(({ path, reason }) => ({ path, reason })),
    ...applied.changed.map((path) => ({ path, reason: "edited" as const })),
  ];
  return {
    pack: slug,
    version,
    side,
    fetched,
    fetchedBytes,
    copied: plan.place.filter(({ from }) => from.kind !== "fetch").length,
    kept,
    removed: applied.removed.length,
    unchanged: plan.unchanged.length,
    backedUp: applied.backedUp,
    upToDate: !changes,
  };
}

type ListInput = {
  plan: Plan;
  found: Awaited<ReturnType<typeof scanFolder>>;
  claims: ReturnType<typeof readClaims>["claims"];
  state: InstalledState | undefined;
  applied: ReturnType<typeof applyPlan>;
};

/** The new list of what is ours: placed, unchanged, and what the player edited, so that it stays known as edited. */
function listInstalled({ plan, found, claims, state, applied }: ListInput): InstalledFile[] {
  const before = new Map(state?.files.map((file) => [file.path, file]));
  const files: InstalledFile[] = [];
  for (const { wanted } of plan.place) {
    const put = applied.placed.get(wanted.path);
    if (put === undefined) continue;
    files.push({ path: wanted.path, ...put, preserve: wanted.preserve, adopted: false, edited: false });
  }
  for (const { wanted, adopted } of plan.unchanged) {
    const now = found.get(wanted.path);
    if (now?.kind !== "file") continue;
    const { digests, sizeBytes, mtimeMs } = now;
    files.push({ path: wanted.path, digests, sizeBytes, mtimeMs, preserve: wanted.preserve, adopted, edited: false });
  }
  const keptPaths = plan.keep.filter((kept) => kept.wanted).map((kept) => kept.path);
  for (const path of [...keptPaths, ...applied.changed]) {
    const claim = claims.get(path);
    const old = before.get(path);
    if (claim?.preserve && old !== undefined) files.push(old);
    else if (claim !== undefined) {
      const { adopted, preserve } = claim;
      files.push({ path, digests: [...claim.digests], sizeBytes: 0, mtimeMs: 0, preserve, adopted, edited: true });
    }
  }
  return files.sort((one, other) => (one.path < other.path ? -1 : 1));
}
