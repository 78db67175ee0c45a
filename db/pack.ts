import type { Reader } from "./blob.ts";
import { type Db, many, one, run } from "./query.ts";

export type PackRole = "owner" | "maintainer" | "publisher";
export type Visibility = "private" | "unlisted" | "public";

export type PackRow = {
  id: string;
  slug: string;
  name: string;
  summary: string;
  description: string;
  licence: string;
  tags: string[];
  links: Record<string, string>;
  iconSha256: string | null;
  logoSha256: string | null;
  backgroundSha256: string | null;
  /** What its versions are started with where they say nothing themselves. */
  java: string | null;
  memoryMb: number | null;
  serverAddress: string | null;
  visibility: Visibility;
  /** Of an organization's pack: who brought it in. */
  ownerId: string;
  /** Null when it belongs to an organization. */
  ownerLogin: string | null;
  organizationId: string | null;
  /** Null also when the reader may not see it. */
  organization: { slug: string; name: string } | null;
  revision: number;
  minecraft: string[];
  loaders: string[];
  createdAt: Date;
  updatedAt: Date;
  /** The same to the microsecond, for cursors. */
  updatedAtText: string;
  /** The role of whoever asked. */
  role: PackRole | null;
};

// Of a pack `p` whose owner is `u`; $1 and $2 are the reader: id, roles.
const columns = `p.id, p.slug, p.name, p.summary, p.description, p.licence, p.tags, p.links, p.visibility, p.owner_id as "ownerId", p.revision,
  p.minecraft, p.loaders, p.java, p.memory_mb as "memoryMb", p.server_address as "serverAddress", p.created_at as "createdAt", p.updated_at as "updatedAt", p.updated_at::text as "updatedAtText",
  case when p.organization_id is null then u.login end as "ownerLogin", p.organization_id as "organizationId",
  (select jsonb_build_object('slug', o.slug, 'name', o.name) from organization.organization o
    where o.id = p.organization_id and organization.can_read(o, $1, $2)) as organization, pack.role_of(p, $1, $2) as role,
  (select b.sha256 from blob.blob b where b.id = p.icon_blob_id) as "iconSha256",
  (select b.sha256 from blob.blob b where b.id = p.logo_blob_id) as "logoSha256",
  (select b.sha256 from blob.blob b where b.id = p.background_blob_id) as "backgroundSha256"`;

/** A pack that this reader may see. */
export function findPack(db: Db, { slug, reader }: { slug: string; reader: Reader }): Promise<PackRow | undefined> {
  return one<PackRow>(db, {
    name: "pack_find",
    text: `select ${columns} from pack.pack p join account."user" u on u.id = p.owner_id
      where p.slug = $3 and pack.can_read(p, $1, $2)`,
    values: [reader.userId, reader.roles, slug],
  });
}

/** A pack whoever may see it: for a share link to it that was found good. As nobody in particular sees it. */
export function findLinkedPack(db: Db, packId: string): Promise<PackRow | undefined> {
  return one<PackRow>(db, {
    name: "pack_find_linked",
    text: `select ${columns} from pack.pack p join account."user" u on u.id = p.owner_id where p.id = $3 and p.deleted_at is null`,
    values: [null, [], packId],
  });
}

type Search = {
  reader: Reader;
  query: string | null;
  tag: string | null;
  minecraft: string | null;
  loader: string | null;
  /** Slug of whose they are. */
  organization: string | null;
  /** Where the page before ended. */
  after: { updatedAt: string; id: string } | null;
  limit: number;
};

/** Public packs and those the reader works on or was let into, last changed first. Unlisted ones are for those who know the slug. */
export function listPacks(db: Db, search: Search): Promise<PackRow[]> {
  const { reader, query, tag, minecraft, loader, organization, after, limit } = search;
  return many<PackRow>(db, {
    name: "pack_list",
    text: `select ${columns} from pack.pack p join account."user" u on u.id = p.owner_id
      where p.deleted_at is null and pack.can_read(p, $1, $2) and (p.visibility <> 'unlisted' or pack.role_of(p, $1, $2) is not null)
        and ($3::text is null or p.name ilike $3 or p.slug ilike $3 or p.summary ilike $3)
        and ($4::text is null or $4 = any (p.tags)) and ($5::text is null or $5 = any (p.minecraft)) and ($6::text is null or $6 = any (p.loaders))
        and ($7::timestamptz is null or (p.updated_at, p.id) < ($7, $8::uuid))
        and ($10::text is null or p.organization_id = (
          select o.id from organization.organization o where o.slug = $10 and organization.can_read(o, $1, $2)))
      order by p.updated_at desc, p.id desc limit $9`,
    values: [
      reader.userId,
      reader.roles,
      query,
      tag,
      minecraft,
      loader,
      after?.updatedAt ?? null,
      after?.id ?? null,
      limit,
      organization,
    ],
  });
}

type NewPack = {
  id: string;
  slug: string;
  name: string;
  summary: string;
  visibility: Visibility;
  ownerId: string;
  organizationId: string | null;
};

