import { Fault } from "../../fault.ts";
import type { RateLimits } from "../rate-limits.ts";

export type WrongCodes = {
  /** Throws `Fault("too-many")` for an address that has typed too many wrong codes: then a right one helps no more. */
  check: (address: string) => void;
  /** Counts a wrong code; throws as `check` when it was one too many. */
  count: (address: string) => Promise<void>;
};

const perMinute = 5;
const maxAddresses = 10_000;

/**
 * Five wrong user codes a minute for each address, counted for all processes together. Right ones are not counted: many
 * players may share an address. Each process remembers by itself whom it has refused.
 */
export function openWrongCodes(rateLimits: RateLimits): WrongCodes {
  const refused = new Map<string, number>();
  return {
    check: (address) => {
      const waitMs = (refused.get(address) ?? 0) - performance.now();
      if (waitMs <= 0) return void refused.delete(address);
      const retryAfterSeconds = Math.ceil(waitMs / 1000);
      throw new Fault("too-many", `Too many wrong codes: wait ${retryAfterSeconds} s`, { retryAfterSeconds });
    },
    count: async (address) => {
      try {
        await rateLimits.take([{ name: "user-codes", perMinute, key: address }]);
      } catch (error) {
        if (refused.size >= maxAddresses) refused.clear();
        if (error instanceof Fault) refused.set(address, performance.now() + (error.retryAfterSeconds ?? 60) * 1000);
        throw error;
      }
    },
  };
}
