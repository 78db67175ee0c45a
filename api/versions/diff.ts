import { listFiles, type VersionFileRow } from "../../db/version-file.ts";
import type { Deps } from "../../deps.ts";
import { writeGroup } from "../../formats/groups.ts";
import type { ManifestGroup } from "../../formats/manifest.ts";
import type { Caller } from "../tokens.ts";
import type { Diff } from "./model.ts";
import { getPublished } from "./service.ts";

type Asked = { caller: Caller | null; slug: string; from: string; to: string };

/** What lies between two published versions. */
export async function getDiff(
  { db }: Pick<Deps, "db">,
  { caller, slug, from, to }: Asked,
): Promise<typeof Diff.static> {
  const look = async (version: string) => {
    const { row } = await getPublished({ db }, { caller, slug, version });
    return { groups: row.groups ?? [], files: await listFiles(db, row.id) };
  };
  const [older, newer] = await Promise.all([look(from), look(to)]);
  return { from, to, ...compareFiles(older.files, newer.files), groups: compareGroups(older, newer) };
}

type Grouped = { groups: ManifestGroup[]; files: VersionFileRow[] };

/** Groups by their ids; one has changed when it says something else, or other paths are in it. */
function compareGroups(older: Grouped, newer: Grouped): (typeof Diff.static)["groups"] {
  const [before, after] = [older, newer].map(({ groups, files }) => {
    const paths = Map.groupBy(files, ({ groupId }) => groupId);
    const describe = (group: ManifestGroup) => [writeGroup(group), paths.get(group.id)?.map(({ path }) => path)];
    return new Map(groups.map((group) => [group.id, JSON.stringify(describe(group))]));
  });
  const ids = (which: Map<string, string> | undefined) => [...(which?.keys() ?? [])];
  return {
    added: ids(after).filter((id) => !before?.has(id)),
    changed: ids(after).filter((id) => before?.has(id) && before.get(id) !== after?.get(id)),
    removed: ids(before).filter((id) => !after?.has(id)),
  };
}

/** Compares by path and digest: the same digest under another path, gone from the old one, is a move. */
export function compareFiles(
  older: VersionFileRow[],
  newer: VersionFileRow[],
): Omit<typeof Diff.static, "from" | "to" | "groups"> {
  const before = new Map(older.map((file) => [file.path, file]));
  const after = new Map(newer.map((file) => [file.path, file]));
  const removed = older.filter(({ path }) => !after.has(path));
  const added = newer.filter(({ path }) => !before.has(path));
  const changed = newer.filter((file) => {
    const known = before.get(file.path);
    return known && identityOf(known) !== identityOf(file);
  });
  const free = Map.groupBy(removed, identityOf);
  const moved = added.flatMap((file) => {
    const source = free.get(identityOf(file))?.shift();
    return source ? [{ from: source.path, to: file.path, size: file.sizeBytes }] : [];
  });
  const movedFrom = new Set(moved.map((move) => move.from));
  const movedTo = new Set(moved.map((move) => move.to));
  const there = new Set(older.map(identityOf));
  const fetched = new Map(
    [...added, ...changed]
      .filter((file) => !there.has(identityOf(file)))
      .map((file) => [identityOf(file), file.sizeBytes ?? 0]),
  );
  const show = ({ path, sizeBytes }: VersionFileRow) => ({ path, size: sizeBytes });
  return {
    added: added.filter(({ path }) => !movedTo.has(path)).map(show),
    changed: changed.map(show),
    removed: removed.filter(({ path }) => !movedFrom.has(path)).map(show),
    moved,
    bytesToFetch: [...fetched.values()].reduce((sum, size) => sum + size, 0),
  };
}

/** What makes two files the same bytes: the strongest digest that is known. */
function identityOf({ sha256, digests, url, path }: VersionFileRow): string {
  if (sha256 !== null) return `sha256 ${sha256}`;
  const [name] = (["sha512", "sha1", "md5", "murmur2"] as const).filter((known) => digests?.[known]);
  return name ? `${name} ${digests?.[name]}` : `url ${url ?? path}`;
}
