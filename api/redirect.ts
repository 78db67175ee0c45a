import type { Caller } from "./tokens.ts";

type Signed = { url: string; caller: Caller | null; request: Request };

/**
 * Sends a caller on to a signed address: 307, kept by nobody. Who calls with a token or an opened share link may ask for
 * JSON `{url}` instead, since S3 refuses a signed address that also carries Authorization.
 */
export function answerSigned({ url, caller, request }: Signed): Response {
  const headers = { "cache-control": "no-store", "referrer-policy": "no-referrer" };
  const wantsJson =
    (caller !== null || request.headers.has("share")) &&
    request.method === "GET" &&
    request.headers.get("accept")?.includes("application/json");
  if (wantsJson) return Response.json({ url }, { headers });
  return new Response(null, { status: 307, headers: { ...headers, location: url } });
}
