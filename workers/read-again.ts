import { Fault } from "../fault.ts";

const maxBreaks = 3;

/**
 * The bytes that `open` gives, read anew from their start when they break off, without what was given before: storage
 * may drop a connection that waits for its turn. Throws what may not be tried again, and what breaks too often.
 */
export async function* readAgain(
  open: () => Promise<AsyncIterable<Uint8Array>>,
  { signal }: { signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  let givenBytes = 0;
  for (let breaks = 0; ; ) {
    let skipBytes = givenBytes;
    try {
      for await (const chunk of await open()) {
        const fresh = chunk.subarray(Math.min(skipBytes, chunk.byteLength));
        skipBytes -= chunk.byteLength - fresh.byteLength;
        givenBytes += fresh.byteLength;
        if (fresh.byteLength > 0) yield fresh;
      }
      return;
    } catch (error) {
      signal.throwIfAborted();
      breaks += 1;
      if ((error instanceof Fault && !error.mayRetry) || breaks > maxBreaks) throw error;
    }
  }
}
