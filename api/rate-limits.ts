import type { Pace, RateStore, Taken } from "../db/rate.ts";
import { Fault } from "../fault.ts";
import type { Log } from "../log.ts";

/**
 * So many calls a minute for each key, all of them at once if need be. The name is public, the key is not. `alone`: each
 * process counts for itself, where nothing can be guessed and a shared count would cost more than the call.
 */
export type Allowance = { name: string; perMinute: number; key: string; alone?: boolean };

export type RateLimits = {
  /**
   * Takes one call out of each allowance and writes RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10).
   * Throws `Fault("too-many")` with Retry-After at the first that is used up; the ones after it are not touched.
   */
  take: (allowances: Allowance[], headers?: Headers) => Promise<void>;
  /** Gives back what was taken for a try that was none, such as a right password. Where the store is away, it stays taken there. */
  giveBack: (allowances: Allowance[]) => Promise<void>;
};
type Headers = Record<string, string | number>;

const minuteMs = 60_000;
/** A process that has just started opens its connections first. */
const patienceMs = 2_000;
const pauseMs = 1_000;
const maxKeys = 50_000;
const cleanEveryMs = 60_000;

/**
 * Limits by GCRA, counted for all processes together. When the store is away each process counts by itself, with the same
 * limits, so that nothing is ever unlimited; a key that is used up is refused without asking until its time has come.
 */
export function openRateLimits({ store, log }: { store: RateStore; log: Log }): RateLimits {
  const { take: local, giveBack: giveBackHere } = openLocalStore();
  const refused = new Map<string, number>();
  let awayUntil = Number.NEGATIVE_INFINITY;

  const ask = async (key: string, pace: Pace): Promise<Taken> => {
    // The local count goes on besides: when the store goes away, nobody starts with a full burst.
    const here = local(key, pace);
    if (performance.now() < awayUntil) return here;
    try {
      return await withPatience(store.take(key, pace));
    } catch (error) {
      if (performance.now() >= awayUntil) log.warn({ err: error }, "rate limits are counted by each process alone");
      awayUntil = performance.now() + pauseMs;
      return here;
    }
  };
  const takeOne = async (allowance: Allowance): Promise<Taken & { waitMs: number }> => {
    const { key, pace } = measure(allowance);
    const { alone = false } = allowance;
    const until = refused.get(key);
    const now = performance.now();
    if (until !== undefined && until > now)
      return { allowed: false, fullInMs: until - now + pace.intervalMs * (pace.burst - 1), waitMs: until - now };
    refused.delete(key);
    const taken = alone ? local(key, pace) : await ask(key, pace);
    const waitMs = taken.allowed ? 0 : Math.max(1, taken.fullInMs - pace.intervalMs * (pace.burst - 1));
    if (!taken.allowed) {
      if (refused.size >= maxKeys) refused.clear();
      refused.set(key, performance.now() + waitMs);
    }
    return { ...taken, waitMs };
  };
  let cleanAt = performance.now() + cleanEveryMs;
  const cleanSometimes = () => {
    if (performance.now() < cleanAt) return;
    cleanAt = performance.now() + cleanEveryMs;
    store.clean().catch((error) => log.debug({ err: error }, "old rate limits were not cleaned"));
  };
  return {
    giveBack: async (allowances) => {
      for (const allowance of allowances) {
        const { key, pace } = measure(allowance);
        giveBackHere(key, pace);
        refused.delete(key);
        if (allowance.alone || performance.now() < awayUntil) continue;
        await withPatience(store.giveBack(key, pace)).catch((error) =>
          log.debug({ err: error }, "a try was not given back"),
        );
      }
    },
    take: async (allowances, headers = {}) => {
      cleanSometimes();
      const policies: string[] = [];
      const standings: string[] = [];
      for (const allowance of allowances) {
        const { name, perMinute } = allowance;
        const { allowed, fullInMs, waitMs } = await takeOne(allowance);
        const intervalMs = minuteMs / perMinute;
        const remaining = allowed ? Math.max(0, Math.floor(perMinute - fullInMs / intervalMs)) : 0;
        policies.push(`"${name}";q=${perMinute};w=60`);
        standings.push(`"${name}";r=${remaining};t=${Math.ceil((allowed ? fullInMs : waitMs) / 1000)}`);
        headers["ratelimit-policy"] = policies.join(", ");
        headers.ratelimit = standings.join(", ");
        if (allowed) continue;
        const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
        throw new Fault("too-many", `Too many tries: wait ${retryAfterSeconds} s and try again`, { retryAfterSeconds });
      }
    },
  };
}

/** What an allowance is called in a store, which is not told whose it is, and its pace. */
function measure({ name, perMinute, key: subject }: Allowance): { key: string; pace: Pace } {
  const key = `${name}:${new Bun.CryptoHasher("sha256").update(subject).digest("base64url").slice(0, 22)}`;
  return { key, pace: { intervalMs: minuteMs / perMinute, burst: perMinute } };
}

/** The same in the memory of this process, bounded: what has been at rest longest goes first. */
function openLocalStore() {
  const arrivals = new Map<string, number>();
  const take = (key: string, { intervalMs, burst }: Pace): Taken => {
    const now = performance.now();
    const before = Math.max(arrivals.get(key) ?? now, now);
    const after = before + intervalMs;
    if (after - now > intervalMs * burst + 1) return { allowed: false, fullInMs: before - now };
    if (arrivals.size >= maxKeys) for (const old of [...arrivals.keys()].slice(0, maxKeys / 10)) arrivals.delete(old);
    arrivals.delete(key);
    arrivals.set(key, after);
    return { allowed: true, fullInMs: after - now };
  };
  const giveBack = (key: string, { intervalMs }: Pace): void => {
    const arrival = arrivals.get(key);
    if (arrival !== undefined) arrivals.set(key, arrival - intervalMs);
  };
  return { take, giveBack };
}

async function withPatience<T>(work: Promise<T>): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the rate limits' store takes too long")), patienceMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
