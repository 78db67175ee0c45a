import { findSalt } from "../../db/analytics-event.ts";
import type { Db } from "../../db/query.ts";

/** What a visitor is known by, on one day and nowhere else. */
export type Visitor = { address: string; agent: string; userId: string | null };

export type Visitors = {
  /** The salt of the day (UTC) of a time. Throws when the database cannot say it. */
  findSaltOf: (at: Date) => Promise<Uint8Array>;
};

const dayMs = 24 * 3600_000;
const keptDays = 2;
const tries = 3;
export const digestBytes = 16;

/** Whether somebody asks not to be counted: DNT, or Global Privacy Control. */
export function refusesCounting({ headers }: Request): boolean {
  return headers.get("dnt") === "1" || headers.get("sec-gpc") === "1";
}

/** The digest of a visitor with a day's salt: the same on that day, and without the salt nobody's. Of an IPv4 address /24, of an IPv6 one /64. */
export function digestVisitor(salt: Uint8Array, { address, agent, userId }: Visitor): Uint8Array {
  const network = address.replace(/\.\d+$/, "");
  const hash = new Bun.CryptoHasher("sha256").update(salt).update(`${network}\n${agent}\n${userId ?? ""}`);
  return hash.digest().subarray(0, digestBytes);
}

/** Knows the salts of today and yesterday, and no others. */
export function openVisitors(db: Db): Visitors {
  const salts = new Map<string, Promise<Uint8Array>>();
  const ask = async (day: string): Promise<Uint8Array> => {
    const fresh = crypto.getRandomValues(new Uint8Array(32));
    for (let attempt = 1; attempt <= tries; attempt++) {
      const salt = await findSalt(db, { day, fresh });
      if (salt) return salt.value;
    }
    throw new Error(`Cannot find the salt of ${day}`);
  };
  return {
    findSaltOf: (at) => {
      const day = at.toISOString().slice(0, 10);
      const known = salts.get(day);
      if (known) return known;
      const oldest = new Date(Date.now() - keptDays * dayMs).toISOString().slice(0, 10);
      for (const other of salts.keys()) if (other <= oldest) salts.delete(other);
      const asking = ask(day);
      salts.set(day, asking);
      asking.catch(() => salts.delete(day));
      return asking;
    },
  };
}
