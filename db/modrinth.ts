import type { Reader } from "./blob.ts";
import type { Visibility } from "./pack.ts";
import { type Db, many } from "./query.ts";
import type { Channel } from "./version.ts";

/** A published version of a pack, as look-ups show it. */
export type FoundVersion = {
  id: string;
  packId: string;
  slug: string;
  packName: string;
  visibility: Visibility;
  version: string;
  channel: Channel;
  minecraft: string;
  loaderName: string | null;
  changelog: string;
  publishedAt: Date;
  isYanked: boolean;
};

/** A file that a hash is of: in a version (`path`), or the version's archive (null). `sha256` is null where the bytes are elsewhere. */
export type FoundFile = {
  path: string | null;
  sha1: string | null;
  sha512: string | null;
  sha256: string | null;
  sizeBytes: number | null;
  url: string | null;
};

export type Hit = FoundVersion & FoundFile & { hash: string };

const versionColumns = `v.id, v.pack_id as "packId", p.slug, p.name as "packName", p.visibility, v.version, v.channel, v.minecraft,
  v.loader_name as "loaderName", v.changelog, v.published_at as "publishedAt", v.yanked_at is not null as "isYanked"`;

// Packs of what was found that are shown to the reader ($1, $2) who names none of them: unlisted ones only to those who work on
// them. Each is looked at by itself (limit): asked of all packs of a server, this would cost more than all the rest.
const shownPacks = `published as materialized (
    select f.*, v.pack_id, v.yanked_at, v.published_at from found f join pack.version v on v.id = f.version_id and v.state = 'published'),
  shown as materialized (
    select c.pack_id as id from (select distinct pack_id from published) c cross join lateral (
      select p.deleted_at is null and pack.can_read(p, $1, $2) and (p.visibility <> 'unlisted' or pack.role_of(p, $1, $2) is not null) as is_shown
      from pack.pack p where p.id = c.pack_id limit 1) s where s.is_shown)`;

const isServed = `b.broken is null and not exists (select from blob.blocked x where x.sha256 = b.sha256)`;

const asked = `asked as materialized (select hash, place from unnest($3::text[]) with ordinality as a (hash, place))`;
const bySha1 = `found as (
  select a.place as asked, f.version_id, f.path, b.id as blob_id
    from asked a join blob.blob b on b.sha1 = a.hash join pack.version_file f on f.blob_id = b.id where ${isServed}
  union all
  select a.place, r.version_id, null, b.id
    from asked a join blob.blob b on b.sha1 = a.hash join pack.archive r on r.blob_id = b.id where r.format = 'mrpack' and ${isServed}
  union all
  select a.place, f.version_id, f.path, null
    from asked a join pack.version_file f on f.digests ->> 'sha1' = a.hash where f.blob_id is null and f.url is not null)`;
const bySha512 = `found as (
  select a.place as asked, f.version_id, f.path, b.id as blob_id
    from asked a join blob.blob b on b.sha512 = a.hash join pack.version_file f on f.blob_id = b.id where ${isServed}
  union all
  select a.place, r.version_id, null, b.id
    from asked a join blob.blob b on b.sha512 = a.hash join pack.archive r on r.blob_id = b.id where r.format = 'mrpack' and ${isServed}
  union all
  select a.place, f.version_id, f.path, null
    from asked a join pack.version_file f on f.digests ->> 'sha512' = a.hash where f.blob_id is null and f.url is not null)`;

// The newest version that has it stands for a hash, one that is not yanked before all others. Chosen by narrow rows: a popular
// file is in many versions.
const hits = `chosen as materialized (
  select * from (
    select f.asked, f.version_id, f.path, f.blob_id,
      row_number() over (partition by f.asked order by f.yanked_at is not null, f.published_at desc, f.version_id desc, f.path) as place
    from published f join shown p on p.id = f.pack_id) as ranked
  where place <= $4)
  select a.hash, c.path, coalesce(b.sha1, r.digests ->> 'sha1') as sha1, coalesce(b.sha512, r.digests ->> 'sha512') as sha512, b.sha256,
    coalesce(b.size_bytes, r.size_bytes) as "sizeBytes", r.url, ${versionColumns}
  from chosen c join asked a on a.place = c.asked join pack.version v on v.id = c.version_id join pack.pack p on p.id = v.pack_id left join blob.blob b on b.id = c.blob_id
    left join pack.version_file r on c.blob_id is null and r.version_id = c.version_id and r.path = c.path
  order by c.asked, c.place`;

type Asked = { reader: Reader; algorithm: "sha1" | "sha512"; hashes: string[]; most: number };

