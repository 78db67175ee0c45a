import { Type as t } from "@sinclair/typebox";
import { listActivity } from "../../db/activity.ts";
import type { Deps } from "../../deps.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import type { Caller } from "../tokens.ts";
import type { Activities } from "./model.ts";

const Cursor = t.Tuple([CursorId]);

/** The caller's own history, newest first. */
export async function pageActivity(
  { db }: Pick<Deps, "db">,
  { caller, limit = 50, cursor }: { caller: Caller; limit?: number; cursor?: string },
): Promise<typeof Activities.static> {
  const rows = await listActivity(db, {
    userId: caller.userId,
    before: readCursor(cursor, Cursor)?.[0] ?? null,
    limit: limit + 1,
  });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows
      .slice(0, limit)
      .map(({ id, kind, subject, createdAt }) => ({ id, kind, subject, at: createdAt.toISOString() })),
    nextCursor: last ? writeCursor([last.id]) : null,
  };
}
