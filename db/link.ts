import { type Db, many, one, run } from "./query.ts";
import type { Channel } from "./version.ts";

export type LinkRow = {
  id: string;
  name: string;
  /** Null: all channels. */
  channel: Channel | null;
  /** Login; null when the account is gone. */
  createdBy: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  revokedAt: Date | null;
  usedAt: Date | null;
  uses: number;
};

/** A link that is good, and what it is for. */
export type GoodLink = { id: string; packId: string; slug: string; channel: Channel | null };

/** A link by the hash of its token: not revoked, not expired, of a pack that is there. */
export function findLink(db: Db, tokenHash: string): Promise<GoodLink | undefined> {
  return one<GoodLink>(db, {
    name: "link_find",
    text: `select l.id, l.pack_id as "packId", p.slug, l.channel from pack.link l join pack.pack p on p.id = l.pack_id
      where l.token_hash = $1 and l.revoked_at is null and (l.expires_at is null or l.expires_at > now()) and p.deleted_at is null
        and (p.organization_id is not null or not exists (select from account."user" u where u.id = p.owner_id and u.deleted_at is not null))`,
    values: [tokenHash],
  });
}

type NewLink = {
  id: string;
  packId: string;
  /** SHA-256 of the token, hex. */
  tokenHash: string;
  name: string;
  channel: Channel | null;
  createdBy: string;
  expiresAt: Date | null;
  /** So many that are still good may one pack have. */
  most: number;
};

/** 0 when the pack has too many, or was deleted meanwhile. */
export function insertLink(tx: Db, link: NewLink): Promise<number> {
  return run(tx, {
    name: "link_insert",
    text: `insert into pack.link (id, pack_id, token_hash, name, channel, created_by, expires_at)
      select $1, p.id, $3, $4, $5, $6, $7 from pack.pack p where p.id = $2 and p.deleted_at is null
        and (select count(*) from pack.link l where l.pack_id = p.id and l.revoked_at is null and (l.expires_at is null or l.expires_at > now())) < $8
      for key share of p`,
    values: [link.id, link.packId, link.tokenHash, link.name, link.channel, link.createdBy, link.expiresAt, link.most],
  });
}

/** A pack's links, newest first, ended ones too. `before` is the id that the page before ended with. */
export function listLinks(
  db: Db,
  { packId, before, limit }: { packId: string; before: string | null; limit: number },
): Promise<LinkRow[]> {
  return many<LinkRow>(db, {
    name: "link_list",
    text: `select l.id, l.name, l.channel, u.login as "createdBy", l.created_at as "createdAt", l.expires_at as "expiresAt",
        l.revoked_at as "revokedAt", l.used_at as "usedAt", l.uses
      from pack.link l left join account."user" u on u.id = l.created_by and u.deleted_at is null
      where l.pack_id = $1 and ($2::uuid is null or l.id < $2) order by l.id desc limit $3`,
    values: [packId, before, limit],
  });
}

/** Counts uses of a link. */
export function noteLinkUses(db: Db, { id, uses }: { id: string; uses: number }): Promise<number> {
  return run(db, {
    name: "link_note_uses",
    text: `update pack.link set uses = uses + $2, used_at = now() where id = $1`,
    values: [id, uses],
  });
}

/** Ends a link and every address beneath it. 0 when there is none that is not revoked. */
export function revokeLink(tx: Db, { id, packId }: { id: string; packId: string }): Promise<number> {
  return run(tx, {
    name: "link_revoke",
    text: `update pack.link set revoked_at = now() where id = $1 and pack_id = $2 and revoked_at is null`,
    values: [id, packId],
  });
}

/** Where the bytes of a pack's icon are, or of its logo where it has none; undefined also when they are blocked or broken. */
export function findIcon(db: Db, packId: string): Promise<{ key: string } | undefined> {
  return one<{ key: string }>(db, {
    name: "pack_find_icon",
    text: `select b.key from pack.pack p join blob.blob b on b.id = coalesce(p.icon_blob_id, p.logo_blob_id)
      where p.id = $1 and b.broken is null and not exists (select from blob.blocked x where x.sha256 = b.sha256)`,
    values: [packId],
  });
}
