import { Elysia } from "elysia";
import { insertActivity } from "../../db/activity.ts";
import { findSession, type ListedSession, listSessions } from "../../db/session.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import { readSessionCookie } from "../ops/operators.ts";
import type { Caller } from "../tokens.ts";
import { Ended, EndQuery, type Session, SessionParams, Sessions, VerifyQuery } from "./model.ts";
import { requireFreshCaller, revokeSessions } from "./service.ts";

/** A user's own sessions, and the question of a gateway whether somebody may pass. */
export function sessions(api: Api) {
  return new Elysia({ prefix: "/v1/auth", tags: ["sessions"] })
    .use(callers(api))
    .get(
      "/sessions",
      async ({ caller, set }) => {
        set.headers["cache-control"] = "private, no-store";
        const { userId, sessionId } = requireCaller(caller);
        return { items: (await listSessions(api.db, userId)).map((row) => describeSession(row, sessionId)) };
      },
      { response: { 200: Sessions }, detail: { summary: "Your sessions, and for 90 days those that have ended" } },
    )
    .delete("/sessions/current", async ({ caller }) => ({ ended: await end(requireSession(caller), "current") }), {
      response: { 200: Ended },
      detail: { summary: "Sign out, everywhere at once" },
    })
    .delete(
      "/sessions/:id",
      async ({ params, caller }) => {
        const signedIn = requireCaller(caller);
        // Whoever found a device that is still signed in must not be able to lock its owner out of the others.
        if (params.id !== signedIn.sessionId) await requireFreshCaller(api, signedIn);
        const ended = await end(signedIn, params.id);
        if (ended === 0) throw new Fault("not-found", "There is no such session of yours that still holds");
        return { ended };
      },
      { params: SessionParams, response: { 200: Ended }, detail: { summary: "End one of your sessions" } },
    )
    .delete(
      "/sessions",
      async ({ query, caller }) => {
        const signedIn = requireCaller(caller);
        await requireFreshCaller(api, signedIn);
        const { userId, sessionId } = signedIn;
        const except = query.except === "current" && sessionId !== null ? { except: sessionId } : {};
        return { ended: await revokeSessions(api, { userId, reason: "ended by its user", ...except }) };
      },
      { query: EndQuery, response: { 200: Ended }, detail: { summary: "End all your sessions, or all but this one" } },
    )
    .get(
      "/verify",
      async ({ query, caller, request }) => {
        const { userId, login, roles } = await findVisitor(request, caller);
        const wanted = query.role;
        if (wanted !== undefined && !roles.includes(wanted) && !roles.includes("admin"))
          throw new Fault("not-allowed", `Not allowed: this is for the role ${wanted}`);
        const headers = {
          "x-user-id": userId,
          "x-user-login": login,
          "x-user-roles": roles.join(","),
          "cache-control": "no-store",
        };
        return new Response(null, { status: 204, headers });
      },
      {
        query: VerifyQuery,
        detail: { summary: "For a gateway's auth_request: 204 with who it is, 401, or 403 without the role" },
      },
    );

  async function end({ userId, sessionId }: Caller, which: string): Promise<number> {
    const only = which === "current" ? (sessionId ?? "") : which;
    const reason = which === "current" ? "signed out" : "ended by its user";
    const ended = await revokeSessions(api, { userId, reason, only });
    if (ended > 0 && which === "current") await insertActivity(api.db, { userId, kind: "signed-out" });
    return ended;
  }

  /** By token, or by the cookie of a page that an operator signed in on. */
  async function findVisitor(
    request: Request,
    caller: Caller | null,
  ): Promise<{ userId: string; login: string; roles: string[] }> {
    if (caller) return caller;
    const sessionId = readSessionCookie(api, request);
    const session = sessionId === undefined ? undefined : await findSession(api.db, sessionId);
    if (!session) throw new Fault("not-signed-in", "Sign in first: this needs an account");
    return session;
  }
}

function requireSession(caller: Caller | null): Caller {
  const signedIn = requireCaller(caller);
  if (signedIn.sessionId === null)
    throw new Fault("conflict", "Cannot sign out: this is a personal access token. Delete it instead");
  return signedIn;
}

function describeSession(row: ListedSession, current: string | null): Session {
  return {
    id: row.id,
    kind: row.kind,
    device: row.device,
    address: row.address,
    client: row.clientId,
    scopes: row.scopes,
    current: row.id === current,
    createdAt: row.createdAt.toISOString(),
    usedAt: row.usedAt.toISOString(),
    expiresAt: row.expiresAt.toISOString(),
    ...(row.endedAt && { endedAt: row.endedAt.toISOString() }),
    ...(row.endedReason !== null && { endedReason: row.endedReason }),
  };
}