/** Throws a duplicate error when the slug is, or ever was, taken. */
export function insertPack(db: Db, pack: NewPack): Promise<number> {
  return run(db, {
    name: "pack_insert",
    text: `insert into pack.pack (id, slug, name, summary, visibility, owner_id, organization_id) values ($1, $2, $3, $4, $5, $6, $7)`,
    values: [pack.id, pack.slug, pack.name, pack.summary, pack.visibility, pack.ownerId, pack.organizationId],
  });
}

export type PackChange = {
  name?: string;
  summary?: string;
  description?: string;
  licence?: string;
  tags?: string[];
  links?: Record<string, string>;
  visibility?: Visibility;
  java?: string | null;
  memoryMb?: number | null;
  serverAddress?: string | null;
};

/** Blobs of a pack's pictures: undefined keeps one, null removes it. */
export type PackPictures = {
  iconBlobId?: string | null | undefined;
  logoBlobId?: string | null | undefined;
  backgroundBlobId?: string | null | undefined;
};

type PackUpdate = { id: string; revision: number; change: PackChange; pictures: PackPictures };

/** Changes what is given, when the revision is still that one; null removes. */
export function updatePack(db: Db, { id, revision, change, pictures }: PackUpdate): Promise<number> {
  return run(db, {
    name: "pack_update",
    text: `update pack.pack set name = coalesce($3, name), summary = coalesce($4, summary), description = coalesce($5, description),
        licence = coalesce($6, licence), tags = coalesce($7, tags), links = coalesce($8, links), visibility = coalesce($9, visibility),
        java = case when g.given ? 'java' then g.given ->> 'java' else java end,
        memory_mb = case when g.given ? 'memoryMb' then (g.given ->> 'memoryMb')::integer else memory_mb end,
        server_address = case when g.given ? 'serverAddress' then g.given ->> 'serverAddress' else server_address end,
        icon_blob_id = case when g.given ? 'iconBlobId' then (g.given ->> 'iconBlobId')::uuid else icon_blob_id end,
        logo_blob_id = case when g.given ? 'logoBlobId' then (g.given ->> 'logoBlobId')::uuid else logo_blob_id end,
        background_blob_id = case when g.given ? 'backgroundBlobId' then (g.given ->> 'backgroundBlobId')::uuid else background_blob_id end,
        revision = revision + 1, updated_at = now()
      from (select $10::jsonb as given) g where id = $1 and revision = $2 and deleted_at is null`,
    values: [
      id,
      revision,
      change.name ?? null,
      change.summary ?? null,
      change.description ?? null,
      change.licence ?? null,
      change.tags ?? null,
      change.links ? JSON.stringify(change.links) : null,
      change.visibility ?? null,
      // What may be removed: a key that is not given keeps what is there.
      JSON.stringify({
        java: change.java,
        memoryMb: change.memoryMb,
        serverAddress: change.serverAddress,
        ...pictures,
      }),
    ],
  });
}

/** Hides the pack for good; its slug stays taken and the sweep erases its versions. */
export function markPackDeleted(db: Db, id: string): Promise<number> {
  return run(db, {
    name: "pack_mark_deleted",
    text: `update pack.pack set deleted_at = now(), icon_blob_id = null, logo_blob_id = null, background_blob_id = null, revision = revision + 1 where id = $1 and deleted_at is null`,
    values: [id],
  });
}

/** Hands a pack over to somebody, or to an organization by him; what the new owner was in it before is forgotten. */
export function updatePackOwner(
  tx: Db,
  { id, ownerId, organizationId }: { id: string; ownerId: string; organizationId: string | null },
): Promise<number> {
  return run(tx, {
    name: "pack_update_owner",
    text: `with former as (delete from pack.member where pack_id = $1 and user_id = $2)
      update pack.pack set owner_id = $2, organization_id = $3, revision = revision + 1, updated_at = now() where id = $1`,
    values: [id, ownerId, organizationId],
  });
}

export type LockedPack = Pick<PackRow, "slug" | "name" | "java" | "memoryMb" | "serverAddress"> & {
  publishedCount: number;
};

/** Locks a pack until the transaction ends, so that its versions are numbered one after the other. */
export function lockPack(tx: Db, id: string): Promise<LockedPack | undefined> {
  return one<LockedPack>(tx, {
    name: "pack_lock",
    text: `select published_count as "publishedCount", slug, name, java, memory_mb as "memoryMb", server_address as "serverAddress"
      from pack.pack where id = $1 and deleted_at is null for update`,
    values: [id],
  });
}

/** Notes a published version on its pack: counts it and widens what the pack is found by. */
export function notePublished(
  tx: Db,
  { id, minecraft, loader }: { id: string; minecraft: string; loader: string | null },
): Promise<number> {
  return run(tx, {
    name: "pack_note_published",
    text: `update pack.pack set published_count = published_count + 1, updated_at = now(),
        minecraft = array(select distinct unnest(minecraft || $2::text)),
        loaders = case when $3::text is null then loaders else array(select distinct unnest(loaders || $3::text)) end
      where id = $1`,
    values: [id, minecraft, loader],
  });
}
