import { type Db, many, one, run } from "./query.ts";

export type ShareRow = {
  id: string;
  hasPassword: boolean;
  uses: number;
  createdAt: Date;
  expiresAt: Date | null;
  revokedAt: Date | null;
  usedAt: Date | null;
};

type NewShare = {
  id: string;
  albumId: string;
  /** SHA-256 of the token, hex. */
  tokenHash: string;
  passwordHash: string | null;
  expiresAt: Date | null;
  /** So many that were not revoked may one album have. */
  most: number;
};

/** 0 when the album has too many, or was deleted meanwhile. */
export function insertShare(tx: Db, share: NewShare): Promise<number> {
  return run(tx, {
    name: "share_insert",
    text: `insert into image.share (id, album_id, token_hash, password_hash, expires_at) select $1, a.id, $3, $4, $5 from image.album a
      where a.id = $2 and (select count(*) from image.share where album_id = a.id and revoked_at is null) < $6 for key share of a`,
    values: [share.id, share.albumId, share.tokenHash, share.passwordHash, share.expiresAt, share.most],
  });
}

/** An album's links, newest first, revoked ones too. */
export function listShares(
  db: Db,
  { albumId, before, limit }: { albumId: string; before: string | null; limit: number },
): Promise<ShareRow[]> {
  return many<ShareRow>(db, {
    name: "share_list",
    text: `select id, password_hash is not null as "hasPassword", uses, created_at as "createdAt", expires_at as "expiresAt",
        revoked_at as "revokedAt", used_at as "usedAt"
      from image.share where album_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3`,
    values: [albumId, before, limit],
  });
}

/** A link that is still good, by the hash of its token. */
export function findShare(
  db: Db,
  tokenHash: string,
): Promise<{ id: string; albumId: string; passwordHash: string | null } | undefined> {
  return one(db, {
    name: "share_find",
    text: `select s.id, s.album_id as "albumId", s.password_hash as "passwordHash" from image.share s join image.album a on a.id = s.album_id
      where s.token_hash = $1 and image.can_view_album(a, null, '{}', s.id)
        and s.revoked_at is null and (s.expires_at is null or s.expires_at > now())`,
    values: [tokenHash],
  });
}

/** Notes that a link was opened. 0 when it was revoked meanwhile. */
export function noteShareUse(db: Db, id: string): Promise<number> {
  return run(db, {
    name: "share_note_use",
    text: `update image.share set uses = uses + 1, used_at = now() where id = $1 and revoked_at is null`,
    values: [id],
  });
}

/** Ends a link, and with it every grant that was given for it. 0 when there is none that is not revoked. */
export function revokeShare(tx: Db, { id, albumId }: { id: string; albumId: string }): Promise<number> {
  return run(tx, {
    name: "share_revoke",
    text: `update image.share set revoked_at = now() where id = $1 and album_id = $2 and revoked_at is null`,
    values: [id, albumId],
  });
}
