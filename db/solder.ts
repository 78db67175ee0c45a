import type { Reader } from "./blob.ts";
import { type Db, many, one, run } from "./query.ts";
import type { Channel } from "./version.ts";

export type SolderModRow = { name: string; version: string; md5: string; sizeBytes: number };
export type SolderZipRow = { key: string; access: "public" | "private" };
export type BuildRow = { packId: string; version: string; channel: Channel };

/** The zips of a version that have been made. Broken ones count as not made: made again they are the same bytes. */
export function listSolderMods(db: Db, versionId: string): Promise<SolderModRow[]> {
  return many<SolderModRow>(db, {
    name: "solder_mod_list",
    text: `select m.name, m.mod_version as version, b.md5, b.size_bytes as "sizeBytes" from pack.solder_mod m join blob.blob b on b.id = m.blob_id
      where m.version_id = $1 and b.broken is null`,
    values: [versionId],
  });
}

type NamedZip = { name: string; version: string };

/** Of these zips, those that some version has already, of this pack or another. */
export function listKnownZips(db: Db, zips: NamedZip[]): Promise<(NamedZip & { blobId: string })[]> {
  return many(db, {
    name: "solder_mod_list_known",
    text: `select z.name, z.version, m.blob_id as "blobId" from jsonb_to_recordset($1::jsonb) as z (name text, version text)
      join lateral (select s.blob_id from pack.solder_mod s join blob.blob b on b.id = s.blob_id
        where s.name = z.name and s.mod_version = z.version and b.broken is null limit 1) m on true`,
    values: [JSON.stringify(zips.map(({ name, version }) => ({ name, version })))],
  });
}

/** Keeps zips of a version. The caller holds locks on the version, found published, and on the blobs. */
export function insertSolderMods(
  tx: Db,
  { versionId, zips }: { versionId: string; zips: (NamedZip & { blobId: string })[] },
): Promise<number> {
  const rows = zips.map(({ name, version, blobId }) => ({ name, version, blobId }));
  return run(tx, {
    name: "solder_mod_insert",
    text: `insert into pack.solder_mod (version_id, name, mod_version, blob_id)
      select $1, name, version, "blobId" from jsonb_to_recordset($2::jsonb) as z (name text, version text, "blobId" uuid) order by name
      on conflict (version_id, name) do update set mod_version = excluded.mod_version, blob_id = excluded.blob_id`,
    values: [versionId, JSON.stringify(rows)],
  });
}

/** Remembers that a pack is asked for through Solder: what is published from now on is packed at once. */
export function markSolder(tx: Db, packId: string): Promise<number> {
  return run(tx, {
    name: "solder_mark_pack",
    text: `update pack.pack set solder = true where id = $1 and not solder`,
    values: [packId],
  });
}

/** Whether a pack's versions are packed when they are published. */
export async function isSolderPack(db: Db, packId: string): Promise<boolean> {
  const row = await one<{ solder: boolean }>(db, {
    name: "solder_is_pack",
    text: `select solder from pack.pack where id = $1`,
    values: [packId],
  });
  return row?.solder ?? false;
}

/** A zip by its name and version, when a published version that has it is in a pack that the reader may see. */
export function findReadableZip(
  db: Db,
  { name, version, reader }: NamedZip & { reader: Reader },
): Promise<SolderZipRow | undefined> {
  return one<SolderZipRow>(db, {
    name: "solder_zip_find_readable",
    text: `select b.key, case p.visibility when 'public' then 'public' else 'private' end as access
      from pack.solder_mod m join pack.version v on v.id = m.version_id join pack.pack p on p.id = v.pack_id join blob.blob b on b.id = m.blob_id
      where m.name = $3 and m.mod_version = $4 and v.state = 'published' and b.broken is null and pack.can_read(p, $1, $2)
      order by p.visibility = 'public' desc limit 1`,
    values: [reader.userId, reader.roles, name, version],
  });
}

/** A zip for whoever may read one version, or one pack or channel of it. */
export function findGrantedZip(
  db: Db,
  { name, version, ...granted }: NamedZip & { versionId?: string; packId?: string; channel?: Channel | null },
): Promise<SolderZipRow | undefined> {
  return one<SolderZipRow>(db, {
    name: "solder_zip_find_granted",
    text: `select b.key, 'private' as access
      from pack.solder_mod m join pack.version v on v.id = m.version_id join pack.pack p on p.id = v.pack_id join blob.blob b on b.id = m.blob_id
      where m.name = $1 and m.mod_version = $2 and v.state = 'published' and b.broken is null and p.deleted_at is null
        and (p.organization_id is not null or not exists (select from account."user" u where u.id = p.owner_id and u.deleted_at is not null))
        and (v.id = $3 or (p.id = $4 and ($5::text is null or v.channel = $5))) limit 1`,
    values: [name, version, granted.versionId ?? null, granted.packId ?? null, granted.channel ?? null],
  });
}

/** Versions that packs show, neither yanked nor withdrawn: of each pack the last `limit`, oldest first. */
export function listBuilds(
  db: Db,
  { packIds, channel, limit }: { packIds: string[]; channel: Channel | null; limit: number },
): Promise<BuildRow[]> {
  return many<BuildRow>(db, {
    name: "solder_list_builds",
    text: `select b.pack_id as "packId", b.version, b.channel from unnest($1::uuid[]) as p (id) cross join lateral (
        select v.pack_id, v.version, v.channel, v.number from pack.version v
        where v.pack_id = p.id and v.state = 'published' and v.yanked_at is null and ($2::text is null or v.channel = $2)
        order by v.number desc limit $3) b order by b.pack_id, b.number`,
    values: [packIds, channel, limit],
  });
}

/** MD5 of bytes by their SHA-256. */
export function listMd5(db: Db, sha256: string[]): Promise<{ sha256: string; md5: string }[]> {
  return many(db, {
    name: "solder_list_md5",
    text: `select sha256, md5 from blob.blob where sha256 = any ($1)`,
    values: [sha256],
  });
}

/** Which mods are shown: those of one pack or channel, or of all public packs. */
export type ShownMods = { packId: string | null; channel: Channel | null };

/** Names of mods, in order. */
export async function listModNames(
  db: Db,
  { packId, channel, limit }: ShownMods & { limit: number },
): Promise<string[]> {
  const rows = await many<{ name: string }>(db, {
    name: "solder_list_mod_names",
    text: `select distinct m.name from pack.solder_mod m join pack.version v on v.id = m.version_id join pack.pack p on p.id = v.pack_id
      where v.state = 'published' and case when $1::uuid is null then p.visibility = 'public' and pack.can_read(p, null, '{}')
        else p.id = $1 and ($2::text is null or v.channel = $2) end
      order by m.name limit $3`,
    values: [packId, channel, limit],
  });
  return rows.map(({ name }) => name);
}

/** Versions of a mod, with their zips. */
export function listModVersions(
  db: Db,
  { name, packId, channel, limit }: ShownMods & { name: string; limit: number },
): Promise<SolderModRow[]> {
  return many<SolderModRow>(db, {
    name: "solder_list_mod_versions",
    text: `select distinct m.name, m.mod_version as version, b.md5, b.size_bytes as "sizeBytes"
      from pack.solder_mod m join pack.version v on v.id = m.version_id join pack.pack p on p.id = v.pack_id join blob.blob b on b.id = m.blob_id
      where m.name = $3 and v.state = 'published' and case when $1::uuid is null then p.visibility = 'public' and pack.can_read(p, null, '{}')
        else p.id = $1 and ($2::text is null or v.channel = $2) end
      order by version limit $4`,
    values: [packId, channel, name, limit],
  });
}
