import { openCall } from "../tests/harness.ts";
import type { Bench } from "./bench.ts";
import { compare, median } from "./measure.ts";
import { openSystem } from "./system.ts";

const rounds = 5;
const seconds = 2;
/** As many as the API hashes at once. */
const atOnce = 4;
const pairs = 150;
const password = "a long test password";

/** How many pieces of work a second, so many at once. */
async function countWork(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  let done = 0;
  const worker = async () => {
    while (performance.now() - started < seconds * 1000) {
      await work();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return done / ((performance.now() - started) / 1000);
}

/** Sign-ins over HTTP against the bare hash at the same parameters; and a login that there is against one that there is not. */
export const bench: Bench = {
  name: "logins",
  programs: {},
  run: async ({ folder, stack, report }) => {
    const system = await openSystem({ folder, stack }, { pods: 1 });
    const { login } = await system.signUp();
    const call = openCall(system.url);
    const signIn = (body: { login: string; password: string }) => call("POST", "/v1/auth/login", { body });
    const hash = await Bun.password.hash(password, { algorithm: "argon2id", memoryCost: 19_456, timeCost: 2 });
    report(
      await compare({
        what: "logins, rate",
        reference: `Bun.password.verify at the same parameters, ${atOnce} at once`,
        unit: "/s",
        aim: { atLeast: 0.9 },
        rounds,
        ours: () => countWork(() => signIn({ login, password })),
        theirs: () => countWork(() => Bun.password.verify(password, hash)),
      }),
    );
    const times: Record<"known" | "unknown", number[]> = { known: [], unknown: [] };
    const time = async (kind: "known" | "unknown") => {
      const started = performance.now();
      await signIn({ login: kind === "known" ? login : `${login.slice(0, -1)}_`, password: "wrong password" });
      times[kind].push((performance.now() - started) / 1000);
    };
    for (let index = 0; index < pairs; index++) {
      // In turns, and each first as often as the other.
      for (const kind of index % 2 === 0 ? (["known", "unknown"] as const) : (["unknown", "known"] as const))
        await time(kind);
    }
    const [ours, theirs] = [median(times.known), median(times.unknown)];
    const ratio = ours / theirs;
    report({
      what: "a wrong password of a login that there is, time",
      reference: "a login that there is not",
      unit: "s",
      aim: "0.98 to 1.02",
      reached: Math.abs(1 - ratio) <= 0.02,
      ratio,
      ours,
      theirs,
      rounds: pairs,
    });
  },
};
