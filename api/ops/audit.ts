import { Elysia, t } from "elysia";
import { type ActRow, auditActions, listActs } from "../../db/audit.ts";
import type { Api } from "../api.ts";
import { callers, requireRole } from "../caller.ts";
import { CursorId, linkNext, PageQuery, readCursor, writeCursor } from "../pages.ts";

const Time = t.String({ format: "date-time" });
const Act = t.Object({
  id: t.String(),
  at: Time,
  actor: t.Union([t.Object({ id: t.String(), login: t.String() }), t.Null()], {
    description: "null: an operator on the command line",
  }),
  via: t.Union([t.Literal("api"), t.Literal("board"), t.Literal("cli")]),
  operator: t.Optional(t.String({ description: "On the command line: his account on that machine" })),
  action: t.String(),
  subject: t.String({ description: "An id or a name" }),
  detail: t.Record(t.String(), t.Unknown()),
  traceId: t.Optional(t.String()),
});
const Acts = t.Object({ items: t.Array(Act), nextCursor: t.Union([t.String(), t.Null()]) });
const Query = t.Object(
  {
    ...PageQuery,
    actor: t.Optional(t.String({ format: "uuid", description: "Id of a user" })),
    action: t.Optional(t.Union(auditActions.map((action) => t.Literal(action)))),
    subject: t.Optional(t.String({ maxLength: 200 })),
    from: t.Optional(Time),
    to: t.Optional(Time),
  },
  { additionalProperties: false },
);
const Cursor = t.Tuple([CursorId]);

/** What was done by virtue of an office. Nobody changes it, and nobody but admins reads it. */
export function audit({ db, identify }: Pick<Api, "db" | "identify">) {
  return new Elysia({ prefix: "/v1/ops/audit", tags: ["ops"] }).use(callers({ identify })).get(
    "",
    async ({ query: { limit = 50, cursor, actor, action, subject, from, to }, caller, request, set }) => {
      requireRole(caller, "admin");
      const rows = await listActs(db, {
        actorId: actor ?? null,
        action: action ?? null,
        subject: subject ?? null,
        from: from ?? null,
        to: to ?? null,
        before: readCursor(cursor, Cursor)?.[0] ?? null,
        limit: limit + 1,
      });
      const last = rows.length > limit ? rows[limit - 1] : undefined;
      const nextCursor = last ? writeCursor([last.id]) : null;
      Object.assign(set.headers, linkNext(request, nextCursor));
      return { items: rows.slice(0, limit).map(describeAct), nextCursor };
    },
    { query: Query, response: { 200: Acts }, detail: { summary: "What admins and operators did, newest first" } },
  );
}

function describeAct(row: ActRow): typeof Act.static {
  const { id, actorId, login, via, operator, action, subject, detail, trace } = row;
  return {
    id,
    at: row.at.toISOString(),
    actor: actorId === null ? null : { id: actorId, login: login ?? "" },
    via,
    ...(operator !== null && { operator }),
    action,
    subject,
    detail,
    ...(trace !== null && { traceId: trace }),
  };
}
