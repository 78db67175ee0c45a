import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import type { Caller } from "../tokens.ts";

/** Of one address; as many as Modrinth itself allows. */
const perMinute = 300;

type Server = { requestIP: (request: Request) => { address: string } | null } | null;
type Asking = { request: Request; server: Server };
export type Parts = Pick<Api, "rateLimits" | "identify" | "addressOf">;

/**
 * Answers a look-up as Modrinth's API does: JSON with the headers of its limit; 404 without a body, other refusals as
 * `{error, description}`. What is broken here is a problem document, as elsewhere.
 */
export async function answerModrinth(
  { rateLimits, identify, addressOf }: Parts,
  { request, server }: Asking,
  work: (caller: Caller | null) => Promise<object | undefined>,
): Promise<Response> {
  const told: Record<string, string | number> = {};
  const respond = async () => {
    try {
      const key = addressOf(request, server?.requestIP(request)?.address);
      await rateLimits.take([{ name: "modrinth", perMinute, key, alone: true }], told);
      const found = await work(await identify(request));
      if (found instanceof Response) return found;
      return found === undefined ? new Response("", { status: 404 }) : Response.json(found);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return refuse(error);
    }
  };
  const response = await respond();
  for (const [name, value] of Object.entries({ ...told, ...limitHeaders(told.ratelimit) }))
    response.headers.set(name, String(value));
  return response;
}

const errors: Partial<Record<Fault["code"], string>> = {
  "not-signed-in": "unauthorized",
  "not-allowed": "unauthorized",
  malformed: "invalid_input",
  invalid: "invalid_input",
  "too-many": "ratelimit_error",
};

function refuse(fault: Fault): Response {
  if (fault.code === "not-found" || fault.code === "gone") return new Response("", { status: 404 });
  const error = errors[fault.code];
  if (error === undefined) throw fault;
  const headers = { ...(fault.retryAfterSeconds !== undefined && { "retry-after": String(fault.retryAfterSeconds) }) };
  return Response.json({ error, description: fault.message }, { status: fault.status, headers });
}

/** What is left and when all is there again, as Modrinth says it; `standing` is our own RateLimit header. */
function limitHeaders(standing: string | number | undefined): Record<string, string> {
  const [, remaining = "0", reset = "60"] = /;r=(\d+);t=(\d+)/.exec(String(standing)) ?? [];
  return {
    "x-ratelimit-limit": String(perMinute),
    "x-ratelimit-remaining": remaining,
    "x-ratelimit-reset": reset,
  };
}
