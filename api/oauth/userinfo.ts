import { Elysia } from "elysia";
import { findSession } from "../../db/session.ts";
import type { Api } from "../api.ts";
import { callers, requireCaller } from "../caller.ts";
import type { Caller } from "../tokens.ts";
import { describePerson } from "./claims.ts";
import { UserInfoDocument } from "./model.ts";
import { forPages } from "./refusal.ts";

const preflight = {
  ...forPages,
  "access-control-allow-headers": "authorization",
  "access-control-allow-methods": "GET, POST",
  "access-control-max-age": "600",
};

/** Who a token's user is, for its client (OpenID Connect Core 1.0, 5.3), by GET or POST. Needs the scope openid. */
export function userinfo(api: Api) {
  return (
    new Elysia({ tags: ["oauth"] })
      // Refusals too.
      .derive(({ set }) => {
        Object.assign(set.headers, forPages);
        return {};
      })
      .use(callers(api))
      .get("/oauth/userinfo", ({ caller }) => answer(requireCaller(caller)), { detail: UserInfoDocument })
      .post("/oauth/userinfo", ({ caller }) => answer(requireCaller(caller)), { detail: { hide: true } })
      .options("/oauth/userinfo", () => new Response(null, { status: 204, headers: preflight }), {
        detail: { hide: true },
      })
  );

  async function answer({ userId, scopes, sessionId }: Caller): Promise<Response> {
    const session = sessionId === null ? undefined : await findSession(api.db, sessionId);
    const claims = await describePerson(api, { userId, scopes, playerId: session?.playerId ?? null });
    return Response.json(claims, { headers: { "cache-control": "private, no-store" } });
  }
}
