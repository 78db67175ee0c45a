import { openTurns } from "../turns.ts";
import { verifyHash } from "./legacy-hashes.ts";

/** argon2id with 19 MiB and two passes (OWASP Password Storage Cheat Sheet). */
const cost = { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 } as const;
const current = `$argon2id$v=19$m=${cost.memoryCost},t=${cost.timeCost},`;
const atOnce = 4;
const maxWaiting = 64;

/** What nobody's password fits, of the same cost as everybody's: for those who have none. */
const nobodys = `${current}p=1$${"c3VuZHVrIG5vYm9keQ".padEnd(22, "A")}$${"A".repeat(43)}`;

/** Whether a password is right; `stale` when it is, and its hash was made in another way than today's. */
export type Verdict = { right: boolean; stale: boolean };

export type Passwords = {
  hash: (password: string) => Promise<string>;
  /** One hash in any case: for an unknown account (no hash) as for a wrong password. */
  verify: (password: string, hash: string | undefined) => Promise<Verdict>;
};

/** Hashes in a bounded queue, so that a flood of sign-ins cannot starve the rest. */
export function openPasswords(): Passwords {
  const inTurn = openTurns({ atOnce, maxWaiting, refusal: "Too many people sign in at this moment: try again" });
  return {
    hash: (password) => inTurn(() => Bun.password.hash(password, cost)),
    verify: (password, hash) =>
      inTurn(async () => {
        const right = (await verifyHash(password, hash ?? nobodys)) && hash !== undefined;
        return { right, stale: right && !hash?.startsWith(current) };
      }),
  };
}
