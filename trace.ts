import { AsyncLocalStorage } from "node:async_hooks";

/** What a line of the log, a job or a fact belongs to: one request and all that follows from it. */
export type Trace = { id: string; caller?: string; jobId?: string };

// The one thing here that is made on import: what is under way is known by where the code was called from.
const traces = new AsyncLocalStorage<Trace>();

/** The trace of whatever is being done. */
export const currentTrace = (): Trace | undefined => traces.getStore();

/** From here on, until this caller's work ends, all belongs to that trace. For hooks that cannot wrap what follows them. */
export const enterTrace = (trace: Trace): void => traces.enterWith(trace);

/** Does `work` as part of a trace. */
export const withTrace = <T>(trace: Trace, work: () => T): T => traces.run(trace, work);

/** A trace id that nobody has: 128 random bits in hex. */
export function makeTraceId(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("hex");
}

/**
 * The trace id of a `traceparent` header (W3C Trace Context, 3.2): undefined when it is not valid. Versions after 00 may carry
 * more behind what we know; ff is none.
 */
export function readTraceparent(header: string | null): string | undefined {
  const [, version, traceId = "", parentId = "", rest] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/.exec(header ?? "") ?? [];
  const fits = version !== undefined && version !== "ff" && !(version === "00" && rest !== undefined);
  return fits && /[1-9a-f]/.test(traceId) && /[1-9a-f]/.test(parentId) ? traceId : undefined;
}

let spans = Math.floor(Math.random() * 2 ** 32);

/** The header that tells others of a trace; the span in it is another one each time. */
export function writeTraceparent(traceId: string): string {
  spans = (spans + 1) % 2 ** 32;
  return `00-${traceId}-${traceId.slice(24)}${(spans || 1).toString(16).padStart(8, "0")}-01`;
}
