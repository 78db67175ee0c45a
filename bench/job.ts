import { join } from "node:path";
import type { Deps } from "../deps.ts";
import { actor, t } from "../queues/actor.ts";
import { openMailbox, want } from "../queues/mailbox.ts";
import { openTestDeps, testLog } from "../tests/harness.ts";
import { startRedis } from "../tests/services/cluster.ts";
import { runActor } from "../workers/run.ts";
import { type Bench, type Run, searchPath } from "./bench.ts";
import { compare } from "./measure.ts";
import { openDatabase } from "./system.ts";

const rounds = 5;
const concurrency = 16;
const sendersAtOnce = 32;
const roundMs = 1_000;
/** For what is on its way at the end of a round. */
const limitMs = 20_000;

const Nothing = t.Object({ number: t.Integer() });
const doNothing = actor({
  name: "do-nothing",
  payload: Nothing,
  subject: ({ number }) => String(number),
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency,
  timeoutMs: 60_000,
  needs: [],
  handler: async () => ({ handle: async () => ({}) }),
});

/**
 * An actor's whole round, a wish in a row (committed), its message, the handler (which does nothing) and the settled row
 * (committed), against BullMQ's add and process alone on the same queue server.
 */
export const bench: Bench = {
  name: "job",
  programs: {},
  run: async ({ folder, stack, report, note }) => {
    await openDatabase({ folder, stack });
    await measure({ environment: {}, name: "PostgreSQL" }, { stack, report });
    if (!Bun.which("redis-server", { PATH: searchPath })) {
      note("skipped on Redis: redis-server (Debian package redis-server) is missing");
      return;
    }
    const redis = await startRedis(join(folder, "redis"));
    stack.defer(redis.stop);
    await measure({ environment: { REDIS_URL: redis.url }, name: "Redis" }, { stack, report });
  },
};

type Server = { environment: Record<string, string>; name: string };

async function measure({ environment, name }: Server, { stack, report }: Pick<Run, "stack" | "report">) {
  const deps = await openTestDeps(environment);
  stack.defer(deps.close);
  const ours = await openOurs(deps, stack);
  const theirs = await openBare(deps, stack);
  const sides = { reference: `bare BullMQ on ${name}`, unit: "/s", aim: { atLeast: 0.5 }, rounds } as const;
  report(
    await compare({
      ...sides,
      what: `job on ${name}, rate with ${sendersAtOnce} senders`,
      ours: () => ours(sendersAtOnce),
      theirs: () => theirs(sendersAtOnce),
    }),
  );
  report(
    await compare({
      ...sides,
      what: `job on ${name}, rate one after the other`,
      ours: () => ours(1),
      theirs: () => theirs(1),
    }),
  );
}

/** Jobs per second with so many senders; a single one waits for its job before it sends the next. */
type Round = (senders: number) => Promise<number>;

async function openOurs(deps: Deps, stack: AsyncDisposableStack): Promise<Round> {
  const mailbox = openMailbox({ queues: deps.queues, actors: [doNothing], log: testLog });
  stack.defer(mailbox.close);
  const { worker } = await runActor(doNothing, deps);
  stack.defer(() => worker.close());
  const completions = countCompletions((listener) => void worker.on("completed", listener));
  let number = 0;
  return timed(completions, async () => {
    number += 1;
    await mailbox.send(doNothing.name, await want(deps.db, doNothing, { payload: { number } }));
  });
}

async function openBare(deps: Deps, stack: AsyncDisposableStack): Promise<Round> {
  const queue = deps.queues.openQueue("bare");
  stack.defer(() => queue.close());
  const worker = deps.queues.openWorker("bare", async () => undefined, {
    concurrency,
    removeOnComplete: { count: 1_000 },
  });
  stack.defer(() => worker.close());
  const completions = countCompletions((listener) => void worker.on("completed", listener));
  return timed(completions, async () => {
    await queue.add("bare", {}, { removeOnComplete: { count: 1_000 } });
  });
}

type Completions = { waitFor: (count: number) => Promise<void>; readonly count: number };

function countCompletions(listen: (listener: () => void) => void): Completions {
  let count = 0;
  let waiting: { until: number; resolve: () => void } | undefined;
  listen(() => {
    count += 1;
    if (waiting && count >= waiting.until) waiting.resolve();
  });
  return {
    get count() {
      return count;
    },
    waitFor: async (until) => {
      if (count >= until) return;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      waiting = { until, resolve };
      const limit = setTimeout(() => reject(new Error(`Cannot measure: ${count} of ${until} jobs ran`)), limitMs);
      await promise.finally(() => clearTimeout(limit));
    },
  };
}

/** Sends for `roundMs`, then waits for the last job; so a round takes its time however fast the machine is. */
function timed(completions: Completions, send: () => Promise<void>): Round {
  return async (senders) => {
    const before = completions.count;
    let sent = 0;
    const start = performance.now();
    const drain = async () => {
      while (performance.now() - start < roundMs) {
        sent += 1;
        await send();
        if (senders === 1) await completions.waitFor(before + sent);
      }
    };
    await Promise.all(Array.from({ length: senders }, drain));
    await completions.waitFor(before + sent);
    return sent / ((performance.now() - start) / 1000);
  };
}
