import { Elysia, ElysiaCustomStatusResponse } from "elysia";
import type { Log } from "../log.ts";
import { enterTrace, writeTraceparent } from "../trace.ts";
import type { RequestCounts } from "./health/request-counts.ts";
import { traceOf } from "./trace.ts";

/** What is told of one request. `route` is the template: paths and queries hold tokens and signatures. */
export type Answered = {
  request: Request;
  route?: string | undefined;
  status: number;
  startedAtMs: number;
  caller?: unknown;
};

/** Writes an answered request into the log and into the numbers. */
export type Recorder = (answered: Answered) => void;

/**
 * Headers that every answer of the API carries, unless it says otherwise: JSON is no page, runs nothing, is framed by nobody,
 * and is kept by no cache.
 */
export const answerHeaders = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cache-control": "private, no-store",
} as const;
const headerNames = ["x-content-type-options", "referrer-policy", "content-security-policy", "cache-control"] as const;

/** In the place of the time a request started: it is told already. Elysia maps some answers to errors once more, and some not. */
export const recorded = -1;

/** One JSON line for each request: debug for what was only read, info for changes and refusals, warn for failures. */
export function openRecorder({ log, counts }: { log: Log; counts: RequestCounts }): Recorder {
  return ({ request, route, status, startedAtMs, caller }) => {
    const durationMs = startedAtMs === 0 ? 0 : performance.now() - startedAtMs;
    const template = route || "-";
    counts.count({ method: request.method, route: template, status, durationMs });
    const read = request.method === "GET" || request.method === "HEAD";
    const level = status < 400 && read ? "debug" : status < 500 ? "info" : "warn";
    if (!log.isLevelEnabled(level)) return;
    log[level](
      {
        traceId: traceOf(request),
        method: request.method,
        route: template,
        status,
        durationMs: Math.round(durationMs * 100) / 100,
        ...idOf(caller),
      },
      "request",
    );
  };
}

/**
 * Records every answer and gives it the headers, that of its trace among them. A ready `Response` is changed in place: headers in `set` would make
 * Elysia copy it, which turns files and prepared bytes into chunked streams.
 */
export function requestLog(record: Recorder) {
  return new Elysia({ name: "request-log" })
    .decorate("startedAtMs", 0)
    .onRequest((context) => {
      context.startedAtMs = performance.now();
      enterTrace({ id: traceOf(context.request) });
    })
    .mapResponse((context) => {
      const { request, route, set, responseValue, startedAtMs } = context;
      let status = typeof set.status === "number" ? set.status : 200;
      if (responseValue instanceof Response) {
        const { headers } = responseValue;
        if (responseValue.status !== 200) status = responseValue.status;
        for (const name of headerNames) if (!headers.has(name)) headers.set(name, answerHeaders[name]);
        headers.set("traceparent", writeTraceparent(traceOf(request)));
      } else {
        if (responseValue instanceof ElysiaCustomStatusResponse) status = responseValue.code;
        for (const name of headerNames) set.headers[name] ??= answerHeaders[name];
        set.headers.traceparent = writeTraceparent(traceOf(request));
      }
      if (startedAtMs === recorded) return;
      record({ request, route, status, startedAtMs, caller: "caller" in context ? context.caller : undefined });
    })
    .as("global");
}

function idOf(caller: unknown): { caller?: string } {
  return typeof caller === "object" && caller !== null && "userId" in caller && typeof caller.userId === "string"
    ? { caller: caller.userId }
    : {};
}
