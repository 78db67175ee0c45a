import { join } from "node:path";
import { Redis } from "ioredis";
import { openRevocations } from "../api/revocations.ts";
import { insertRevocation, openRevocationFeed, type Revocation } from "../db/revocation.ts";
import { openTestDeps, testLog, waitFor } from "../tests/harness.ts";
import { startRedis } from "../tests/services/cluster.ts";
import type { Bench, Run } from "./bench.ts";
import { openDatabase } from "./system.ts";

const processes = 8;
const counted = 300;
const countedDeaf = 25;
const boundSeconds = 1;

/** Processes that say when they learn of something; `seen` answers when the last of them did, by the wall clock, in ms. */
async function openListeners(argv: string[], stack: AsyncDisposableStack) {
  const times = new Map<string, number[]>();
  for (let index = 0; index < processes; index++) {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "revocation-listener.ts"), ...argv], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
    stack.defer(async () => {
      child.kill();
      await child.exited;
    });
    void (async () => {
      let rest = "";
      for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          const [id = "", at] = line.split(" ");
          times.set(id, [...(times.get(id) ?? []), Number(at)]);
        }
      }
    })();
  }
  const seen = (id: string) =>
    waitFor(() => {
      const at = times.get(id);
      return at !== undefined && at.length >= processes && Math.max(...at.slice(0, processes));
    }, `${id} to be seen`);
  await seen("ready");
  return seen;
}

const now = () => performance.timeOrigin + performance.now();
const p99 = (values: number[]) =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length * 0.99)] ?? Number.NaN;

/** How long until eight processes know of a revocation: from its commit, against Redis's publish alone; and without any message. */
export const bench: Bench = {
  name: "revocation",
  programs: { "redis-server": "redis-server" },
  run: async ({ folder, stack, report, note }: Run) => {
    await openDatabase({ folder, stack });
    const redis = await startRedis(join(folder, "redis"));
    stack.defer(redis.stop);
    const deps = await openTestDeps({ REDIS_URL: redis.url });
    stack.defer(deps.close);
    const databaseUrl = deps.config.DATABASE_URL ?? "";
    const revocations = openRevocations({
      feed: openRevocationFeed(databaseUrl, testLog),
      bus: deps.bus,
      log: testLog,
    });
    stack.defer(revocations.close);
    const bare = new Redis(redis.url);
    stack.defer(async () => bare.disconnect());
    const revoke = async (seen: (id: string) => Promise<number>) => {
      const revocation: Revocation = { kind: "session", subject: crypto.randomUUID(), ver: null };
      await insertRevocation(deps.db, revocation);
      const committed = now();
      revocations.tell(revocation);
      return ((await seen(revocation.subject)) - committed) / 1000;
    };
    const publish = async (seen: (id: string) => Promise<number>) => {
      const id = crypto.randomUUID();
      const started = now();
      await bare.publish("bare", id);
      return ((await seen(id)) - started) / 1000;
    };
    {
      await using listeners = new AsyncDisposableStack();
      const seen = await openListeners([databaseUrl, redis.url], listeners);
      const [ours, theirs]: [number[], number[]] = [[], []];
      for (let index = 0; index < counted; index++) {
        if (index % 2 === 0) ours.push(await revoke(seen), await revoke(seen));
        else theirs.push(await publish(seen), await publish(seen));
      }
      const ratio = p99(ours) / p99(theirs);
      report({
        what: `revocation seen by ${processes} processes, p99`,
        reference: "Redis publish alone",
        unit: "s",
        aim: "≤ 2",
        reached: ratio <= 2,
        ratio,
        ours: p99(ours),
        theirs: p99(theirs),
        rounds: counted,
      });
    }
    await using listeners = new AsyncDisposableStack();
    const seen = await openListeners([databaseUrl, redis.url, "deaf"], listeners);
    const times: number[] = [];
    for (let index = 0; index < countedDeaf; index++) times.push(await revoke(seen));
    const worst = Math.max(...times);
    note(`a process also stops believing tokens 0.8 s after it last heard from the database`);
    report({
      what: `revocation seen by ${processes} processes with every message dropped, the longest`,
      reference: "the hard bound",
      unit: "s",
      aim: "≤ 1",
      reached: worst <= boundSeconds,
      ratio: worst / boundSeconds,
      ours: worst,
      theirs: boundSeconds,
      rounds: countedDeaf,
    });
  },
};
