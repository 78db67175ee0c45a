import { Fault } from "../../fault.ts";
import { backoffMs, waitFor } from "../call.ts";
import type { Origin } from "./origin.ts";

const atOnce = 1000;
const tries = 5;

/**
 * Hands out pre-signed addresses, many for one request. One that the storage refuses is asked for again, together with
 * all others of its age that are still to come.
 */
export function createUrls(origin: Pick<Origin, "signUrls">, options: { sha256s: string[]; signal: AbortSignal }) {
  const waiting = new Set(options.sha256s);
  const urls = new Map<string, string>();
  let signing: Promise<void> | undefined;

  async function sign(sha256: string) {
    const batch = [sha256, ...[...waiting].filter((other) => other !== sha256 && !urls.has(other))].slice(0, atOnce);
    const signed = await signPatiently(batch);
    for (const [key, url] of signed) urls.set(key, url);
    if (!signed.has(sha256)) {
      throw new Fault("not-found", `Cannot install: the server does not give out the bytes ${sha256}`);
    }
  }

  // Signing changes nothing on the server, so a try that failed may be repeated.
  async function signPatiently(batch: string[]) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await origin.signUrls(batch, options);
      } catch (error) {
        if (!(error instanceof Fault) || !error.mayRetry || attempt >= tries) throw error;
        await waitFor(Math.min(backoffMs(attempt, error.retryAfterSeconds), 30_000), options.signal);
      }
    }
  }

  return {
    /** The address of a blob; `refused` is one that did not work. */
    async get(sha256: string, refused?: string): Promise<string> {
      for (let round = 0; round < 8; round++) {
        const url = urls.get(sha256);
        if (url !== undefined && url !== refused) return url;
        // All addresses were signed at about the same time: when one has expired, the others soon will.
        if (url !== undefined && signing === undefined) urls.clear();
        signing ??= sign(sha256).finally(() => {
          signing = undefined;
        });
        await signing;
      }
      throw new Fault("unavailable", "Cannot install: the storage refuses the addresses that the server signs");
    },
    /** Says that these will be asked for too. */
    expect(sha256s: string[]) {
      for (const sha256 of sha256s) waiting.add(sha256);
    },
    done(sha256: string) {
      waiting.delete(sha256);
    },
  };
}

export type Urls = ReturnType<typeof createUrls>;
