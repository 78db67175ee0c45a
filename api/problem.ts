import { Elysia } from "elysia";
import { isDuplicate } from "../db/query.ts";
import { Fault, hasCode } from "../fault.ts";
import type { Log } from "../log.ts";
import { writeTraceparent } from "../trace.ts";
import { answerHeaders, type Recorder, recorded, requestLog } from "./request-log.ts";
import { traceOf } from "./trace.ts";
import { isValidation, readValidation } from "./validation.ts";

/** Makes every failure of the API an `application/problem+json` (RFC 9457). The only place that turns faults into HTTP. */
export function problems(log: Log, record: Recorder) {
  return new Elysia({ name: "problems" })
    .use(requestLog(record))
    .onError((context) => {
      const { code, error, request, startedAtMs } = context;
      const route = "route" in context && typeof context.route === "string" ? context.route : undefined;
      const fault = toFault(code, { error, request });
      const traceId = traceOf(request);
      if (fault.status >= 500) log.error({ err: fault, cause: fault.cause, traceId, route }, "a request failed");
      const caller = "caller" in context ? context.caller : undefined;
      record({ request, route, status: fault.status, startedAtMs: startedAtMs ?? 0, caller });
      context.startedAtMs = recorded;
      return problemResponse(fault, traceId);
    })
    .as("global");
}

/** Reasons that are told as RFC 6750, 3.1 calls them, too. */
const lacks = ["invalid-token", "insufficient-scope"];

/** The problem document of a fault as a response. */
export function problemResponse(fault: Fault, traceId: string): Response {
  const body = {
    type: "about:blank",
    title: fault.title,
    status: fault.status,
    detail: fault.message,
    code: fault.code,
    traceId,
    ...(fault.errors.length > 0 && { errors: fault.errors }),
    ...fault.extra,
  };
  const headers: Record<string, string> = {
    ...answerHeaders,
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    traceparent: writeTraceparent(traceId),
  };
  const lack = lacks.find((reason) => reason === fault.extra.reason);
  if (fault.status === 401) headers["www-authenticate"] = "Bearer";
  if (lack) headers["www-authenticate"] = `Bearer error="${lack.replace("-", "_")}"`;
  // Who was turned away at one moment is not to come back at one moment: from 1 to 4 seconds.
  const wait = fault.retryAfterSeconds ?? (fault.status === 503 ? 1 + Math.floor(Math.random() * 4) : undefined);
  if (wait !== undefined) headers["retry-after"] = String(wait);
  return new Response(JSON.stringify(body), { status: fault.status, headers });
}

const databaseAway = [
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "57P01",
  "57P02",
  "57P03",
  "53300",
  "08006",
  "08001",
  "08003",
  "57014",
  "53100",
];

/** Two who worked on the same were in each other's way: a deadlock, a conflict, a lock that did not come. */
const inTheWay = ["40P01", "40001", "55P03"];

/** What PostgreSQL cannot keep or read, all from the request: text with U+0000, or a cursor with another's values. */
const unfitValues = ["22021", "22P05", "22P02", "22003", "22007", "22008"];

function toFault(code: unknown, { error, request }: { error: unknown; request: Request }): Fault {
  if (error instanceof Fault) return error;
  if (code === "NOT_FOUND")
    return new Fault("not-found", "There is nothing at this address: see /openapi for what there is");
  // Elysia wraps what a parser throws.
  if (code === "PARSE" && error instanceof Error && error.cause instanceof Fault) return error.cause;
  if (code === "PARSE") return new Fault("malformed", "Cannot read the body: it is not valid JSON");
  if (isValidation(code, error)) return readValidation(error, request);
  return faultOf(error);
}

/** What an error means to whoever waits for an answer, with itself as the cause. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error;
  // Bun's body stream says so when the client goes away in the middle: nobody reads this answer, and nothing is broken.
  if (error instanceof Error && error.name === "AbortError")
    return new Fault("malformed", "Cannot read the body: the connection was closed", { cause: error });
  if (isDuplicate(error))
    return new Fault("conflict", "Somebody else did the same at this moment: look again", { cause: error });
  if (hasCode(error, ...inTheWay))
    return new Fault("unavailable", "Somebody else worked on the same at this moment: try again", { cause: error });
  if (hasCode(error, ...unfitValues))
    return new Fault("malformed", "Cannot accept the request: a value in it is not one that can be kept or looked up", {
      cause: error,
    });
  const lost =
    error instanceof Error &&
    /timeout exceeded when trying to connect|Connection terminated|Client has encountered a connection error/.test(
      error.message,
    );
  if (lost || hasCode(error, ...databaseAway))
    return new Fault("unavailable", "The database does not answer: try again in a moment", { cause: error });
  return new Fault("internal", "Something went wrong here: the operator finds it in the log by the trace id", {
    cause: error,
  });
}
