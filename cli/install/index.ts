import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import type { Side } from "../../formats/manifest.ts";
import { applyPlan } from "./apply.ts";
import { chooseFiles, type Offer } from "./choose.ts";
import type { Digest } from "./digest.ts";
import { withFolder } from "./folder.ts";
import { listInstalled } from "./list-installed.ts";
import { listWanted, parseManifest, type Wanted } from "./manifest.ts";
import type { Origin } from "./origin.ts";
import { type KeepReason, listParents, planInstall } from "./plan.ts";
import { scanFolder } from "./scan.ts";
import { sha256Of, stagePlan } from "./stage.ts";
import {
  addClaim,
  commitState,
  type InstalledState,
  keptChoice,
  type Places,
  readClaims,
  readState,
  writeJournal,
} from "./state.ts";
import { trustManifest } from "./trust.ts";

type Progress = { advance(amount: number): void; finish(): void };

export type InstallOptions = {
  origin: Origin;
  /** Without a version, the newest of the channel; without a channel, of releases. */
  version?: string | undefined;
  channel?: string | undefined;
  /** As before when not told, at first the client. */
  side?: Side | undefined;
  /** Groups and optional files that are wanted, and that are not, by their names; what was chosen before is kept. */
  groups?: string[];
  without?: string[];
  allOptional?: boolean;
  /** Believe the server's keys, whatever they were before. */
  newKeys?: boolean;
  /** Hash every file instead of trusting size and time. */
  full?: boolean;
  /** What to do with files that the player edited; they are kept when not told. */
  edited?: "keep" | "back-up";
  /** Connections to the server's storage; 64 when not told. */
  connections?: number;
  signal: AbortSignal;
  /** Counts bytes, or files where the pack does not tell the size of each. */
  progress?: (total: number, unit: "bytes" | "files") => Progress;
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
  optional: Offer[];
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
    const { slug } = options.origin;
    if (slug !== undefined) refuseOther(state, { dir, pack: slug });
    return installInto(root, { ...options, dir, places, state });
  });
}

function refuseOther(state: InstalledState | undefined, { dir, pack }: { dir: string; pack: string }): void {
  if (state === undefined || state.pack === pack) return;
  throw new Fault("conflict", `Cannot install: ${dir} holds the pack "${state.pack}"; choose another folder`);
}

type Inside = InstallOptions & { dir: string; places: Places; state: InstalledState | undefined };

async function installInto(root: string, options: Inside): Promise<InstallResult> {
  const { places, state, origin, signal } = options;
  const side = options.side ?? state?.side ?? "client";
  const same = state?.server === origin.url && state.side === side && Bun.deepEquals(state.source, origin.source);
  const known = same ? state : undefined;
  const release = await origin.readRelease({ ...options, side, known });
  const { etag, body } = release ?? { etag: known?.etag ?? "", body: known?.manifest };
  if (body === undefined) throw new Fault("internal", "Cannot install: the server sent no manifest");
  const pinned = state?.server === origin.url ? (state.manifestKeys ?? []) : [];
  const signed = release?.signed;
  const newKeys = options.newKeys ?? false;
  const keys = signed === undefined ? pinned : await trustManifest(origin, { signed, pinned, newKeys, signal });
  const manifest = parseManifest(body);
  const pack = origin.slug ?? manifest.pack.slug;
  refuseOther(state, { dir: options.dir, pack });
  const { version } = manifest;
  const { files: chosen, offers, choice } = chooseFiles(manifest, { side, kept: keptChoice(state), given: options });
  const wanted = listWanted(chosen);
  const { claims, folders, interrupted } = readClaims(places, state);
  const found = await scanFolder(root, { wanted, claims, state, full: options.full ?? false, signal });
  const plan = planInstall({ wanted, claims, found, edited: options.edited ?? "keep" });

  const made = new Set(folders);
  for (const { wanted: file } of plan.place) {
    for (const folder of listParents(file.path)) if (found.get(folder)?.kind !== "folder") made.add(folder);
  }
  const lacking = plan.place.filter(({ from }) => from.kind === "fetch").map(({ wanted: file }) => file);
  const inside =
    (lacking.length > 0 ? await origin.unpack?.({ side, signal }) : undefined) ?? new Map<string, string>();
  const toFetch = new Map<Digest, Wanted>();
  for (const file of lacking) if (!inside.has(sha256Of(file))) toFetch.set(file.digest, file);
  const unit = [...toFetch.values()].some(({ sizeBytes }) => sizeBytes === null) ? "files" : "bytes";
  const totalBytes = [...toFetch.values()].reduce((sum, file) => sum + (file.sizeBytes ?? 0), 0);
  const progress =
    toFetch.size === 0 ? undefined : options.progress?.(unit === "bytes" ? totalBytes : toFetch.size, unit);
  const { staged, fetched, fetchedBytes } = await stagePlan(plan, {
    root,
    partial: places.partial,
    origin,
    inside,
    connections: options.connections ?? 64,
    signal,
    onBytes: (sizeBytes) => unit === "bytes" && progress?.advance(sizeBytes),
    onFile: () => unit === "files" && progress?.advance(1),
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
    server: origin.url,
    ...(origin.source && { source: origin.source }),
    pack,
    version,
    side,
    choice,
    ...(keys.length > 0 && { manifestKeys: keys }),
    etag,
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
    pack,
    version,
    side,
    fetched,
    fetchedBytes,
    copied: plan.place.filter(({ from, wanted: file }) => from.kind !== "fetch" || inside.has(sha256Of(file))).length,
    kept,
    removed: applied.removed.length,
    unchanged: plan.unchanged.length,
    backedUp: applied.backedUp,
    optional: offers,
    upToDate: !changes,
  };
}
