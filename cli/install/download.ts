import { setTimeout as wait } from "node:timers/promises";
import { Fault } from "../../fault.ts";
import { retryAfterSeconds } from "../call.ts";
import type { Wanted } from "./manifest.ts";
import type { Partial, Staged } from "./partial.ts";

type DownloadOptions = {
  partial: Partial;
  /** Where the bytes are; `refused` is an address that was refused. */
  address(refused?: string): Promise<string>;
  signal: AbortSignal;
  /** Told every byte that arrives, and a negative number when bytes were thrown away. */
  onBytes(sizeBytes: number): void;
};

type Outcome =
  | { kind: "ended" }
  | { kind: "cut"; cause: unknown; retryAfterMs: number }
  | { kind: "refused" }
  | { kind: "restart" }
  | { kind: "missing"; status: number };

/** Tries in a row that bring nothing before a download is given up. */
const fruitlessTries = 6;
/** A try counts as a success when it brought this much; else a trickle could go on for ever. */
const fruitBytes = 16 * 1024;
const wrongTries = 3;
const refusedTries = 4;
const quietMs = 30_000;

/**
 * Fetches one file into its partial and checks it on the way: a cut connection goes on by Range (RFC 9110, 14), an
 * expired address is renewed, wrong bytes are thrown away. Faults: invalid (wrong bytes again and again), not-found,
 * unavailable.
 */
export async function download(file: Wanted, options: DownloadOptions): Promise<Staged> {
  const { partial, signal, onBytes } = options;
  const name = JSON.stringify(file.path);
  const restart = () => {
    onBytes(-partial.sizeBytes);
    partial.restart();
  };
  let [fruitless, wrong, refused] = [0, 0, 0];
  let refusedAddress: string | undefined;
  for (;;) {
    signal.throwIfAborted();
    const size = file.sizeBytes;
    if (size !== null && partial.sizeBytes > size) restart();
    if (partial.sizeBytes > 0 || size === 0) {
      const full = size === null ? partial.matches() : partial.sizeBytes === size;
      if (full && partial.matches()) return partial.staged();
      if (full) {
        wrong += 1;
        restart();
        if (wrong >= wrongTries || size === 0) {
          throw new Fault("invalid", `Cannot fetch ${name}: the bytes do not have the digest that the pack gives`);
        }
      }
    }
    const before = partial.sizeBytes;
    const address = await options.address(refusedAddress);
    const outcome = await request(address, { ...options, sizeBytes: size });
    if (outcome.kind === "missing") {
      throw new Fault("not-found", `Cannot fetch ${name}: ${new URL(address).host} answered ${outcome.status}`);
    }
    if (outcome.kind === "refused") {
      refused += 1;
      refusedAddress = address;
      if (refused < refusedTries && file.references.length === 0) continue;
      throw new Fault("not-allowed", `Cannot fetch ${name}: ${new URL(address).host} refuses to give it out`);
    }
    if (outcome.kind === "restart") {
      wrong += 1;
      restart();
    }
    // Without a known size only the digest tells an end from a cut.
    const ended = outcome.kind === "ended" && (size === null ? partial.matches() : partial.sizeBytes === size);
    if (ended) continue;
    if (outcome.kind === "ended" && size === null) {
      wrong += 1;
      restart();
    }
    if (wrong >= wrongTries) {
      throw new Fault("invalid", `Cannot fetch ${name}: the bytes do not have the digest that the pack gives`);
    }
    fruitless = partial.sizeBytes - before >= fruitBytes ? 0 : fruitless + 1;
    const cause = outcome.kind === "cut" ? outcome.cause : undefined;
    if (fruitless >= fruitlessTries) {
      const host = new URL(address).host;
      throw new Fault("unavailable", `Cannot fetch ${name}: the connection to ${host} breaks again and again`, {
        cause,
      });
    }
    const pauseMs = fruitless === 0 ? 0 : 100 * 2 ** fruitless * (0.5 + Math.random());
    // Not all of those who were told the same come back at the same moment.
    const askedMs = outcome.kind === "cut" ? outcome.retryAfterMs * (1 + Math.random() / 4) : 0;
    await wait(Math.max(pauseMs, Math.min(askedMs, quietMs)), undefined, { signal });
  }
}

async function request(address: string, options: DownloadOptions & { sizeBytes: number | null }): Promise<Outcome> {
  const { partial, signal, onBytes, sizeBytes } = options;
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const quiet = setTimeout(() => stop.abort(new Error("no byte for too long")), quietMs);
  const from = partial.sizeBytes;
  try {
    const headers: Record<string, string> = { "accept-encoding": "identity" };
    if (from > 0) headers.range = `bytes=${from}-`;
    const response = await fetch(address, { headers, signal: stop.signal, decompress: false });
    const answer = readStatus(response, from);
    if (answer !== undefined) {
      await response.body?.cancel();
      return answer;
    }
    // A server that does not know Range sends everything again.
    if (from > 0 && response.status === 200) {
      onBytes(-from);
      partial.restart();
    }
    for await (const chunk of response.body ?? []) {
      quiet.refresh();
      partial.append(chunk);
      onBytes(chunk.length);
      if (sizeBytes !== null && partial.sizeBytes > sizeBytes) return { kind: "restart" };
    }
    return { kind: "ended" };
  } catch (cause) {
    signal.throwIfAborted();
    // The disk's failures have a system call; those of the network do not get better by themselves either way.
    if (cause instanceof Error && "syscall" in cause && cause.syscall === "write") throw cause;
    return { kind: "cut", cause, retryAfterMs: 0 };
  } finally {
    clearTimeout(quiet);
    signal.removeEventListener("abort", onAbort);
  }
}

function readStatus(response: Response, from: number): Outcome | undefined {
  const { status } = response;
  if (status === 200) return undefined;
  if (status === 206) {
    const start = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
    return Number(start) === from ? undefined : { kind: "restart" };
  }
  if (status === 416) return { kind: "restart" };
  if (status === 401 || status === 403) return { kind: "refused" };
  if (status === 404 || status === 410 || status === 451) return { kind: "missing", status };
  const retryAfterMs = 1000 * (retryAfterSeconds(response.headers) ?? 0);
  return { kind: "cut", cause: new Error(`status ${status}`), retryAfterMs };
}
