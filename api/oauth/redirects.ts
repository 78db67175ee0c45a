const loopback = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(?::(\d{1,5}))?((?:\/|\?).*)?$/;

/**
 * Whether an address is one of those that a client has registered: equal to the letter (RFC 9700, 2.1), but for the port on
 * loopback, which a program gets from its system when it begins to listen (RFC 8252, 7.3).
 */
export function isRegistered(registered: readonly string[], uri: string): boolean {
  if (registered.includes(uri)) return true;
  const [, host, port, rest = ""] = loopback.exec(uri) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65_535) return false;
  return registered.some((known) => {
    const [, knownHost, , knownRest = ""] = loopback.exec(known) ?? [];
    return knownHost === host && knownRest === rest;
  });
}

/** A registered address with an answer in its query; what is undefined is left out. */
export function writeAnswer(uri: string, answer: Record<string, string | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(answer)) if (value !== undefined) query.set(name, value);
  if (query.size === 0) return uri;
  return `${uri}${uri.includes("?") ? "&" : "?"}${query}`;
}

/** 303: the browser asks there with GET, whatever it has sent here. It tells nobody where it was (RFC 9700, 4.2.4). */
export function sendTo(location: string, cookies: string[] = []): Response {
  const headers = new Headers({ location, "cache-control": "no-store", "referrer-policy": "no-referrer" });
  for (const cookie of cookies) headers.append("set-cookie", cookie);
  return new Response(null, { status: 303, headers });
}
