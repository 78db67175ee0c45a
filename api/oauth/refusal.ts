import { Fault } from "../../fault.ts";

/** Why OAuth refuses (RFC 6749, 5.2; RFC 8628, 3.5; RFC 7009, 2.2.1). */
export type RefusalCode =
  | "invalid_request"
  | "invalid_client"
  | "invalid_grant"
  | "unauthorized_client"
  | "unsupported_grant_type"
  | "unsupported_token_type"
  | "invalid_scope"
  | "authorization_pending"
  | "slow_down"
  | "access_denied"
  | "expired_token";

/** A refusal that an OAuth client understands by its code. */
export function refuse(error: RefusalCode, detail: string): Fault {
  return new Fault(error === "invalid_client" ? "not-signed-in" : "malformed", detail, { extra: { error } });
}

/** Pages of clients read what is sent without cookies (Fetch, 3.2): what is asked with a code, a token or a secret. */
export const forPages = { "access-control-allow-origin": "*" } as const;
/** Headers of every answer with a token in it (RFC 6749, 5.1). */
export const secretHeaders = { "cache-control": "no-store", pragma: "no-cache", ...forPages } as const;

/**
 * What `work` answers, as JSON; its refusals in the form of RFC 6749, 5.2. A client that asks too often is told to slow
 * down; every other fault is a problem document as elsewhere.
 */
export async function answerOauth(work: () => Promise<object>): Promise<Response> {
  try {
    return Response.json(await work(), { headers: secretHeaders });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (error.code === "too-many") return toResponse("slow_down", error, 429);
    const { error: code } = error.extra;
    if (typeof code !== "string") throw error;
    return toResponse(code, error, error.status);
  }
}

function toResponse(error: string, { message, retryAfterSeconds }: Fault, status: number): Response {
  // No quotes, backslashes or letters beyond ASCII are allowed here (RFC 6749, 5.2).
  const description = message.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'");
  return Response.json(
    { error, error_description: description },
    {
      status,
      headers: {
        ...secretHeaders,
        ...(status === 401 && { "www-authenticate": 'Basic realm="sunduk"' }),
        ...(retryAfterSeconds !== undefined && { "retry-after": String(retryAfterSeconds) }),
      },
    },
  );
}
