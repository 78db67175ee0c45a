import { setTimeout as pause } from "node:timers/promises";
import { Fault } from "../fault.ts";
import { fetchOutbound, type OutboundAnswer, type OutboundRule } from "../outbound.ts";

/** A connection that brings nothing for so long is cut. */
const idleMs = 30_000;
const maxCuts = 5;
const firstPauseMs = 200;
const maxPauseMs = 1_000;

type Options = {
  allow: readonly OutboundRule[];
  maxBytes: number;
  /** Limit of everything together, cuts and all. */
  timeoutMs: number;
  signal: AbortSignal;
};

export type Fetched = {
  /** What the host says the size is, if it does. */
  sizeBytes: number | undefined;
  /** The bytes in order, once. Throws what `fetchResumable` throws; leaving the loop early closes the connection. */
  bytes: AsyncIterable<Uint8Array>;
  /** Closes the connection, also when the bytes were not read. */
  close: () => void;
};

/**
 * Fetches an address that a stranger named; when the connection is cut, goes on with the byte that is next (RFC 9110,
 * 14.2), up to five times. Throws Fault `unavailable` where another try makes sense later, `not-allowed`, `not-found` or
 * `too-large` where it does not, and the signal's reason when it is aborted.
 */
export async function fetchResumable(url: string, options: Options): Promise<Fetched> {
  const { maxBytes, timeoutMs, signal } = options;
  const deadline = performance.now() + timeoutMs;
  const first = await connect(url, { ...options, from: 0 });
  let connection: Connection | undefined = first;

  async function* read(): AsyncGenerator<Uint8Array> {
    let receivedBytes = 0;
    for (let cuts = 0; ; ) {
      try {
        const leftMs = deadline - performance.now();
        connection ??= await connect(url, { ...options, timeoutMs: leftMs, from: receivedBytes, first });
        for await (const chunk of connection.bytes) {
          receivedBytes += chunk.byteLength;
          if (receivedBytes > maxBytes)
            throw new Fault("too-large", `Cannot fetch this address: it is larger than ${maxBytes} bytes`);
          yield chunk;
        }
        return;
      } catch (error) {
        signal.throwIfAborted();
        cuts += 1;
        const hopeless = cuts > maxCuts || performance.now() > deadline;
        if (!(error instanceof Fault) || !error.mayRetry || hopeless) throw error;
        connection = undefined;
        const pauseMs = Math.min(maxPauseMs, firstPauseMs * 2 ** (cuts - 1));
        await pause(pauseMs * (0.5 + Math.random() / 2), undefined, { signal });
      }
    }
  }
  return { sizeBytes: first.sizeBytes, bytes: read(), close: () => connection?.close() };
}

type Connection = {
  bytes: AsyncIterable<Uint8Array>;
  sizeBytes: number | undefined;
  validator: string | null;
  close: () => void;
};
type Connect = Options & { from: number; first?: Connection };

async function connect(url: string, { from, first, signal, timeoutMs, ...options }: Connect): Promise<Connection> {
  const idle = startIdle(signal);
  try {
    const answer = await fetchOutbound(url, {
      ...options,
      timeoutMs: Math.max(1, Math.ceil(timeoutMs)),
      signal: idle.signal,
      headers: {
        ...(from > 0 && { range: `bytes=${from}-` }),
        ...(from > 0 && first?.validator && { "if-range": first.validator }),
      },
    });
    const close = () => {
      answer.close();
      idle.end();
    };
    try {
      const skipBytes = readSkip(answer, { from, sizeBytes: first?.sizeBytes });
      const sizeBytes = readLength(answer);
      return { bytes: readBody(answer, { idle, skipBytes }), sizeBytes, validator: readValidator(answer), close };
    } catch (error) {
      close();
      throw error;
    }
  } catch (error) {
    idle.end();
    throw error;
  }
}

/** How many bytes of this answer are known already: none of a part (206), all before `from` of the whole (200). */
function readSkip(
  answer: OutboundAnswer,
  { from, sizeBytes }: { from: number; sizeBytes: number | undefined },
): number {
  const { status, headers } = answer;
  const host = new URL(answer.url).hostname;
  if (status === 200) return from;
  if (status === 206 && from > 0) {
    const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") ?? [];
    const sameTotal = total === "*" || sizeBytes === undefined || Number(total) === sizeBytes;
    if (Number(start) === from && sameTotal) return 0;
    throw new Fault("unavailable", `Cannot fetch from ${host}: it answers with another part than was asked for`);
  }
  const state = `Cannot fetch from ${host}: it answers ${status}`;
  if (status === 404 || status === 410) throw new Fault("not-found", state);
  if (status >= 500 || [408, 416, 425, 429].includes(status)) throw new Fault("unavailable", state);
  throw new Fault("not-allowed", state);
}

type Reading = { idle: { touch: () => void; end: () => void }; skipBytes: number };

async function* readBody({ body }: OutboundAnswer, { idle, skipBytes }: Reading): AsyncGenerator<Uint8Array> {
  let leftToSkip = skipBytes;
  try {
    for await (const chunk of body) {
      idle.touch();
      const fresh = chunk.subarray(Math.min(leftToSkip, chunk.byteLength));
      leftToSkip -= chunk.byteLength - fresh.byteLength;
      if (fresh.byteLength > 0) yield fresh;
      idle.touch(); // whoever took the chunk may have been slow, which is not the host's fault
    }
  } finally {
    idle.end();
  }
}

function readLength({ headers }: OutboundAnswer): number | undefined {
  const length = headers.get("content-length") ?? "";
  return /^\d+$/.test(length) ? Number(length) : undefined;
}

/** Says which bytes a part must belong to (RFC 9110, 13.1.5): only a strong tag can. */
function readValidator({ headers }: OutboundAnswer): string | null {
  const etag = headers.get("etag");
  return etag?.startsWith('"') ? etag : null;
}

/** A signal that follows another one, and is aborted when it was not touched for `idleMs`. */
function startIdle(signal: AbortSignal) {
  const controller = new AbortController();
  const expire = () =>
    controller.abort(new Fault("unavailable", `Cannot fetch this address: nothing came for ${idleMs / 1000} s`));
  let timer = setTimeout(expire, idleMs);
  const follow = () => controller.abort(signal.reason);
  signal.addEventListener("abort", follow, { once: true });
  return {
    signal: controller.signal,
    touch: () => {
      clearTimeout(timer);
      timer = setTimeout(expire, idleMs);
    },
    end: () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", follow);
    },
  };
}
