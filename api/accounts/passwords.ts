import { Fault } from "../../fault.ts";

/** argon2id with 19 MiB and two passes (OWASP Password Storage Cheat Sheet). */
const cost = { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 } as const;
const current = `$argon2id$v=19$m=${cost.memoryCost},t=${cost.timeCost},`;
const atOnce = 4;
const maxWaiting = 64;

/** Whether a password is right; `rehashed` when it is, and its hash was made with other parameters than today's. */
export type Verdict = { right: boolean; rehashed?: string };

export type Passwords = {
  hash: (password: string) => Promise<string>;
  /** Takes as long for an unknown account (no hash) as for a wrong password. */
  verify: (password: string, hash: string | undefined) => Promise<Verdict>;
};

/** Hashes in a bounded queue, so that a flood of sign-ins cannot starve the rest. */
export function openPasswords(): Passwords {
  let running = 0;
  const waiting: (() => void)[] = [];
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= atOnce) {
      if (waiting.length >= maxWaiting)
        throw new Fault("unavailable", "Too many people sign in at this moment: try again", { retryAfterSeconds: 2 });
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    running++;
    try {
      return await work();
    } finally {
      running--;
      waiting.shift()?.();
    }
  };
  let dummy: Promise<string> | undefined;
  return {
    hash: (password) => inTurn(() => Bun.password.hash(password, cost)),
    verify: (password, hash) =>
      inTurn(async () => {
        dummy ??= Bun.password.hash(crypto.randomUUID(), cost);
        const right = await Bun.password.verify(password, hash ?? (await dummy));
        if (hash === undefined || !right) return { right: false };
        return hash.startsWith(current) ? { right } : { right, rehashed: await Bun.password.hash(password, cost) };
      }),
  };
}
