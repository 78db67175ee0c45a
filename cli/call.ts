import { Fault } from "../fault.ts";
import manifest from "../package.json" with { type: "json" };
import { faultFromAnswer } from "./problem.ts";

export type RequestOptions = {
  /** Sent as JSON. */
  body?: unknown;
  headers?: Record<string, string>;
  query?: Record<string, string | number | boolean | undefined>;
  signal?: AbortSignal | undefined;
  /** Makes a POST safe to repeat. */
  idempotencyKey?: string;
  /** Says that this POST is safe to repeat by itself. */
  repeatable?: boolean;
  /** Sends no token. */
  anonymous?: boolean;
  /** For one try; 30 s when not given. */
  timeoutMs?: number;
};

/** `text` is the body as it came. */
export type Answer = { status: number; headers: Headers; text: string; json: unknown };

/** What servers know the command line by: a session of it is told from a launcher's. */
export const userAgent = `sunduk/${manifest.version} (${process.platform})`;

const tries = 5;
const longestWaitMs = 30_000;
type CallOptions = RequestOptions & { method: string; bearer?: string | undefined; repeatable: boolean };

/** Calls `path` of a server and tries again while that may help. Redirects come back as they are. Throws Fault from 400 on. */
export async function callWithRetries(server: string, path: string, options: CallOptions): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await callOnce(server, path, options);
    if (!(outcome instanceof Fault)) return outcome;
    const status = Number(outcome.extra.status);
    // The first try may have been cut while the server still works on it: it says 409, and when to ask again.
    const inFlight = status === 409 && attempt > 1 && outcome.retryAfterSeconds !== undefined;
    const passing = inFlight || [429, 502, 503, 504].includes(status) || outcome.extra.unreached === true;
    const neverSent = outcome.extra.refused === true;
    if (attempt >= tries || !passing || !(options.repeatable || neverSent)) throw outcome;
    const waitMs = backoffMs(attempt, outcome.retryAfterSeconds);
    if (waitMs > longestWaitMs) throw outcome;
    await waitFor(waitMs, options.signal);
  }
}

/** How long to wait after a failed attempt: longer each time, not before the server wishes, and not all at the same moment. */
export function backoffMs(attempt: number, retryAfterSeconds = 0): number {
  return Math.max(150 * 2 ** attempt * (0.5 + Math.random()), 1000 * retryAfterSeconds * (1 + Math.random() / 4));
}

/** Sends a POST once, and answers when its answer begins: the body is still to come, and has no time limit. Throws Fault from 400 on. */
export async function openAnswer(server: string, path: string, options: CallOptions): Promise<Response> {
  const outcome = await send(server, path, options);
  if (outcome instanceof Fault) throw outcome;
  if (outcome.status < 400) return outcome;
  const answer = await readFault(outcome, `${options.method} ${hideToken(path)}`);
  throw answer;
}

async function callOnce(server: string, path: string, options: CallOptions): Promise<Answer | Fault> {
  const limit = AbortSignal.timeout(options.timeoutMs ?? 30_000);
  const response = await send(server, path, { ...options, limit });
  if (response instanceof Fault) return response;
  try {
    if (response.status >= 400) return await readFault(response, `${options.method} ${hideToken(path)}`);
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: readJson(response, text) };
  } catch (error) {
    return explain(error, { server, limit, signal: options.signal });
  }
}

async function send(
  server: string,
  path: string,
  options: CallOptions & { limit?: AbortSignal },
): Promise<Response | Fault> {
  const url = new URL(`${server}${path}`);
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const accept = "application/json, application/problem+json";
  const headers = new Headers({ accept, "user-agent": userAgent, ...options.headers });
  if (options.body !== undefined) headers.set("content-type", "application/json");
  if (options.idempotencyKey) headers.set("idempotency-key", options.idempotencyKey);
  if (options.bearer) headers.set("authorization", `Bearer ${options.bearer}`);
  const { limit, signal } = options;
  const signals = [limit, signal].filter((one) => one !== undefined);
  try {
    return await fetch(url, {
      method: options.method,
      headers,
      redirect: "manual",
      ...(signals.length > 0 && { signal: AbortSignal.any(signals) }),
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
  } catch (error) {
    return explain(error, { server, limit, signal });
  }
}

type Limits = { server: string; limit: AbortSignal | undefined; signal: AbortSignal | undefined };

function explain(error: unknown, { server, limit, signal }: Limits): Fault {
  if (signal?.aborted) throw error;
  const refused = error instanceof Error && "code" in error && error.code === "ConnectionRefused";
  const state = limit?.aborted
    ? "it did not answer in time"
    : "it cannot be reached; is it running, is the address right?";
  return new Fault("unavailable", `Call ${server}: ${state}`, { cause: error, extra: { unreached: true, refused } });
}

async function readFault(response: Response, where: string): Promise<Fault> {
  const json = readJson(response, await response.text());
  return faultFromAnswer(response.status, json, { where, retryAfterSeconds: retryAfterSeconds(response.headers) });
}

function readJson(response: Response, text: string): unknown {
  const isJson = /[/+]json\b/.test(response.headers.get("content-type") ?? "");
  return isJson && text !== "" ? JSON.parse(text) : undefined;
}

/** An address without the token of a share link: whoever reads a message or a log must not get in by it. */
export function hideToken(address: string): string {
  return address.replace(/(\/p\/t\/)[^/?#]+/g, "$1…");
}

/** What a server says about when to come back, in seconds (RFC 9110, 10.2.3). */
export function retryAfterSeconds(headers: Headers): number | undefined {
  const told = headers.get("retry-after");
  if (told === null) return undefined;
  const seconds = /^\d+$/.test(told) ? Number(told) : (Date.parse(told) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

/** Waits, or throws the signal's reason as soon as it is aborted. */
export async function waitFor(waitMs: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, waitMs);
  const stop = () => resolve();
  signal?.addEventListener("abort", stop, { once: true });
  await promise;
  clearTimeout(timer);
  signal?.removeEventListener("abort", stop);
  signal?.throwIfAborted();
}
