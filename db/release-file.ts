import type { ReadableBlob, Reader } from "./blob.ts";
import { type Db, many, one } from "./query.ts";
import type { Channel } from "./version.ts";

type Asked = {
  slug: string;
  reader: Reader;
  /** Of a good share link: it opens its own pack, or one channel of it, whoever asks. */
  link: { packId: string; channel: Channel | null } | null;
  sha256: string;
};

/** Bytes that published versions of a pack have, for who may see it. `blocked` and `broken`: why nobody gets them. */
export function findReleaseFile(
  db: Db,
  { slug, reader, link, sha256 }: Asked,
): Promise<(Pick<ReadableBlob, "key" | "access"> & { blocked: string | null; broken: string | null }) | undefined> {
  return one(db, {
    name: "release_file_find",
    text: `select b.key, case when $5::uuid is null and p.visibility = 'public' then 'public' else 'private' end as access,
        (select x.reason from blob.blocked x where x.sha256 = b.sha256) as blocked, b.broken
      from pack.pack p join blob.blob b on b.sha256 = $4
      where p.slug = $3 and p.deleted_at is null and (p.id = $5::uuid or ($5::uuid is null and pack.can_read(p, $1, $2)))
        and exists (select from pack.version_file f join pack.version v on v.id = f.version_id
          where f.blob_id = b.id and v.pack_id = p.id and v.state = 'published' and ($6::text is null or v.channel = $6))`,
    values: [reader.userId, reader.roles, slug, sha256, link?.packId ?? null, link?.channel ?? null],
  });
}

/** Why a pack's bytes are gone: the reason for which a version that had them was withdrawn. */
export function findGoneFile(
  db: Db,
  { slug, reader, link, sha256 }: Asked,
): Promise<{ reason: string | null } | undefined> {
  return one(db, {
    name: "release_file_find_gone",
    text: `select v.withdrawn_reason as reason from pack.version_file f join pack.version v on v.id = f.version_id join pack.pack p on p.id = v.pack_id
      where f.blob_id is null and f.sha256 = $4 and v.state = 'withdrawn' and p.slug = $3 and p.deleted_at is null
        and (p.id = $5::uuid or ($5::uuid is null and pack.can_read(p, $1, $2))) and ($6::text is null or v.channel = $6) limit 1`,
    values: [reader.userId, reader.roles, slug, sha256, link?.packId ?? null, link?.channel ?? null],
  });
}

/** Paths under which versions of a pack's channel up to that number, withdrawn ones too, had more than one kind of bytes. */
export async function listChangedPaths(
  db: Db,
  { packId, channel, number }: { packId: string; channel: Channel; number: number },
): Promise<Set<string>> {
  const rows = await many<{ path: string }>(db, {
    name: "release_file_list_changed",
    text: `select f.path from pack.version v join pack.version_file f on f.version_id = v.id left join blob.blob b on b.id = f.blob_id
      where v.pack_id = $1 and v.channel = $2 and v.number <= $3
      group by f.path having min(coalesce(b.sha256, f.sha256)) <> max(coalesce(b.sha256, f.sha256))`,
    values: [packId, channel, number],
  });
  return new Set(rows.map(({ path }) => path));
}
