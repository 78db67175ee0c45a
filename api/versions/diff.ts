import { listFiles, type VersionFileRow } from "../../db/version-file.ts";
import type { Deps } from "../../deps.ts";
import type { Caller } from "../tokens.ts";
import type { Diff } from "./model.ts";
import { getPublished } from "./service.ts";

type Asked = { caller: Caller | null; slug: string; from: string; to: string };

/** What lies between two published versions. */
export async function getDiff(
  { db }: Pick<Deps, "db">,
  { caller, slug, from, to }: Asked,
): Promise<typeof Diff.static> {
  const [older, newer] = await Promise.all(
    [from, to].map(async (version) => listFiles(db, (await getPublished({ db }, { caller, slug, version })).row.id)),
  );
  return { from, to, ...compareFiles(older ?? [], newer ?? []) };
}

/** Compares by path and digest: the same digest under another path, gone from the old one, is a move. */
export function compareFiles(
  older: VersionFileRow[],
  newer: VersionFileRow[],
): Omit<typeof Diff.static, "from" | "to"> {
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
