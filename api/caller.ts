import { Elysia } from "elysia";
import type { Reader } from "../db/blob.ts";
import { Fault } from "../fault.ts";
import type { Caller, Tokens } from "./tokens.ts";

/** Gives handlers `caller`: who calls, or null. A token that is not good is 401, never somebody unknown. */
export function callers(tokens: Tokens) {
  return new Elysia({ name: "callers" })
    .resolve(async ({ request }) => ({ caller: await findCaller(request, tokens) }))
    .as("scoped");
}

export async function findCaller(request: Request, tokens: Tokens): Promise<Caller | null> {
  const header = request.headers.get("authorization");
  if (header === null) return null;
  const token = /^Bearer ([\w.~+/=-]+)$/i.exec(header)?.[1];
  const caller = token && (await tokens.readAccess(token));
  if (!caller)
    throw new Fault("not-signed-in", "Cannot accept the token: it is expired or not one of ours. Sign in again");
  return caller;
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
