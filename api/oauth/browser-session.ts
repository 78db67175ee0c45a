import { type BrowserSessionRow, findBrowserSession } from "../../db/session.ts";
import { isSameSecret } from "../../digest.ts";
import type { Api } from "../api.ts";
import { type Cookie, clearHandover, readCookie, writeCookie } from "../oidc/cookies.ts";
import { type Origin, openSession, revokeSessions } from "../sessions/service.ts";
import { findVisitor } from "./visitor.ts";

/** A browser is not asked for the password again for so long. */
const lifetimeSeconds = 12 * 3600;

/** Clients send the browser here from their own sites, hence Lax: what changes anything is a form of ours. */
const cookie: Cookie = { name: "sunduk_browser", path: "/oauth", sameSite: "Lax", maxAgeSeconds: lifetimeSeconds };

/** Somebody who is signed in with this browser; `cookies` make it stay so. */
export type Browser = BrowserSessionRow & { cookies: string[] };

/** Who that is, by the cookie of a sign-in on our page, or of one through a provider a moment ago. */
export async function findBrowser(api: Api, request: Request): Promise<Browser | undefined> {
  const visitor = await findVisitor(api, request);
  const id = visitor?.sessionId ?? readOwnCookie(api, request);
  const session =
    id === undefined ? undefined : await findBrowserSession(api.db, { id, withinSeconds: lifetimeSeconds });
  return session && { ...session, cookies: visitor ? [writeOwnCookie(api, session.id), clearHandover(api)] : [] };
}

type SigningIn = { user: Parameters<typeof openSession>[1]["user"]; origin: Origin; before: Browser | undefined };

/** Signs a browser in: a new session each time, also for the same person, and the former one ends. */
export async function signInBrowser(api: Api, { user, origin, before }: SigningIn): Promise<Browser> {
  const {
    sessionId: id,
    userId,
    login,
  } = await openSession(api, {
    user,
    origin: { ...origin, kind: "web", lifetimeSeconds },
  });
  if (before) await revokeSessions(api, { userId: before.userId, reason: "signed in again", only: before.id });
  return { id, userId, login, ageSeconds: 0, cookies: [writeOwnCookie(api, id), clearHandover(api)] };
}

/** Signs it out. Answers the Set-Cookie header that removes its cookie. */
export async function signOutBrowser(api: Api, browser: Browser | undefined): Promise<string> {
  if (browser) await revokeSessions(api, { userId: browser.userId, reason: "signed out", only: browser.id });
  return writeCookie(api, cookie, "");
}

function writeOwnCookie(api: Api, sessionId: string): string {
  return writeCookie(api, cookie, `${sessionId}.${api.seal.derive("browser", sessionId)}`);
}

function readOwnCookie(api: Api, request: Request): string | undefined {
  const [, id = "", mac = ""] = /^([0-9a-f-]{36})\.([\w-]{43})$/.exec(readCookie(api, cookie, request) ?? "") ?? [];
  return mac !== "" && isSameSecret(mac, api.seal.derive("browser", id)) ? id : undefined;
}
