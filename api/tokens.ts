import { createHmac } from "node:crypto";
import { type Static, Type as t } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { type JWK, jwtVerify } from "jose";
import { isSameSecret } from "../digest.ts";
import type { Keys } from "../keys.ts";
import { accessType, openAccessKeys } from "./access-keys.ts";

/** Who calls, as his token says. */
export type Caller = {
  userId: string;
  login: string;
  roles: string[];
  /** The user's counter of role changes when the token was made. */
  ver: number;
  /** Null for a personal access token. */
  sessionId: string | null;
  /** The personal access token. */
  tokenId: string | null;
  /** What the token is limited to; null: everything that its user may do. */
  scopes: string[] | null;
};

export const accessLifetimeSeconds = 600;
export const issuer = "sunduk";
export const audience = "sunduk-api";

/** Clocks of machines may differ by so much: for exp, nbf and iat. */
export const leewaySeconds = 30;

const Claims = t.Object({
  iss: t.Literal(issuer),
  aud: t.Literal(audience),
  sub: t.String(),
  sid: t.String(),
  jti: t.String(),
  login: t.String(),
  roles: t.Array(t.String()),
  ver: t.Integer(),
  scopes: t.Optional(t.Array(t.String())),
  iat: t.Integer(),
  exp: t.Integer(),
});
const maxRemembered = 20_000;
const maxTokenLength = 4_096;

export type Tokens = {
  /** The public keys, as /.well-known/jwks.json shows them. */
  publicKeys: () => { keys: JWK[] };
  /** The caller of a bearer token, or undefined when it is forged, expired or meant for something else. */
  readAccess: (token: string) => Promise<Caller | undefined>;
  /** `sid.n.mac`: n-th refresh token of a session (DESIGN: the row holds only salt and counter). */
  makeRefresh: (session: { id: string; salt: string; counter: number }) => string;
  parseRefresh: (token: string) => { sessionId: string; counter: number; mac: string } | undefined;
  isRefreshGenuine: (parsed: { sessionId: string; counter: number; mac: string }, salt: string) => boolean;
  /** `sid.mac`: the value of a cookie that stands for a session; the session's row decides whether it still holds. */
  makeCookie: (sessionId: string) => string;
  /** The session of a cookie that we made, or undefined. */
  readCookie: (value: string) => string | undefined;
};

/**
 * Verifies access tokens (RFC 8725): what a header asks for is never read, it must be, byte for byte, the header of one of
 * our keys. A verified token is remembered until it expires, or until the keys change.
 */
export function openTokens(keys: Keys): Tokens {
  const { tokenSecret } = keys;
  const accessKeys = openAccessKeys(keys);
  const claims = TypeCompiler.Compile(Claims);
  let remembered = new Map<string, { caller: Caller; expiresAt: number }>();
  accessKeys.onChange(() => {
    remembered = new Map();
  });
  const mac = (sessionId: string, counter: number, salt: string) =>
    createHmac("sha256", tokenSecret).update(`refresh.${sessionId}.${counter}.${salt}`).digest("base64url");
  const cookieMac = (sessionId: string) =>
    createHmac("sha256", tokenSecret).update(`cookie.${sessionId}`).digest("base64url");
  return {
    publicKeys: accessKeys.publicKeys,
    readAccess: async (token) => {
      if (token.length > maxTokenLength) return undefined;
      const key = accessKeys.find(token); // first: it notices changed keys
      const known = remembered.get(token);
      if (known) return known.expiresAt > Date.now() ? known.caller : undefined;
      if (!key) return undefined;
      const memory = remembered;
      const verified = await jwtVerify(token, key, {
        algorithms: ["EdDSA"],
        typ: accessType,
        clockTolerance: leewaySeconds,
      }).catch(() => undefined);
      if (!verified || !claims.Check(verified.payload)) return undefined;
      const { sub, sid, login, roles, ver, scopes, iat, exp }: Static<typeof Claims> = verified.payload;
      const now = Date.now();
      if (iat * 1000 > now + leewaySeconds * 1000 || exp - iat > accessLifetimeSeconds) return undefined;
      if (memory.size >= maxRemembered)
        for (const old of [...memory.keys()].slice(0, maxRemembered / 4)) memory.delete(old);
      const caller: Caller = { userId: sub, login, roles, ver, sessionId: sid, tokenId: null, scopes: scopes ?? null };
      memory.set(token, { caller, expiresAt: (exp + leewaySeconds) * 1000 });
      return caller;
    },
    makeRefresh: ({ id, salt, counter }) => `${id}.${counter}.${mac(id, counter, salt)}`,
    parseRefresh: (token) => {
      const [sessionId, counter, given, ...rest] = token.split(".");
      if (
        !sessionId ||
        !counter ||
        !given ||
        rest.length > 0 ||
        !/^[0-9a-f-]{36}$/.test(sessionId) ||
        !/^(0|[1-9]\d{0,8})$/.test(counter)
      )
        return undefined;
      return { sessionId, counter: Number(counter), mac: given };
    },
    isRefreshGenuine: (parsed, salt) => isSameSecret(parsed.mac, mac(parsed.sessionId, parsed.counter, salt)),
    makeCookie: (sessionId) => `${sessionId}.${cookieMac(sessionId)}`,
    readCookie: (value) => {
      const [, sessionId = "", given = ""] = /^([0-9a-f-]{36})\.([\w-]{43})$/.exec(value) ?? [];
      return given !== "" && isSameSecret(given, cookieMac(sessionId)) ? sessionId : undefined;
    },
  };
}
