const traces = new WeakMap<Request, string>();

/** The trace id of a request: that of a valid `traceparent` header (W3C Trace Context, 3.2), else a fresh one. */
export function traceOf(request: Request): string {
  const known = traces.get(request);
  if (known) return known;
  const given = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(request.headers.get("traceparent") ?? "")?.[1];
  const trace =
    given && !/^0+$/.test(given) ? given : Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
  traces.set(request, trace);
  return trace;
}
