import { insertRevocation, type Revocation } from "../../db/revocation.ts";
import { saveServiceUser } from "../../db/service-user.ts";
import { findSession } from "../../db/session.ts";
import { findGameToken } from "../../db/yggdrasil.ts";
import { hashToken } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import { accessTokenPrefix, gameTokenPrefix } from "../access-tokens.ts";
import type { Api } from "../api.ts";
import { type OpenSession, type Origin, openSession, refreshSession, revokeSessions } from "../sessions/service.ts";
import { type Client, pickScopes } from "./clients.ts";
import { isRefreshable, type Redeemed, redeemAuthorizationCode } from "./code.ts";
import { redeemDeviceCode } from "./device.ts";
import { type Form, need } from "./form.ts";
import { deviceGrantType } from "./metadata.ts";
import { refuse } from "./refusal.ts";

type Asked = { client: Client; form: Form; origin: Origin };
/** A service gets no refresh token: it has its secret (RFC 6749, 4.4.3). */
export type Granted = Redeemed & { refreshable: boolean };

/** Exchanges what a client was given for tokens (RFC 6749, 5; RFC 8628, 3.4). */
export async function grantTokens(api: Api, asked: Asked): Promise<Granted> {
  const type = need(asked.form, "grant_type");
  if (type === "authorization_code") return asOpenId(await redeemAuthorizationCode(api, asked));
  if (type === deviceGrantType) return asOpenId(await redeemDeviceCode(api, asked));
  if (type === "refresh_token") return { ...(await refreshGrant(api, asked)), refreshable: true };
  if (type === "client_credentials")
    return { session: await serviceGrant(api, asked), ...unknownSignIn, refreshable: false };
  throw refuse(
    "unsupported_grant_type",
    `Cannot grant tokens: ask with authorization_code, ${deviceGrantType} or refresh_token`,
  );
}

const unknownSignIn = { nonce: null, authenticatedAt: null, playerId: null };

function asOpenId(redeemed: Redeemed): Granted {
  return { ...redeemed, refreshable: isRefreshable(redeemed.session.scopes) };
}

/** The same successor as POST /v1/auth/refresh gives, for the client that the session belongs to (RFC 6749, 6). */
async function refreshGrant(api: Api, { client, form }: Asked): Promise<Redeemed> {
  const token = need(form, "refresh_token");
  const parsed = api.tokens.parseRefresh(token);
  const before = parsed && (await findSession(api.db, parsed.sessionId));
  if (!before || before.clientId !== client.id)
    throw refuse("invalid_grant", "Cannot go on with this session: sign in again");
  const scopes = pickScopes(form.get("scope"), before.scopes ?? []);
  try {
    const { authenticatedAt, playerId } = before;
    const session = await refreshSession(api, token);
    const left = scopes.filter((scope) => session.scopes?.includes(scope));
    return { session: { ...session, scopes: left }, nonce: null, authenticatedAt, playerId };
  } catch (error) {
    if (error instanceof Fault && error.code === "not-signed-in") throw refuse("invalid_grant", error.message);
    throw error;
  }
}

/**
 * Signs a service in as the user that it is, "service:NAME", for ten minutes (RFC 6749, 4.4). So its tokens are revoked,
 * its calls logged and its things owned like anybody's. Nobody can register such a login, and it has no password.
 */
async function serviceGrant(api: Api, { client, form, origin }: Asked): Promise<OpenSession> {
  const { service, id, name } = client;
  if (!service) throw refuse("unauthorized_client", "Cannot grant tokens: this client signs people in");
  const scopes = pickScopes(form.get("scope"), client.scopes);
  const login = `service:${id}`;
  const { session, revoked } = await api.db.transaction(async (tx) => {
    const user = await saveServiceUser(tx, { id: Bun.randomUUIDv7(), login, name, roles: service.roles });
    if (!user?.held) throw refuse("invalid_client", "Cannot grant tokens: an admin has disabled this service");
    const revocation: Revocation = { kind: "user", subject: user.id, ver: user.ver };
    if (user.changed) await insertRevocation(tx, revocation);
    const session = await openSession(
      { db: tx, tokens: api.tokens },
      { user, origin: { ...origin, kind: "service", clientId: id, scopes, fresh: false } },
    );
    return { session, revoked: user.changed ? revocation : undefined };
  });
  if (revoked) api.revocations.tell(revoked);
  return session;
}

/** Ends the session of a refresh or an access token, everywhere (RFC 7009, 2). A token that holds no longer is no failure. */
export async function revokeToken(api: Api, { client, form }: Pick<Asked, "client" | "form">): Promise<void> {
  const token = need(form, "token");
  if (token.startsWith(accessTokenPrefix))
    throw refuse("unsupported_token_type", "Cannot revoke it here: delete a personal access token in /v1/me/tokens");
  const parsed = api.tokens.parseRefresh(token);
  const ofGame = token.startsWith(gameTokenPrefix) ? await findGameToken(api.db, hashToken(token)) : undefined;
  const sessionId = parsed?.sessionId ?? ofGame?.sessionId ?? (await api.tokens.readAccess(token))?.sessionId;
  const session = sessionId ? await findSession(api.db, sessionId) : undefined;
  if (!session || (parsed && !api.tokens.isRefreshGenuine(parsed, session.salt))) return;
  if (session.clientId !== null && session.clientId !== client.id)
    throw refuse("invalid_grant", "Cannot revoke the token: it was given to another client");
  await revokeSessions(api, { userId: session.userId, reason: "revoked by its client", only: session.id });
}
