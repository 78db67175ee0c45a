import { makeTraceId, readTraceparent } from "../trace.ts";

const traces = new WeakMap<Request, string>();

/** The trace id of a request: that of a valid `traceparent` header, else a fresh one. */
export function traceOf(request: Request): string {
  const known = traces.get(request);
  if (known) return known;
  const trace = readTraceparent(request.headers.get("traceparent")) ?? makeTraceId();
  traces.set(request, trace);
  return trace;
}
