import { type Db, many } from "./query.ts";

/** The newest release of each of these packs that is neither yanked nor withdrawn; packs without one are left out. */
export function listReleases(db: Db, packIds: string[]): Promise<{ packId: string; id: string; version: string }[]> {
  return many(db, {
    name: "release_list",
    text: `select p.id as "packId", r.id, r.version from unnest($1::uuid[]) as p (id) cross join lateral (
        select v.id, v.version from pack.version v
        where v.pack_id = p.id and v.channel = 'release' and v.state = 'published' and v.yanked_at is null
        order by v.number desc limit 1) r`,
    values: [packIds],
  });
}
