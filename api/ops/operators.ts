import { findSession } from "../../db/session.ts";
import { Fault } from "../../fault.ts";
import { requireSecondFactor } from "../accounts/second-factor.ts";
import { checkPassword } from "../accounts/service.ts";
import type { Api } from "../api.ts";
import { type Cookie, readCookie, writeCookie } from "../oidc/cookies.ts";
import { type Origin, openSession, revokeSessions } from "../sessions/service.ts";

/** Who may look behind the scenes. */
export type Operator = { userId: string; login: string; sessionId: string };

const operatorRoles = ["admin", "ops"];
const cookie: Cookie = { name: "sunduk_ops", path: "/ops", sameSite: "Strict", maxAgeSeconds: 12 * 3600 };

const isOperator = (roles: string[]) => roles.some((role) => operatorRoles.includes(role));

/**
 * The operator who calls, by bearer token or by cookie, as the rows of session and user say at this moment; undefined
 * when nobody is signed in. Throws `Fault("not-allowed")` for everybody else's sessions.
 */
export async function findOperator(api: Api, request: Request): Promise<Operator | undefined> {
  const caller = await api.identify(request);
  const sessionId = caller?.sessionId ?? readSessionCookie(api, request);
  const session = sessionId === undefined ? undefined : await findSession(api.db, sessionId);
  if (!session) {
    if (caller) throw new Fault("not-signed-in", "Cannot accept the token: its session has ended. Sign in again");
    return undefined;
  }
  if (!isOperator(session.roles)) throw new Fault("not-allowed", "Not allowed: this is for admins and operators");
  return { userId: session.userId, login: session.login, sessionId: session.id };
}

/** Signs an operator in for 12 hours and answers the Set-Cookie header. 401 for a wrong password or code, 403 without the role. */
export async function signInOperator(
  api: Api,
  { code, ...given }: { login: string; password: string; code: string },
  origin: Origin,
): Promise<string> {
  const user = await checkPassword(api, given);
  if (!isOperator(user.roles)) throw new Fault("not-allowed", "Not allowed: this is for admins and operators");
  await requireSecondFactor(api, { user, code });
  const { sessionId } = await openSession(api, { user, origin: { ...origin, kind: "web" } });
  return writeCookie(api, cookie, api.tokens.makeCookie(sessionId));
}

/** Ends the session of a cookie and answers the Set-Cookie header that removes it. */
export async function signOutOperator(api: Api, request: Request): Promise<string> {
  const sessionId = readSessionCookie(api, request);
  const session = sessionId === undefined ? undefined : await findSession(api.db, sessionId);
  if (session) await revokeSessions(api, { userId: session.userId, reason: "signed out", only: session.id });
  return writeCookie(api, cookie, "");
}

/**
 * Refuses (403) what a page of somebody else may have sent: a request that changes something must come from our own
 * origin, by Origin or Sec-Fetch-Site (Fetch, 3.2; OWASP CSRF Prevention Cheat Sheet, "Verifying Origin").
 */
export function requireSameOrigin({ publicUrl, config }: Pick<Api, "publicUrl" | "config">, request: Request): void {
  if (request.method === "GET" || request.method === "HEAD") return;
  const origin = request.headers.get("origin");
  const { protocol, host } = new URL(request.url);
  // With https, a page that came over http under the same name is somebody else's: it may have been changed on its way.
  const direct = publicUrl().startsWith("https://") ? [] : [`${protocol}//${request.headers.get("host") ?? host}`];
  const own = [publicUrl(), ...config.PUBLIC_URL_ALIASES, ...direct];
  if (request.headers.get("sec-fetch-site") === "same-origin" || (origin !== null && own.includes(origin))) return;
  throw new Fault(
    "not-allowed",
    `Not allowed: this must be sent from a page of ${publicUrl()} (Origin: ${origin ?? "none"}). When people use another address, set PUBLIC_URL`,
  );
}

/** The session of the cookie that a request carries, when it is one that we made. */
export function readSessionCookie(api: Api, request: Request): string | undefined {
  const value = readCookie(api, cookie, request);
  return value === undefined ? undefined : api.tokens.readCookie(value);
}
