import { Type as t } from "@sinclair/typebox";
import { Elysia } from "elysia";
import { deleteInvite, findInvite, type InviteRow, insertInvite, listInvites } from "../../db/invite.ts";
import type { Db } from "../../db/query.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { noteAct } from "../audit.ts";
import { callers, requireRole } from "../caller.ts";
import { CursorId, linkNext, PageQuery, readCursor, writeCursor } from "../pages.ts";
import { confirmCaller } from "../sessions/service.ts";

const Time = t.String({ format: "date-time" });
const Note = t.String({ maxLength: 200, description: "For whom it is; nobody else sees it" });
const NewInvite = t.Object(
  { note: t.Optional(Note), days: t.Optional(t.Integer({ minimum: 1, maximum: 365, default: 14 })) },
  { additionalProperties: false },
);
const Made = t.Object({
  id: t.String(),
  code: t.String({ description: "Good for one account; shown once" }),
  note: t.String(),
  expiresAt: Time,
});
const Invite = t.Object({
  id: t.String(),
  note: t.String(),
  createdBy: t.Union([t.String(), t.Null()], { description: "null: on the command line" }),
  createdAt: Time,
  expiresAt: Time,
  usedAt: t.Optional(Time),
  usedBy: t.Optional(t.String()),
});
const Invites = t.Object({ items: t.Array(Invite), nextCursor: t.Union([t.String(), t.Null()]) });
const Query = t.Object(PageQuery, { additionalProperties: false });
const Params = t.Object({ id: t.String({ format: "uuid" }) });
const Cursor = t.Tuple([CursorId]);

/** Codes with which somebody may register where registration is by invitation. For admins. */
export function invites(api: Api) {
  return new Elysia({ prefix: "/v1/invites", tags: ["accounts"] })
    .use(callers(api))
    .onBeforeHandle(({ caller, set }) => {
      set.headers["cache-control"] = "private, no-store";
      requireRole(caller, "admin");
    })
    .post(
      "",
      async ({ body: { note = "", days = 14 }, caller, request, status }) => {
        const admin = requireRole(caller, "admin");
        return status(
          201,
          await api.db.transaction(async (tx) => {
            await confirmCaller(tx, admin);
            const made = await makeInvite(tx, { note, lifetimeDays: days, createdBy: admin.userId });
            await noteAct(tx, { caller: admin, request }, { action: "invite.created", subject: made.id });
            return made;
          }),
        );
      },
      { body: NewInvite, response: { 201: Made }, detail: { summary: "Invite somebody: a code for one account" } },
    )
    .get(
      "",
      async ({ query: { limit = 50, cursor }, request, set }) => {
        const after = readCursor(cursor, Cursor)?.[0] ?? null;
        const rows = await listInvites(api.db, { after, limit: limit + 1 });
        const last = rows.length > limit ? rows[limit - 1] : undefined;
        const nextCursor = last ? writeCursor([last.id]) : null;
        Object.assign(set.headers, linkNext(request, nextCursor));
        return { items: rows.slice(0, limit).map(describeInvite), nextCursor };
      },
      {
        query: Query,
        response: { 200: Invites },
        detail: { summary: "Invites, newest first; codes are not shown again" },
      },
    )
    .delete(
      "/:id",
      async ({ params: { id }, caller, request, status }) => {
        const admin = requireRole(caller, "admin");
        await api.db.transaction(async (tx) => {
          await confirmCaller(tx, admin);
          if ((await deleteInvite(tx, id)) === 0)
            throw new Fault("not-found", "There is no such invite that nobody has used");
          await noteAct(tx, { caller: admin, request }, { action: "invite.deleted", subject: id });
        });
        return status(204, undefined);
      },
      { params: Params, detail: { summary: "Take back an invite that nobody has used" } },
    );
}

/** Letters and digits that cannot be mistaken for one another (Crockford's base 32): 100 bits in twenty. */
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

type Wanted = { note: string; lifetimeDays: number; createdBy: string | null };

/** Makes an invite; its code is in the answer and nowhere else. */
export async function makeInvite(db: Db, { note, lifetimeDays, createdBy }: Wanted): Promise<typeof Made.static> {
  const letters = [...crypto.getRandomValues(new Uint8Array(20))].map((byte) => alphabet[byte & 31]).join("");
  const code = letters.replace(/.{5}(?=.)/g, "$&-");
  const id = Bun.randomUUIDv7();
  const made = await insertInvite(db, { id, codeHash: hashInvite(code), note, createdBy, lifetimeDays });
  if (!made) throw new Error("the invite returned no row");
  return { id, code, note, expiresAt: made.expiresAt.toISOString() };
}

/** The hash of a code that may be used. 403 for any other, before anything costs much or tells which logins there are. */
export async function requireInvite(db: Db, code: string | undefined): Promise<string> {
  if (code === undefined)
    throw new Fault("not-allowed", "Cannot register: this needs an invite. Ask the operator for one", {
      extra: { reason: "invite" },
    });
  const codeHash = hashInvite(code);
  if (!(await findInvite(db, codeHash))) throw refusedInvite();
  return codeHash;
}

/** The fault of a code that is not good, whyever. */
export function refusedInvite(): Fault {
  return new Fault("not-allowed", "Cannot register: the invite is wrong, expired, or was used. Ask for another one", {
    extra: { reason: "invite" },
  });
}

/** Case, spaces and dashes do not count, and look-alikes are what they look like. */
function hashInvite(code: string): string {
  const plain = code.toUpperCase().replace(/[\s-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
  return hashToken(plain);
}

function describeInvite(row: InviteRow): typeof Invite.static {
  return {
    id: row.id,
    note: row.note,
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
    ...(row.usedAt && { usedAt: row.usedAt.toISOString() }),
    ...(row.usedBy !== null && { usedBy: row.usedBy }),
  };
}
