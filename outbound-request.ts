import * as http from "node:http";
import * as https from "node:https";
import { isIP } from "node:net";
import { getCACertificates } from "node:tls";
import { Fault } from "./fault.ts";
import { bareHost, portOf } from "./outbound-address.ts";

/** One hop of a fetch. */
export type OutboundRequest = {
  url: URL;
  method: "GET" | "POST";
  /** Names in lower case. */
  headers: Record<string, string>;
  body: Uint8Array | undefined;
};

/** Headers that only this file sets: they decide where a request ends and whom it is for. */
const ours =
  /^(host|connection|keep-alive|content-length|transfer-encoding|te|trailer|upgrade|expect|accept-encoding|proxy-.*)$/;

/** While other addresses remain, one that does not answer may not eat the whole time limit. */
const connectTimeoutMs = 3_000;

/** Addresses of one name that are tried. */
const maxAddresses = 4;

type SendOptions = { addresses: readonly string[]; signal: AbortSignal; ca?: string };

/**
 * Sends a request to the first of its vetted addresses that can be connected to, on a connection of its own that the
 * signal closes, and answers its head. Throws Fault `unavailable`, or the signal's reason.
 */
export async function sendOutbound(
  request: OutboundRequest,
  { addresses, ...options }: SendOptions,
): Promise<http.IncomingMessage> {
  const tried = addresses.slice(0, maxAddresses);
  let cause: unknown;
  for (const [index, address] of tried.entries()) {
    const attempt = { connected: false };
    try {
      return await sendTo(address, { ...options, request, attempt, isLast: index === tried.length - 1 });
    } catch (error) {
      options.signal.throwIfAborted();
      cause = error;
      // Once connected the request may have been acted upon: it is not sent twice.
      if (attempt.connected) break;
    }
  }
  const state = cause instanceof Error ? cause.message : "no connection";
  throw new Fault("unavailable", `Cannot fetch from ${bareHost(request.url)}: ${publicState(state)}`, { cause });
}

type AttemptOptions = Omit<SendOptions, "addresses"> & {
  request: OutboundRequest;
  attempt: { connected: boolean };
  isLast: boolean;
};

function sendTo(
  address: string,
  { request, attempt, isLast, signal, ca }: AttemptOptions,
): Promise<http.IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  const { url } = request;
  const name = bareHost(url);
  const secure = url.protocol === "https:";
  const sent = (secure ? https : http).request({
    host: address,
    port: portOf(url),
    method: request.method,
    path: url.pathname + url.search,
    headers: headersOf(request),
    // No pool: a kept connection would be one that was vetted for something else.
    agent: false,
    // The host above is an address, which nobody looks up; should a runtime ask all the same, it gets none.
    lookup: (_host, _options, done) => done(new Error("names are resolved once, before this"), "", 0),
    maxHeaderSize: 16_384,
    rejectUnauthorized: true,
    ...(secure && isIP(name) === 0 ? { servername: name } : {}),
    ...(ca ? { ca: [...getCACertificates("default"), ca] } : {}),
  });
  const stop = () => sent.destroy(new Error("stopped"));
  const slow = isLast
    ? undefined
    : setTimeout(() => sent.destroy(new Error("no connection in time")), connectTimeoutMs);
  signal.addEventListener("abort", stop, { once: true });
  sent.on("socket", (socket) => {
    socket.once("connect", () => {
      attempt.connected = true;
      clearTimeout(slow);
    });
  });
  let head: http.IncomingMessage | undefined;
  sent.on("response", (response) => {
    head = response;
    // A stream that nobody reads yet may fail: the reader learns it from the stream's state.
    response.on("error", () => undefined);
    resolve(response);
  });
  sent.on("upgrade", (_response, socket) => {
    socket.destroy();
    reject(new Error("it changes the protocol"));
  });
  sent.on("error", (error) => {
    // A body without a length would otherwise seem to end well when its connection is reset.
    head?.destroy(error);
    reject(error);
  });
  sent.on("close", () => {
    clearTimeout(slow);
    signal.removeEventListener("abort", stop);
    reject(new Error("the connection was closed"));
  });
  if (signal.aborted) stop();
  else sent.end(request.body);
  return promise;
}

function headersOf(request: OutboundRequest): Record<string, string> {
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !ours.test(name)));
  headers.host = request.url.host;
  headers["accept-encoding"] = "identity";
  headers.connection = "close";
  if (request.method === "POST") headers["content-length"] = String(request.body?.byteLength ?? 0);
  return headers;
}

/** Why in words that hold no address of ours: the original stays in the cause. */
function publicState(message: string): string {
  if (/certificate|altname|self.signed|CERT/i.test(message)) return "its certificate is not valid for this name";
  if (/Parse Error/i.test(message)) return "it does not speak HTTP";
  return "the connection failed";
}
