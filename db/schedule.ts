import { type Db, many, one, run } from "./query.ts";

type Schedule = { id: string; at: Date; userId: string; expiresSeconds: number };

/** Has a draft published by itself at a time, or at another than before; until then it does not expire. 0 when it is no draft. */
export function schedulePublishing(tx: Db, { id, at, userId, expiresSeconds }: Schedule): Promise<number> {
  return run(tx, {
    name: "version_schedule_publishing",
    text: `update pack.version set publish_at = $2::timestamptz, publish_by = $3, expires_at = greatest(expires_at, $2::timestamptz + make_interval(secs => $4)),
        revision = revision + 1, updated_at = now() where id = $1 and state = 'draft'`,
    values: [id, at, userId, expiresSeconds],
  });
}

/** Takes that back. 0 when it is not scheduled, or its time has come. */
export function cancelPublishing(tx: Db, id: string): Promise<number> {
  return run(tx, {
    name: "version_cancel_publishing",
    text: `update pack.version set publish_at = null, publish_by = null, revision = revision + 1, updated_at = now()
      where id = $1 and state = 'draft' and publish_at is not null`,
    values: [id],
  });
}

/** Drafts whose time has come, by the database's clock. */
export async function listDuePublishing(db: Db, limit: number): Promise<string[]> {
  const rows = await many<{ id: string }>(db, {
    name: "version_list_due",
    text: `select v.id from pack.version v join pack.pack p on p.id = v.pack_id and p.deleted_at is null
      where v.state = 'draft' and v.publish_at is not null and v.publish_at <= now() order by v.publish_at limit $1`,
    values: [limit],
  });
  return rows.map(({ id }) => id);
}

/** A draft whose time has come. `mayPublish`: whether who has scheduled it still works on the pack. */
export type DueVersion = { id: string; packId: string; publishBy: string | null; mayPublish: boolean };

/** Locks a draft whose time has come until the transaction ends. Undefined when somebody else has it, or was first. */
export function lockDueVersion(tx: Db, id: string): Promise<DueVersion | undefined> {
  return one<DueVersion>(tx, {
    name: "version_lock_due",
    text: `select v.id, v.pack_id as "packId", v.publish_by as "publishBy", coalesce((
        select u.disabled_at is null and u.deleted_at is null and pack.role_of(p, u.id, u.roles) is not null
          from account."user" u where u.id = v.publish_by), false) as "mayPublish"
      from pack.version v join pack.pack p on p.id = v.pack_id and p.deleted_at is null
      where v.id = $1 and v.state = 'draft' and v.publish_at <= now() for no key update of v skip locked`,
    values: [id],
  });
}
