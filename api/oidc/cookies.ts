import { isSameSecret } from "../../digest.ts";
import { makeSecret } from "../../keys.ts";
import type { Api } from "../api.ts";

export type Cookie = { name: string; path: string; sameSite: "Lax" | "Strict"; maxAgeSeconds: number };
type Public = Pick<Api, "publicUrl">;

/** Stands for one browser while sign-ins are under way: the provider sends it back with a link, hence Lax. */
const binding: Cookie = { name: "sunduk_flow", path: "/v1", sameSite: "Lax", maxAgeSeconds: 3_600 };
/** Stands for a session that our own page may fetch once, or that answers one question on /device. */
const handover: Cookie = { name: "sunduk_handover", path: "/", sameSite: "Strict", maxAgeSeconds: 300 };

/** With https the browser keeps a cookie to this host and to https (RFC 6265bis, 4.1.3.2); plain http has no such name. */
function nameOf({ publicUrl }: Public, cookie: Cookie): string {
  return publicUrl().startsWith("https://") ? `__Host-${cookie.name}` : cookie.name;
}

/** A Set-Cookie header; an empty value removes the cookie. */
export function writeCookie(api: Public, cookie: Cookie, value: string): string {
  const where = api.publicUrl().startsWith("https://") ? "Path=/; Secure" : `Path=${cookie.path}`;
  const maxAgeSeconds = value === "" ? 0 : cookie.maxAgeSeconds;
  return `${nameOf(api, cookie)}=${value}; ${where}; HttpOnly; SameSite=${cookie.sameSite}; Max-Age=${maxAgeSeconds}`;
}

export function readCookie(api: Public, cookie: Cookie, request: Request): string | undefined {
  const prefix = `${nameOf(api, cookie)}=`;
  const pairs = (request.headers.get("cookie") ?? "").split(";").map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(prefix))?.slice(prefix.length);
}

/** What a browser is recognised by: the same for all its tabs, 256 random bits. */
export function readBinding(api: Public, request: Request): string | undefined {
  const value = readCookie(api, binding, request);
  return value !== undefined && /^[\w-]{43}$/.test(value) ? value : undefined;
}

/** The browser's binding, made anew when it has none, and the Set-Cookie header that keeps it. */
export function bindBrowser(api: Public, request: Request): { value: string; cookie: string } {
  const value = readBinding(api, request) ?? makeSecret();
  return { value, cookie: writeCookie(api, binding, value) };
}

/** The Set-Cookie header with which a page of ours fetches the tokens of a session, within five minutes. */
export function writeHandover(api: Pick<Api, "publicUrl" | "seal">, sessionId: string): string {
  return writeCookie(api, handover, `${sessionId}.${api.seal.derive("handover", sessionId)}`);
}

/** The session of such a cookie, when we made it. */
export function readHandover(api: Pick<Api, "publicUrl" | "seal">, request: Request): string | undefined {
  const [, sessionId = "", mac = ""] =
    /^([0-9a-f-]{36})\.([\w-]{43})$/.exec(readCookie(api, handover, request) ?? "") ?? [];
  if (mac === "") return undefined;
  return isSameSecret(mac, api.seal.derive("handover", sessionId)) ? sessionId : undefined;
}

/** The Set-Cookie header that removes it. */
export function clearHandover(api: Public): string {
  return writeCookie(api, handover, "");
}
