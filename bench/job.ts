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
    await measure({ environment: {}, name: "PostgreSQL", count: 500 }, { stack, report });
    if (!Bun.which("redis-server", { PATH: searchPath })) {
      note("skipped on Redis: redis-server (Debian package redis-server) is missing");
      return;
    }
    const redis = await startRedis(join(folder, "redis"));
    stack.defer(redis.stop);
    await measure({ environment: { REDIS_URL: redis.url }, name: "Redis", count: 2_000 }, { stack, report });
  },
};

type Server = { environment: Record<string, string>; name: string; count: number };

async function measure({ environment, name, count }: Server, { stack, report }: Pick<Run, "stack" | "report">) {
  const deps = await openTestDeps(environment);
  stack.defer(deps.close);
  const ours = await openOurs(deps, stack);
  const theirs = await openBare(deps, stack);
  const sides = { reference: `bare BullMQ on ${name}`, unit: "/s", aim: { atLeast: 0.5 }, rounds } as const;
  report(
    await compare({
      ...sides,
      what: `job on ${name}, rate with ${sendersAtOnce} senders`,
      ours: () => ours(count, sendersAtOnce),
      theirs: () => theirs(count, sendersAtOnce),
    }),
  );
  report(
    await compare({
      ...sides,
      what: `job on ${name}, rate one after the other`,
      ours: () => ours(count / 5, 1),
      theirs: () => theirs(count / 5, 1),
    }),
  );
}

/** Runs `count` jobs from `senders` at once, each waiting for its job when there is but one; answers jobs per second. */
type Rounds = (count: number, senders: number) => Promise<number>;

async function openOurs(deps: Deps, stack: AsyncDisposableStack): Promise<Rounds> {
  const mailbox = openMailbox({ queues: deps.queues, actors: [doNothing], log: testLog });
  stack.defer(mailbox.close);
  const { worker } = await runActor(doNothing, deps);
  stack.defer(() => worker.close());
  const completions = countCompletions((listener) => void worker.on("completed", listener));
  let number = 0;
  return timed(completions, async () => {
    number += 1;
    const payload = { number };
    const message = await deps.db.transaction((tx) => want(tx, doNothing, { payload }));
    await mailbox.send(doNothing.name, message);
  });
}

async function openBare(deps: Deps, stack: AsyncDisposableStack): Promise<Rounds> {
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
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting = { until, resolve };
      await promise;
    },
  };
}

function timed(completions: Completions, send: () => Promise<void>): Rounds {
  return async (count, senders) => {
    const end = completions.count + count;
    let left = count;
    const start = performance.now();
    const drain = async () => {
      while (left > 0) {
        left -= 1;
        const before = completions.count;
        await send();
        if (senders === 1) await completions.waitFor(before + 1);
      }
    };
    await Promise.all(Array.from({ length: senders }, drain));
    await completions.waitFor(end);
    return count / ((performance.now() - start) / 1000);
  };
}
