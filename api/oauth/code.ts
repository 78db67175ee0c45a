import { findUser } from "../../db/account.ts";
import { findCodeSession, insertCode, redeemCode, updateCodeSession } from "../../db/authorization-code.ts";
import { hashToken } from "../../digest.ts";
import { makeSecret } from "../../keys.ts";
import type { Api } from "../api.ts";
import { type OpenSession, type Origin, openSession, revokeSessions } from "../sessions/service.ts";
import { accessLifetimeSeconds } from "../tokens.ts";
import { clientTokenSeconds } from "../yggdrasil/client-token.ts";
import type { AuthorizeRequest } from "./authorize-request.ts";
import type { Client } from "./clients.ts";
import { type Form, need } from "./form.ts";
import { refuse } from "./refusal.ts";

const codeSeconds = 60;

/** What a client gets of a sign-in: a session, and what only its first ID token says. */
export type Redeemed = {
  session: OpenSession;
  nonce: string | null;
  authenticatedAt: Date | null;
  playerId: string | null;
};

/** A code for a client, good once within a minute; undefined when the browser's session has ended meanwhile. */
export async function issueCode(
  api: Pick<Api, "db">,
  { asked, browserSessionId, playerId }: { asked: AuthorizeRequest; browserSessionId: string; playerId: string | null },
): Promise<string | undefined> {
  const code = makeSecret();
  const { client, redirectUri, challenge, nonce = null, scopes } = asked;
  const count = await insertCode(api.db, {
    codeHash: hashToken(code),
    clientId: client.id,
    redirectUri,
    challenge,
    nonce,
    scopes,
    playerId,
    browserSessionId,
    lifetimeSeconds: codeSeconds,
  });
  return count === 0 ? undefined : code;
}

/** How long a client's session lasts, undefined: as usual. Without a refresh token nobody goes on with it (OpenID Connect Core 1.0, 11). */
export function lifetimeOf(scopes: readonly string[]): number | undefined {
  if (isRefreshable(scopes)) return undefined;
  return joinsServers(scopes) ? clientTokenSeconds : accessLifetimeSeconds;
}

/** Whether the access token is one of games, which join servers with it. */
export function joinsServers(scopes: readonly string[] | null): boolean {
  return scopes?.includes("Yggdrasil.Server.Join") ?? false;
}

/** OpenID clients ask for a refresh token; plain OAuth ones have always got one. */
export function isRefreshable(scopes: readonly string[] | null): boolean {
  return scopes === null || !scopes.includes("openid") || scopes.includes("offline_access");
}

type Asked = { client: Client; form: Form; origin: Origin };

/**
 * The session of a code (RFC 6749, 4.1.3; RFC 7636, 4.6), once. A code that comes a second time was stolen, or its tokens were:
 * the session of the first time ends (4.1.2).
 */
export async function redeemAuthorizationCode(api: Api, { client, form, origin }: Asked): Promise<Redeemed> {
  if (client.service) throw refuse("unauthorized_client", "Cannot sign people in: this client is a service");
  const codeHash = hashToken(need(form, "code"));
  const redirectUri = need(form, "redirect_uri");
  const verifier = need(form, "code_verifier");
  if (!/^[\w.~-]{43,128}$/.test(verifier))
    throw refuse("invalid_request", "Cannot sign in: code_verifier is not of 43 to 128 letters");
  const challenge = new Bun.CryptoHasher("sha256").update(verifier).digest("base64url");
  const redeemed = await api.db.transaction(async (tx): Promise<Redeemed | undefined> => {
    const code = await redeemCode(tx, { codeHash, clientId: client.id, redirectUri, challenge });
    const user = code && (await findUser(tx, code.userId));
    if (!code || !user) return undefined;
    const { scopes, nonce, playerId, authenticatedAt } = code;
    const { id, login, roles, ver } = user;
    const lifetimeSeconds = lifetimeOf(scopes);
    const session = await openSession(
      { db: tx, tokens: api.tokens },
      {
        user: { id, login, roles, ver },
        origin: {
          ...origin,
          kind: "launcher",
          clientId: client.id,
          scopes,
          fresh: false,
          authenticatedAt,
          ...(playerId !== null && { playerId }),
          ...(lifetimeSeconds !== undefined && { lifetimeSeconds }),
        },
      },
    );
    await updateCodeSession(tx, { codeHash, sessionId: session.sessionId });
    return { session, nonce, authenticatedAt, playerId };
  });
  if (redeemed) return redeemed;
  const before = await findCodeSession(api.db, { codeHash, clientId: client.id });
  if (before)
    await revokeSessions(api, { userId: before.userId, reason: "its code was used again", only: before.sessionId });
  throw refuse("invalid_grant", "Cannot sign in: the code is unknown, expired, used, or was given for another request");
}
