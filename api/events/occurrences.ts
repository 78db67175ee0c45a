import { Type as t } from "@sinclair/typebox";
import { listOccurrences } from "../../db/occurrence.ts";
import type { Deps } from "../../deps.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import type { Caller } from "../tokens.ts";
import { describeOccurrence } from "./describe.ts";
import { readRange } from "./search.ts";
import { getEvent } from "./service.ts";

const Cursor = t.Tuple([t.String({ pattern: "^\\d{4}-[0-9T:.-]+Z$" }), CursorId]);

type Asked = { caller: Caller | null; slug: string; from?: string; to?: string; limit?: number; cursor?: string };

/** When an event takes place, cancelled times too, in order; without `from` and `to` what is not over. */
export async function pageOccurrences({ db }: Pick<Deps, "db">, { caller, slug, limit = 50, cursor, ...range }: Asked) {
  const event = await getEvent({ db }, { slug, caller });
  const after = readCursor(cursor, Cursor) ?? null;
  const rows = await listOccurrences(db, { eventId: event.id, ...readRange(range), after, limit: limit + 1 });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows.slice(0, limit).map((row) => describeOccurrence(row, event.timeZone)),
    nextCursor: last ? writeCursor([last.startsAt.toISOString(), last.id]) : null,
  };
}
