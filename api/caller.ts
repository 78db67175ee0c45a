import { Elysia } from "elysia";
import type { Reader } from "../db/blob.ts";
import { Fault } from "../fault.ts";
import { currentTrace } from "../trace.ts";
import { type AccessTokens, isOpaque } from "./access-tokens.ts";
import type { Revocations } from "./revocations.ts";
import { requireScope } from "./scopes.ts";
import type { Caller, Tokens } from "./tokens.ts";

/** Tells who sends a request: nobody (null), or a caller whose token was neither forged nor revoked. */
export type Identify = (request: Request) => Promise<Caller | null>;

type Identities = { tokens: Tokens; revocations: Revocations; accessTokens: AccessTokens };

/** Gives handlers `caller`: who calls, or null. A token that is not good is 401, never somebody unknown. */
export function callers({ identify }: { identify: Identify }) {
  return new Elysia({ name: "callers" })
    .resolve(async ({ request }) => {
      const caller = await identify(request);
      const trace = currentTrace();
      if (caller && trace) trace.caller = caller.userId;
      return { caller };
    })
    .as("scoped");
}

/**
 * Reads `Authorization: Bearer …`, or the `token` header of launchers that cannot send it. A token is believed only while
 * this process knows of all revocations, and these are looked at after the last await.
 */
export function openIdentify({ tokens, revocations, accessTokens }: Identities): Identify {
  return async (request) => {
    const token = readToken(request);
    if (token === null) return null;
    const caller = token && (isOpaque(token) ? await accessTokens.read(token) : await tokens.readAccess(token));
    // Asked again after each wait: between a renewal and here the process may have been frozen.
    for (let renewal = revocations.lease(); renewal; renewal = revocations.lease()) await renewal;
    if (!caller || revocations.isRevoked(caller)) {
      throw new Fault(
        "not-signed-in",
        "Cannot accept the token: it is expired, ended, or not one of ours. Sign in again",
        { extra: { reason: "invalid-token" } },
      );
    }
    requireScope(caller, request);
    return limitRoles(caller);
  };
}

/** A token that was not given the scope admin does nothing as an admin or operator, whoever made it. */
function limitRoles(caller: Caller): Caller {
  const { scopes, roles } = caller;
  if (scopes === null || scopes.includes("admin") || !roles.some(isStaff)) return caller;
  return { ...caller, roles: roles.filter((role) => !isStaff(role)) };
}

const isStaff = (role: string) => role === "admin" || role === "ops";

/** The token of a request: null when it has none, empty when it is not of the form that we accept. */
function readToken(request: Request): string | null {
  const header = request.headers.get("authorization");
  if (header !== null) return /^Bearer ([\w.~+/=-]+)$/i.exec(header)?.[1] ?? "";
  return request.headers.get("token");
}

/** The caller, or 401. */
export function requireCaller(caller: Caller | null): Caller {
  if (!caller) throw new Fault("not-signed-in", "Sign in first: this needs an account");
  return caller;
}

/** The caller when he has one of these roles, or 401, or 403. */
export function requireRole(caller: Caller | null, ...roles: string[]): Caller {
  const signedIn = requireCaller(caller);
  if (!roles.some((role) => signedIn.roles.includes(role)))
    throw new Fault("not-allowed", `Not allowed: this is for ${roles.join(" and ")}`);
  return signedIn;
}

/** A caller as queries take him. */
export function toReader(caller: Caller | null): Reader {
  return { userId: caller?.userId ?? null, roles: caller?.roles ?? [] };
}
