import pg from "pg";
import { openCall } from "../tests/harness.ts";
import type { Bench } from "./bench.ts";
import { compare } from "./measure.ts";
import { openSystem } from "./system.ts";

const rounds = 5;
const seconds = 2;
const clients = 16;
const password = "a long test password";

/** Runs each worker's work again and again; answers how many a second. */
async function countRounds(workers: (() => Promise<unknown>)[]): Promise<number> {
  const started = performance.now();
  let done = 0;
  const turn = async (work: () => Promise<unknown>) => {
    while (performance.now() - started < seconds * 1000) {
      await work();
      done += 1;
    }
  };
  await Promise.all(workers.map(turn));
  return done / ((performance.now() - started) / 1000);
}

/** Refreshing over HTTP, each client its own session, against the statement that advances a session, alone, on as many connections. */
export const bench: Bench = {
  name: "refresh",
  programs: {},
  run: async ({ folder, stack, report }) => {
    const system = await openSystem({ folder, stack }, { pods: 1 });
    const { login } = await system.signUp();
    const call = openCall(system.url);
    const signIn = async () => (await call("POST", "/v1/auth/login", { body: { login, password } })).json;
    const ours = await Promise.all(
      Array.from({ length: clients }, async () => {
        let { refreshToken } = await signIn();
        return async () => {
          const answer = await call("POST", "/v1/auth/refresh", { body: { refreshToken } });
          if (answer.status !== 200) throw new Error(`refreshing: ${answer.text}`);
          refreshToken = answer.json.refreshToken;
        };
      }),
    );
    const theirs = await Promise.all(
      Array.from({ length: clients }, async () => {
        const { refreshToken } = await signIn();
        const client = new pg.Client({ connectionString: system.environment.DATABASE_URL });
        await client.connect();
        stack.defer(() => client.end());
        let counter = 0;
        return async () => {
          await client.query({
            name: "advance",
            text: `update account.session set counter = counter + 1, advanced_at = now(), used_at = now()
              where id = $1 and counter = $2 and ended_at is null and expires_at > now() returning counter`,
            values: [refreshToken.split(".")[0], counter],
          });
          counter += 1;
        };
      }),
    );
    report(
      await compare({
        what: "refresh, rate",
        reference: `the rotating statement alone, ${clients} connections, commits synced`,
        unit: "/s",
        aim: { atLeast: 0.5 },
        rounds,
        ours: () => countRounds(ours),
        theirs: () => countRounds(theirs),
      }),
    );
  },
};
