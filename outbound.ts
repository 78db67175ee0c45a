import { lookup } from "node:dns/promises";
import type { IncomingMessage } from "node:http";
import { Fault } from "./fault.ts";
import { bareHost, type OutboundRule, parseTarget, type ResolveHost, vetAddresses } from "./outbound-address.ts";
import { type OutboundRequest, sendOutbound } from "./outbound-request.ts";

export { hostMatches, type OutboundRule, parseHostPatterns, parseOutboundAllow } from "./outbound-address.ts";

export type OutboundOptions = {
  /** What may be reached besides public addresses: `parseOutboundAllow(OUTBOUND_ALLOW)`. */
  allow: readonly OutboundRule[];
  /** Limit of the body, counted as it comes. */
  maxBytes: number;
  /** Limit of everything together: names, redirects, and reading the body to its end. */
  timeoutMs: number;
  signal?: AbortSignal;
  headers?: Record<string, string>;
  method?: "GET" | "POST";
  body?: string | Uint8Array;
  /** Redirects that are followed, 3 if not said. */
  maxRedirects?: number;
  resolve?: ResolveHost;
  /** Certificates (PEM) to trust besides the usual ones. */
  ca?: string;
};

export type OutboundAnswer = {
  status: number;
  headers: Headers;
  /** Where the answer came from, after redirects. */
  url: string;
  /** The bytes as sent, once. Throws Fault `too-large` or `unavailable`; leaving the loop early closes the connection. */
  body: AsyncIterable<Uint8Array>;
  /** Closes the connection of an answer whose body is not read; without it the time limit does. */
  close: () => void;
};

/** The headers of the caller that may follow to another origin: they say what is wanted, not who asks. */
const harmless = new Set(["accept", "accept-language", "range", "if-none-match", "if-modified-since", "user-agent"]);

const redirects = new Set([301, 302, 303, 307, 308]);

/**
 * Fetches an address that a stranger named: the only way out for such addresses (OWASP ASVS 5.0, 1.3.6 and 15.3.2).
 * Every hop is resolved once, vetted, and connected to by the vetted address itself. Any status is an answer. Throws
 * Fault `not-allowed`, `too-large` or `unavailable` (may be tried again), and the signal's reason when it is aborted.
 */
export async function fetchOutbound(url: string, options: OutboundOptions): Promise<OutboundAnswer> {
  const limit = startLimit(options);
  const { allow, resolve = resolveHost, maxRedirects = 3 } = options;
  try {
    let request = firstRequest(url, options);
    for (let hop = 0; hop <= maxRedirects; hop++) {
      const addresses = await untilAborted(vetAddresses(request.url, { allow, resolve }), limit.signal);
      const { ca } = options;
      const response = await sendOutbound(request, { addresses, signal: limit.signal, ...(ca ? { ca } : {}) });
      const { location } = response.headers;
      if (!redirects.has(response.statusCode ?? 0) || location === undefined) {
        return answer(response, { request, limit, maxBytes: options.maxBytes });
      }
      response.destroy();
      request = redirected(request, { status: response.statusCode ?? 0, location });
    }
    throw new Fault("not-allowed", `Cannot fetch this address: it redirects more than ${maxRedirects} times`);
  } catch (error) {
    limit.end();
    throw error;
  }
}

function firstRequest(url: string, { method = "GET", headers = {}, body }: OutboundOptions): OutboundRequest {
  return {
    url: parseTarget(url),
    method,
    // Lower case, and a TypeError for a value that would break out of its line: a mistake of the caller, not of the host.
    headers: Object.fromEntries(new Headers(headers).entries()),
    body: body === undefined ? undefined : Buffer.from(body),
  };
}

/** The request that a redirect asks for (RFC 9110, 15.4), with nothing in it that was meant for the first origin alone. */
function redirected(from: OutboundRequest, answer: { status: number; location: string }): OutboundRequest {
  // Header bytes arrive as latin1, and some hosts send names of files as bare UTF-8.
  const url = parseTarget(Buffer.from(answer.location, "latin1").toString("utf8"), from.url);
  if (from.url.protocol === "https:" && url.protocol === "http:") {
    throw new Fault("not-allowed", "Cannot fetch this address: it redirects from https to http");
  }
  const keepsBody = answer.status === 307 || answer.status === 308;
  const isElsewhere = url.origin !== from.url.origin;
  if (keepsBody && isElsewhere && from.body !== undefined) {
    throw new Fault("not-allowed", "Cannot fetch this address: it redirects what is sent to another origin");
  }
  const kept = Object.entries(from.headers).filter(([name]) =>
    isElsewhere ? harmless.has(name) : keepsBody || !name.startsWith("content-"),
  );
  return {
    url,
    method: keepsBody ? from.method : "GET",
    headers: Object.fromEntries(kept),
    body: keepsBody ? from.body : undefined,
  };
}

type Limit = { signal: AbortSignal; end: () => void };

function answer(
  response: IncomingMessage,
  { request, limit, maxBytes }: { request: OutboundRequest; limit: Limit; maxBytes: number },
): OutboundAnswer {
  const host = bareHost(request.url);
  const status = response.statusCode ?? 0;
  const close = () => {
    response.destroy();
    limit.end();
  };
  const tooLarge = () => new Fault("too-large", `Cannot fetch from ${host}: it is larger than ${maxBytes} bytes`);
  // An error page may be as long and as packed as it likes: its status is the news, and its bytes are counted too.
  if (status < 300) {
    const encoding = response.headers["content-encoding"] ?? "identity";
    const refused =
      encoding.toLowerCase() !== "identity"
        ? new Fault("not-allowed", `Cannot fetch from ${host}: it packs its answer although that was not asked for`)
        : Number(response.headers["content-length"] ?? 0) > maxBytes
          ? tooLarge()
          : undefined;
    if (refused) {
      response.destroy();
      throw refused;
    }
  }
  async function* read(): AsyncGenerator<Uint8Array> {
    let receivedBytes = 0;
    try {
      limit.signal.throwIfAborted();
      for await (const chunk of response) {
        const bytes: Uint8Array = chunk;
        receivedBytes += bytes.byteLength;
        if (receivedBytes > maxBytes) throw tooLarge();
        limit.signal.throwIfAborted();
        yield bytes;
      }
      // A body that only the closing ends looks complete also when it was the limit that closed.
      limit.signal.throwIfAborted();
      if (!response.complete) throw new Error("the connection ended early");
    } catch (error) {
      limit.signal.throwIfAborted();
      if (error instanceof Fault) throw error;
      throw new Fault("unavailable", `Cannot fetch from ${host}: the connection broke`, { cause: error });
    } finally {
      close();
    }
  }
  return { status, headers: headersOf(response), url: request.url.href, body: read(), close };
}

function headersOf(response: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values] of Object.entries(response.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  return headers;
}

/** One limit for the whole fetch: its signal is aborted by the time limit or by the caller, with the reason to throw. */
function startLimit({ timeoutMs, signal }: OutboundOptions): Limit {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(new Fault("unavailable", `Cannot fetch this address: it took more than ${timeoutMs} ms`));
  }, timeoutMs);
  const follow = () => controller.abort(signal?.reason);
  signal?.addEventListener("abort", follow, { once: true });
  const end = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", follow);
  };
  return { signal: controller.signal, end };
}

/** A name server can't be interrupted: its answer is no longer waited for. */
async function untilAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function resolveHost(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map((entry) => entry.address);
}