/** For each of these hashes (hex, small letters) at most `most` versions that have such a file, of packs that are shown to the reader. */
export function listHits(db: Db, { reader, algorithm, hashes, most }: Asked): Promise<Hit[]> {
  const values = [reader.userId, reader.roles, hashes, most];
  return algorithm === "sha1"
    ? many<Hit>(db, { name: "modrinth_list_by_sha1", text: `with ${asked}, ${bySha1}, ${shownPacks}, ${hits}`, values })
    : many<Hit>(db, {
        name: "modrinth_list_by_sha512",
        text: `with ${asked}, ${bySha512}, ${shownPacks}, ${hits}`,
        values,
      });
}

/** What an update is chosen by. */
export type Candidate = Pick<FoundVersion, "id" | "packId" | "channel" | "minecraft" | "loaderName" | "isYanked">;

/** The newest published versions of these packs, at most `most` of each, newest first; the caller knows that they may be read. */
export function listCandidates(db: Db, { packIds, most }: { packIds: string[]; most: number }): Promise<Candidate[]> {
  return many<Candidate>(db, {
    name: "modrinth_list_candidates",
    text: `select v.* from unnest($1::uuid[]) as p (id) cross join lateral (
        select v.id, v.pack_id as "packId", v.channel, v.minecraft, v.loader_name as "loaderName", v.yanked_at is not null as "isYanked"
        from pack.version v where v.pack_id = p.id and v.state = 'published' order by v.number desc limit $2) as v`,
    values: [packIds, most],
  });
}

/** Published versions by their ids; the caller knows that they may be read. */
export function listFoundVersions(db: Db, ids: string[]): Promise<FoundVersion[]> {
  return many<FoundVersion>(db, {
    name: "modrinth_list_versions",
    text: `select ${versionColumns} from pack.version v join pack.pack p on p.id = v.pack_id where v.id = any ($1::uuid[]) and v.state = 'published'`,
    values: [ids],
  });
}

/** Published versions by their short ids, of packs that the reader may see. */
export function listShortVersions(
  db: Db,
  { reader, shortIds }: { reader: Reader; shortIds: number[] },
): Promise<FoundVersion[]> {
  return many<FoundVersion>(db, {
    name: "modrinth_list_short_versions",
    text: `select ${versionColumns} from pack.version v join pack.pack p on p.id = v.pack_id
      where pack.short_id(v.id) = any ($3::bigint[]) and v.state = 'published' and p.deleted_at is null and pack.can_read(p, $1, $2) order by v.id`,
    values: [reader.userId, reader.roles, shortIds],
  });
}

export type Project = {
  id: string;
  slug: string;
  name: string;
  summary: string;
  description: string;
  licence: string;
  tags: string[];
  links: Record<string, string>;
  visibility: Visibility;
  minecraft: string[];
  loaders: string[];
  hasIcon: boolean;
  createdAt: Date;
  updatedAt: Date;
  /** Ids of the newest published versions, newest first. */
  versionIds: string[];
};

/** Packs by their short ids or slugs that the reader may see. */
export function listProjects(
  db: Db,
  { reader, shortIds, slugs }: { reader: Reader; shortIds: number[]; slugs: string[] },
): Promise<Project[]> {
  return many<Project>(db, {
    name: "modrinth_list_projects",
    text: `select p.id, p.slug, p.name, p.summary, p.description, p.licence, p.tags, p.links, p.visibility, p.minecraft, p.loaders,
        (p.icon_blob_id is not null or p.logo_blob_id is not null) as "hasIcon", p.created_at as "createdAt", p.updated_at as "updatedAt",
        array(select v.id::text from pack.version v where v.pack_id = p.id and v.state = 'published' order by v.number desc limit 1000) as "versionIds"
      from pack.pack p where (pack.short_id(p.id) = any ($3::bigint[]) or p.slug = any ($4)) and p.deleted_at is null and pack.can_read(p, $1, $2)
      order by p.id`,
    values: [reader.userId, reader.roles, shortIds, slugs],
  });
}

/** Archives of versions, by the address that is written inside; empty: none is. */
export function listMrpacks(
  db: Db,
  { versionIds, base }: { versionIds: string[]; base: string },
): Promise<{ versionId: string; sha1: string; sha512: string; sizeBytes: number }[]> {
  return many(db, {
    name: "modrinth_list_mrpacks",
    text: `select a.version_id as "versionId", b.sha1, b.sha512, b.size_bytes as "sizeBytes" from pack.archive a join blob.blob b on b.id = a.blob_id
      where a.version_id = any ($1::uuid[]) and a.format = 'mrpack' and a.side = 'both' and a.base = $2 and b.broken is null`,
    values: [versionIds, base],
  });
}
