import { FormatRegistry } from "@sinclair/typebox";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { type Job, UnrecoverableError } from "bullmq";
import { type JobRow, postponeJob, seeCanary, settleJob, startJob, updateProgress } from "../db/job.ts";
import type { Deps } from "../deps.ts";
import { Fault } from "../fault.ts";
import { type Actor, Message } from "../queues/actor.ts";
import type { AnyWorker } from "../queues/connection.ts";
import { makeTraceId, withTrace } from "../trace.ts";
import type { RunCounts } from "./run-counts.ts";

/** A failure of ours that goes on for so many runs is final. What is away (storage, database) is waited for without end. */
const giveUpAfterRuns = 25;
const progressEveryMs = 250;
/** So long a run may take to clean up after its signal. */
const endWithinMs = 2_000;

export type RunningActor = { worker: AnyWorker /** Messages being handled at this moment. */; active: () => number };

/** Runs one actor: takes its messages, hands each to its handler, and settles the job's row. */
export async function runActor(actor: Actor, deps: Deps & { counts?: RunCounts }): Promise<RunningActor> {
  const { handle } = await actor.handler();
  const payloads = TypeCompiler.Compile(actor.payload);
  if (!FormatRegistry.Has("uuid"))
    FormatRegistry.Set("uuid", (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text));
  const messages = TypeCompiler.Compile(Message);
  const lockMs = deps.config.LOCK_SECONDS * 1000;
  const needed = Object.fromEntries(actor.needs.map((need) => [need, deps[need]]));

  let active = 0;
  // Three parameters, or BullMQ makes no signal.
  const process = async (job: Job, _token: string | undefined, cancelled: AbortSignal | undefined) => {
    active += 1;
    try {
      await take(job, cancelled);
    } finally {
      active -= 1;
    }
  };
  const take = async (job: Job, cancelled: AbortSignal | undefined) => {
    const limit = AbortSignal.timeout(actor.timeoutMs);
    const signal = cancelled ? AbortSignal.any([cancelled, limit]) : limit;
    if (job.data?.canary) return void (await seeCanary(deps.db, actor.name));
    if (job.data?.tick) return withTrace({ id: makeTraceId() }, () => runTick(signal));
    if (!messages.Check(job.data)) throw new UnrecoverableError("the message is not one of ours");
    const row = await startJob(deps.db, job.data);
    if (!row) return; // settled by another run
    const wanted: number = job.data.wanted;
    await withTrace({ id: row.traceId ?? makeTraceId(), jobId: row.id }, () => runJob(row, wanted, { signal, limit }));
  };

  const runTick = async (signal: AbortSignal) => {
    const log = deps.log.child({ actor: actor.name });
    const tick = { payload: { scope: "all" }, wanted: 0, signal, progress: () => undefined, log };
    const startedAt = performance.now();
    const count = (outcome: "completed" | "failed") =>
      deps.counts?.count({ actor: actor.name, outcome, durationMs: performance.now() - startedAt });
    try {
      await endSoon(handle({ ...tick, deps: needed } as never), signal);
      count("completed");
    } catch (error) {
      count("failed");
      log.warn({ err: error }, "a periodic run failed");
      throw error;
    }
  };

  const runJob = async (
    row: JobRow,
    wanted: number,
    { signal, limit }: { signal: AbortSignal; limit: AbortSignal },
  ) => {
    const { id: jobId } = row;
    const log = deps.log.child({ actor: actor.name, jobId });
    const startedAt = performance.now();
    const count = (outcome: "completed" | "postponed" | "failed") => {
      const durationMs = performance.now() - startedAt;
      deps.counts?.count({ actor: actor.name, outcome, durationMs });
      log.info({ outcome, durationMs: Math.round(durationMs), attempt: row.attempts }, "job");
    };
    const progress = throttle((share: number) => {
      void updateProgress(deps.db, { jobId, wanted, progress: share })
        .then(() => deps.bus.publish("job.changed", jobId))
        .catch((error) => log.debug({ err: error }, "progress was not written"));
    });
    try {
      // A run that takes its pod down with it never gets to say so: after that many there is no other.
      if (row.brokenOff >= giveUpAfterRuns)
        throw new Fault(
          "internal",
          `Cannot finish: ${giveUpAfterRuns} runs broke off. The operator finds them in the log`,
        );
      if (!payloads.Check(row.payload))
        throw new Fault("invalid", "Cannot run: the payload is not what this actor takes");
      deps.bus.publish("job.changed", jobId);
      const running = handle({ payload: row.payload, wanted, deps: needed, signal, progress, log } as never);
      const result = await endSoon(running, signal);
      await settleJob(deps.db, { jobId, wanted, state: "completed", result: result ?? {} });
      count("completed");
    } catch (error) {
      const fault =
        error instanceof Fault
          ? error
          : new Fault("internal", "Something went wrong here: the operator finds it in the log", { cause: error });
      const ours = limit.aborted || (fault.code === "internal" && !signal.aborted);
      const final = !fault.mayRetry || (ours && Math.max(row.attempts, row.brokenOff) >= giveUpAfterRuns);
      log[final ? "warn" : "info"]({ err: fault, cause: fault.cause, final }, "a run failed");
      const problem = {
        code: fault.code,
        title: fault.title,
        detail: fault.message,
        errors: fault.errors,
        ...fault.extra,
      };
      if (final) await settleJob(deps.db, { jobId, wanted, state: "failed", problem });
      else await postponeJob(deps.db, { jobId, wanted, problem });
      count(final ? "failed" : "postponed");
      deps.bus.publish("job.changed", jobId);
      throw final ? new UnrecoverableError(fault.message) : fault;
    }
    deps.bus.publish("job.changed", jobId);
  };

  const worker = deps.queues.openWorker(actor.name, process, {
    concurrency: actor.concurrency,
    lockDuration: lockMs,
    stalledInterval: lockMs,
    maxStalledCount: 10,
    drainDelay: 5,
    removeOnComplete: { age: 3_600, count: 1_000 },
    removeOnFail: { age: 7 * 24 * 3_600, count: 1_000 },
  });
  return { worker, active: () => active };
}

/**
 * What a run resolves with. One that goes on although its signal has told it to end is left behind, as `unavailable`: it
 * hangs at something outside, and would keep its actor from all other messages.
 */
async function endSoon<T>(running: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  let timer: Timer | undefined;
  const wait = () => {
    const fault = new Fault("unavailable", "Cannot finish: the run did not end when it was told to");
    timer = setTimeout(() => reject(fault), endWithinMs);
  };
  signal.addEventListener("abort", wait, { once: true });
  if (signal.aborted) wait();
  try {
    return await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", wait);
    running.catch(() => undefined); // told by the race, or nobody's any more
  }
}

function throttle(write: (share: number) => void): (share: number) => void {
  let last = 0;
  return (share) => {
    const now = performance.now();
    if (now - last < progressEveryMs) return;
    last = now;
    write(Math.min(1, Math.max(0, share)));
  };
}
