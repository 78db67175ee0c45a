import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { insertActivity } from "../../db/activity.ts";
import { deleteFollow, type FollowKind, findFollowable, insertFollow, listFollows } from "../../db/follow.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { toReader } from "../caller.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import type { Follow } from "./model.ts";

/** So many things may one person follow. */
const most = 2_000;
const Cursor = t.Tuple([CursorId]);

type Parts = Pick<Deps, "db">;
type Which = { caller: Caller; kind: FollowKind; id: string };

/** Follows what the caller may see; what he follows already, or himself, he goes on with as before. */
export async function follow({ db }: Parts, { caller, kind, id }: Which): Promise<void> {
  const named = toNamed({ kind, id });
  const subject = await findFollowable(db, { ...named, reader: toReader(caller) });
  if (!subject) throw new Fault("not-found", `There is no ${kind} "${id}" that you may see`);
  if (subject.organizerId === caller.userId) throw new Fault("invalid", "Cannot follow yourself");
  await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    const { userId } = caller;
    if ((await insertFollow(tx, { userId, subject, most })) > 0)
      return insertActivity(tx, { userId, kind: "followed", subject: `${kind} ${id}` });
    const list = await listFollows(tx, { reader: toReader(caller), before: null, limit: most });
    if (!list.some((row) => row.kind === kind && row.subject === id))
      throw new Fault("quota-exceeded", `Cannot follow more than ${most}: let something go first`);
  });
}

/** Follows no longer, whether he did or not. */
export async function unfollow({ db }: Parts, { caller, kind, id }: Which): Promise<void> {
  await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    const gone = await deleteFollow(tx, { followerId: caller.userId, ...toNamed({ kind, id }) });
    if (gone > 0) await insertActivity(tx, { userId: caller.userId, kind: "unfollowed", subject: `${kind} ${id}` });
  });
}

/** What the caller follows and may see, newest first. */
export async function pageFollows(
  { db }: Parts,
  { caller, limit = 50, cursor }: { caller: Caller; limit?: number; cursor?: string },
): Promise<{ items: Follow[]; nextCursor: string | null }> {
  const rows = await listFollows(db, {
    reader: toReader(caller),
    before: readCursor(cursor, Cursor)?.[0] ?? null,
    limit: limit + 1,
  });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows
      .slice(0, limit)
      .map(({ kind, subject, name, createdAt }) => ({ kind, id: subject, name, since: createdAt.toISOString() })),
    nextCursor: last ? writeCursor([last.id]) : null,
  };
}

function toNamed({ kind, id }: Omit<Which, "caller">) {
  if (kind !== "organizer") return { kind, slug: id, userId: null };
  return { kind, slug: null, userId: Value.Check(CursorId, id) ? id : null };
}
