import { decode, signRaw, type TestKey } from "../tests/api/hand-made.ts";
import type { Bench } from "./bench.ts";
import { countAnswers } from "./load.ts";
import { compare } from "./measure.ts";
import { openSystem } from "./system.ts";

const rounds = 5;
const seconds = 2;
const connections = 32;
/** More than a round can use: each is shown once. */
const coldTokens = 40_000;

/** The page of a public pack (one statement) for somebody who signed in, against the same for anybody. */
export const bench: Bench = {
  name: "auth",
  programs: {},
  run: async ({ folder, stack, report }) => {
    const system = await openSystem({ folder, stack }, { pods: 1 });
    const author = await system.signUp();
    await author.call("POST", "/v1/packs", { body: { slug: "bench", name: "Bench", visibility: "public" } });
    const reader = await system.signUp();
    const url = `${system.url}/v1/packs/bench`;
    const anonymous = () => countAnswers(url, { seconds, connections });
    const sides = { reference: "the same without a token", unit: "/s", rounds, theirs: anonymous } as const;
    report(
      await compare({
        ...sides,
        what: "authenticated GET, warm, rate",
        aim: { atLeast: 0.9 },
        ours: () => countAnswers(url, { seconds, connections, token: () => reader.token }),
      }),
    );
    const [header = "", payload = ""] = reader.token.split(".");
    const key: TestKey = JSON.parse(system.environment.SIGNING_KEY ?? "");
    report(
      await compare({
        ...sides,
        what: "authenticated GET, each token for the first time, rate",
        aim: { atLeast: 0.25 },
        ours: () => {
          const fresh = () => signRaw(key, decode(header), { ...decode(payload), jti: crypto.randomUUID() });
          const tokens = Array.from({ length: coldTokens }, fresh);
          let used = 0;
          return countAnswers(url, { seconds, connections, token: () => tokens[used++] ?? "none" });
        },
      }),
    );
  },
};
