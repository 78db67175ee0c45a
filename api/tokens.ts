import { createHmac, timingSafeEqual } from "node:crypto";
import { type Static, Type as t } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { createLocalJWKSet, importJWK, type JWK, jwtVerify } from "jose";
import type { Keys } from "../keys.ts";

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
export const accessType = "at+jwt";

const Claims = t.Object({
  sub: t.String(),
  sid: t.String(),
  login: t.String(),
  roles: t.Array(t.String()),
  ver: t.Integer(),
  scopes: t.Optional(t.Array(t.String())),
  exp: t.Number(),
});
const maxRemembered = 20_000;
const maxTokenLength = 4_096;

export type Tokens = {
  /** The public keys, as /.well-known/jwks.json shows them. */
  publicKeys: { keys: JWK[] };
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

/** Verifies access tokens: Ed25519 only, whatever the header asks for. A verified token is remembered until it expires. */
export async function openTokens({ signingKey, tokenSecret }: Keys): Promise<Tokens> {
  const publicKey = toPublic(signingKey);
  const keySet = createLocalJWKSet({ keys: [publicKey] });
  const claims = TypeCompiler.Compile(Claims);
  const remembered = new Map<string, { caller: Caller; expiresAt: number }>();
  const mac = (sessionId: string, counter: number, salt: string) =>
    createHmac("sha256", tokenSecret).update(`refresh.${sessionId}.${counter}.${salt}`).digest("base64url");
  const cookieMac = (sessionId: string) =>
    createHmac("sha256", tokenSecret).update(`cookie.${sessionId}`).digest("base64url");
  await importJWK(signingKey, "EdDSA"); // fails now rather than at the first sign-in
  return {
    publicKeys: { keys: [publicKey] },
    readAccess: async (token) => {
      if (token.length > maxTokenLength) return undefined;
      const known = remembered.get(token);
      if (known) return known.expiresAt > Date.now() ? known.caller : undefined;
      const verified = await jwtVerify(token, keySet, {
        algorithms: ["EdDSA"],
        issuer,
        audience,
        typ: accessType,
        requiredClaims: ["exp"],
      }).catch(() => undefined);
      if (!verified || !claims.Check(verified.payload)) return undefined;
      const { sub, sid, login, roles, ver, scopes, exp }: Static<typeof Claims> = verified.payload;
      if (remembered.size >= maxRemembered)
        for (const old of [...remembered.keys()].slice(0, maxRemembered / 4)) remembered.delete(old);
      const caller: Caller = { userId: sub, login, roles, ver, sessionId: sid, tokenId: null, scopes: scopes ?? null };
      remembered.set(token, { caller, expiresAt: exp * 1000 });
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
        !/^\d{1,9}$/.test(counter)
      )
        return undefined;
      return { sessionId, counter: Number(counter), mac: given };
    },
    isRefreshGenuine: (parsed, salt) => isSame(parsed.mac, mac(parsed.sessionId, parsed.counter, salt)),
    makeCookie: (sessionId) => `${sessionId}.${cookieMac(sessionId)}`,
    readCookie: (value) => {
      const [, sessionId = "", given = ""] = /^([0-9a-f-]{36})\.([\w-]{43})$/.exec(value) ?? [];
      return given !== "" && isSame(given, cookieMac(sessionId)) ? sessionId : undefined;
    },
  };
}

/** Compares in a time that does not depend on where they differ. */
function isSame(given: string, right: string): boolean {
  const [left, other] = [Buffer.from(given), Buffer.from(right)];
  return left.length === other.length && timingSafeEqual(left, other);
}

function toPublic({ kty, crv, x, kid }: JWK): JWK {
  return { ...(kty && { kty }), ...(crv && { crv }), ...(x && { x }), ...(kid && { kid }), alg: "EdDSA", use: "sig" };
}
