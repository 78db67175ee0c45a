import {
  type Candidate,
  type FoundVersion,
  type Hit,
  listCandidates,
  listFoundVersions,
  listHits,
  listShortVersions,
} from "../../db/modrinth.ts";
import { type ModrinthFile, modrinthLoader, readShortId, renderModrinthVersion } from "../../formats/modrinth.ts";
import type { Api } from "../api.ts";
import { toReader } from "../caller.ts";
import type { Caller } from "../tokens.ts";
import { describeFoundFile, type Mrpacks } from "./files.ts";
import type { Algorithm, Filter } from "./model.ts";

export type Lookups = Pick<Api, "db" | "publicUrl"> & { mrpacks: Mrpacks };
export type Version = ReturnType<typeof renderModrinthVersion>;
type Hashes = { caller: Caller | null; algorithm: Algorithm; hashes: string[] };

/** So many versions of a pack are looked through for an update, and so many that have one file are told. */
const mostCandidates = 1_000;
const mostOfOneHash = 100;
/** Answers to many hashes say the same changelog again and again. */
const mostChangelogInMany = 500;

/** For each hash the newest version that has such a file. Unknown ones are left out. */
export async function findHits({ db }: Pick<Lookups, "db">, { caller, algorithm, hashes }: Hashes) {
  if (hashes.length === 0) return new Map<string, Hit>();
  const hits = await listHits(db, { reader: toReader(caller), algorithm, hashes, most: 1 });
  return new Map(hits.map((hit) => [hit.hash, hit]));
}

/** All versions that have a file of that hash, newest first. */
export function findAllHits({ db }: Pick<Lookups, "db">, { caller, algorithm, hashes }: Hashes): Promise<Hit[]> {
  if (hashes.length === 0) return Promise.resolve([]);
  return listHits(db, { reader: toReader(caller), algorithm, hashes, most: mostOfOneHash });
}

/** Versions with their mrpacks, and with the files by which they were found. */
export async function renderHits(lookups: Lookups, { caller, hits }: { caller: Caller | null; hits: Hit[] }) {
  const mrpackOf = await lookups.mrpacks(caller, [...new Map(hits.map((hit) => [hit.id, hit])).values()]);
  const publicUrl = lookups.publicUrl();
  return hits.map((hit) => renderModrinthVersion(hit, withPrimary([mrpackOf(hit), describeFoundFile(hit, publicUrl)])));
}

export async function renderVersions(
  lookups: Lookups,
  { caller, versions }: { caller: Caller | null; versions: FoundVersion[] },
): Promise<Version[]> {
  const mrpackOf = await lookups.mrpacks(caller, versions);
  return versions.map((version) => renderModrinthVersion(version, withPrimary([mrpackOf(version)])));
}

/** Clients look for the primary file: where there is no mrpack it is the other one. */
function withPrimary(files: (ModrinthFile | undefined)[]): ModrinthFile[] {
  const known = files.filter((file) => file !== undefined);
  return known.some(({ primary }) => primary) ? known : known.map((file) => ({ ...file, primary: true }));
}

/** Without what would make an answer to many hashes too long. */
export const shorten = (version: Version): Version =>
  version.changelog.length <= mostChangelogInMany
    ? version
    : { ...version, changelog: `${version.changelog.slice(0, mostChangelogInMany)}…` };

type Wish = { hash: string } & Filter;

/** For each of these hashes, versions of the same pack that fit its filter, newest first, at most `most`. Yanked ones are no update. */
export async function findUpdates(
  lookups: Lookups,
  { caller, algorithm, wishes, most }: { caller: Caller | null; algorithm: Algorithm; wishes: Wish[]; most: number },
): Promise<Map<string, Version[]>> {
  const hits = await findHits(lookups, { caller, algorithm, hashes: wishes.map(({ hash }) => hash) });
  const packIds = [...new Set([...hits.values()].map(({ packId }) => packId))];
  const candidates = Map.groupBy(
    await listCandidates(lookups.db, { packIds, most: mostCandidates }),
    ({ packId }) => packId,
  );
  const chosen = new Map<string, string[]>();
  for (const { hash, ...filter } of wishes) {
    const hit = hits.get(hash);
    const fitting = hit && (candidates.get(hit.packId) ?? []).filter((one) => !one.isYanked && fits(one, filter));
    if (fitting && fitting.length > 0)
      chosen.set(
        hash,
        fitting.slice(0, most).map(({ id }) => id),
      );
  }
  const versions = await listFoundVersions(lookups.db, [...new Set([...chosen.values()].flat())]);
  const rendered = await renderVersions(lookups, { caller, versions });
  const byId = new Map(versions.map(({ id }, index) => [id, rendered[index]]));
  return new Map([...chosen].map(([hash, ids]) => [hash, ids.flatMap((id) => byId.get(id) ?? [])]));
}

/** Whether a version is one of those that were asked for. Clients send empty lists where they mean no filter. */
export function fits({ loaderName, minecraft, channel }: Candidate, { loaders, game_versions, version_types }: Filter) {
  const isIn = (list: string[] | null | undefined, value: string) => !list?.length || list.includes(value);
  return (
    (isIn(loaders, modrinthLoader(loaderName)) || isIn(loaders, "mrpack")) &&
    isIn(game_versions, minecraft) &&
    isIn(version_types, channel)
  );
}

/** Versions by their short ids, of packs that the caller may see; where two have the same, the older one. */
export async function findByShortIds(
  { db }: Pick<Lookups, "db">,
  { caller, ids }: { caller: Caller | null; ids: string[] },
): Promise<FoundVersion[]> {
  const shortIds = ids.map(readShortId).filter((id) => id !== undefined);
  if (shortIds.length === 0) return [];
  const found = await listShortVersions(db, { reader: toReader(caller), shortIds });
  return [...new Map(found.toReversed().map((row) => [BigInt(`0x${row.id.slice(-12)}`) % 2n ** 47n, row])).values()];
}
