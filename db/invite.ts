import { type Db, many, one, run } from "./query.ts";

export type InviteRow = {
  id: string;
  note: string;
  createdBy: string | null;
  createdAt: Date;
  expiresAt: Date;
  usedAt: Date | null;
  usedBy: string | null;
};

type NewInvite = { id: string; codeHash: string; note: string; createdBy: string | null; lifetimeDays: number };

export function insertInvite(db: Db, invite: NewInvite): Promise<{ expiresAt: Date } | undefined> {
  return one<{ expiresAt: Date }>(db, {
    name: "invite_insert",
    text: `insert into account.invite (id, code_hash, note, created_by, expires_at)
      values ($1, $2, $3, $4, now() + make_interval(days => $5)) returning expires_at as "expiresAt"`,
    values: [invite.id, invite.codeHash, invite.note, invite.createdBy, invite.lifetimeDays],
  });
}

/** An invite that may still be used. */
export function findInvite(db: Db, codeHash: string): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(db, {
    name: "invite_find",
    text: `select id from account.invite where code_hash = $1 and used_at is null and expires_at > now()`,
    values: [codeHash],
  });
}

/** Uses an invite up, for a user of this transaction: undefined when somebody else did, or it has expired. */
export function useInvite(
  tx: Db,
  { codeHash, userId }: { codeHash: string; userId: string },
): Promise<{ id: string } | undefined> {
  return one<{ id: string }>(tx, {
    name: "invite_use",
    text: `update account.invite set used_at = now(), used_by = $2
      where code_hash = $1 and used_at is null and expires_at > now() returning id`,
    values: [codeHash, userId],
  });
}

/** Invites, newest first, from before `after`. */
export function listInvites(db: Db, { after, limit }: { after: string | null; limit: number }): Promise<InviteRow[]> {
  return many<InviteRow>(db, {
    name: "invite_list",
    text: `select i.id, i.note, maker.login as "createdBy", i.created_at as "createdAt", i.expires_at as "expiresAt",
        i.used_at as "usedAt", guest.login as "usedBy"
      from account.invite i left join account."user" maker on maker.id = i.created_by left join account."user" guest on guest.id = i.used_by
      where $1::uuid is null or i.id < $1 order by i.id desc limit $2`,
    values: [after, limit],
  });
}

/** Takes back an invite that nobody has used. */
export function deleteInvite(db: Db, id: string): Promise<number> {
  return run(db, {
    name: "invite_delete",
    text: `delete from account.invite where id = $1 and used_at is null`,
    values: [id],
  });
}

/** Forgets invites that expired that long ago, used or not. */
export function deleteOldInvites(db: Db, { afterDays }: { afterDays: number }): Promise<number> {
  return run(db, {
    name: "invite_delete_old",
    text: `delete from account.invite where expires_at < now() - make_interval(days => $1)`,
    values: [afterDays],
  });
}
