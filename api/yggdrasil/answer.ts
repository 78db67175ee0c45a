import type { Static, TSchema } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Fault, type FaultCode, hasCode } from "../../fault.ts";
import { readText, refusePrototype } from "../limits.ts";
import { faultOf } from "../problem.ts";

/** No request of a game is larger, apart from textures. */
const maxBodyBytes = 16 * 1024;
const forbidden = "ForbiddenOperationException";
/** What clients look for, to the letter (Yggdrasil server technical specification of authlib-injector, "Error responses"). */
const headers = { "content-type": "application/json; charset=utf-8", "cache-control": "no-store" };

/** A refusal as games understand it. */
function refuse(code: FaultCode, error: string, errorMessage: string): Fault {
  return new Fault(code, errorMessage, { extra: { error } });
}

export const invalidToken = () => refuse("not-allowed", forbidden, "Invalid token.");
/** Also while somebody is locked out: whoever guesses does not learn of it. */
export const invalidCredentials = () =>
  refuse("not-allowed", forbidden, "Invalid credentials. Invalid username or password.");
export const forbiddenBecause = (errorMessage: string) => refuse("not-allowed", forbidden, errorMessage);
export const illegalArgument = (errorMessage: string) => refuse("malformed", "IllegalArgumentException", errorMessage);
/** Where tokens come as `Authorization`. */
export const unauthorized = () => refuse("not-signed-in", "Unauthorized", "Invalid token.");

/** What `work` answers: JSON, or 204 for nothing. Refusals in the form of games; failures of ours have it besides. */
export async function answerGame(work: () => Promise<object | undefined>): Promise<Response> {
  try {
    const body = await work();
    if (body === undefined) return new Response(null, { status: 204, headers: { "cache-control": "no-store" } });
    return new Response(JSON.stringify(body), { headers });
  } catch (error) {
    if (hasCode(error, "23503")) return toResponse(invalidToken()); // its session or player was deleted at this moment
    const fault = faultOf(error);
    const { code, status, message } = fault;
    if (status < 500 || (fault === error && code !== "internal")) return toResponse(fault);
    // To be logged like all others. Games take an answer without `error` for a good one.
    throw new Fault(code, message, { cause: error, extra: { error: nameOf(status), errorMessage: message } });
  }
}

function toResponse({ status, message, extra, retryAfterSeconds }: Fault): Response {
  const error = typeof extra.error === "string" ? extra.error : nameOf(status);
  return new Response(JSON.stringify({ error, errorMessage: message }), {
    status: status === 422 ? 400 : status,
    headers: {
      ...headers,
      ...(status === 401 && { "www-authenticate": "Bearer" }),
      ...(retryAfterSeconds !== undefined && { "retry-after": String(retryAfterSeconds) }),
    },
  });
}

function nameOf(status: number): string {
  if (status === 403) return forbidden;
  if (status === 404) return "NotFoundException";
  if (status === 429) return "TooManyRequestsException";
  return status >= 500 ? "ServiceUnavailableException" : "IllegalArgumentException";
}

/** A JSON body of that form; whatever its Content-Type says, and with members that we do not know. */
export async function readBody<Schema extends TSchema>(request: Request, schema: Schema): Promise<Static<Schema>> {
  const text = await readText(request, maxBodyBytes);
  let body: unknown;
  try {
    body = JSON.parse(text, refusePrototype);
  } catch {
    throw illegalArgument("The body is not JSON.");
  }
  if (Value.Check(schema, body)) return body;
  const place = Value.Errors(schema, body).First()?.path.slice(1);
  throw illegalArgument(place ? `"${place}" is missing or not as it should be.` : "The body is not as it should be.");
}

/** UUIDs go without hyphens here. */
export const toGameId = (uuid: string) => uuid.replaceAll("-", "");

/** A UUID with or without hyphens as we keep it, or undefined. */
export function readGameId(text: string): string | undefined {
  const parts = /^([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})$/i.exec(text);
  return parts?.slice(1).join("-").toLowerCase();
}
