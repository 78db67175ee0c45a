import { type Db, many } from "./query.ts";

export type ReleaseRow = {
  packId: string;
  id: string;
  version: string;
  minecraft: string;
  loader: { name: string; version: string } | null;
};

/** The newest release of each of these packs that is neither yanked nor withdrawn; packs without one are left out. */
export function listReleases(db: Db, packIds: string[]): Promise<ReleaseRow[]> {
  return many<ReleaseRow>(db, {
    name: "release_list",
    text: `select p.id as "packId", r.id, r.version, r.minecraft, r.loader from unnest($1::uuid[]) as p (id) cross join lateral (
        select v.id, v.version, v.minecraft,
          case when v.loader_name is not null then jsonb_build_object('name', v.loader_name, 'version', coalesce(v.loader_version, '')) end as loader
        from pack.version v
        where v.pack_id = p.id and v.channel = 'release' and v.state = 'published' and v.yanked_at is null
        order by v.number desc limit 1) r`,
    values: [packIds],
  });
}
