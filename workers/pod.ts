import { listSilentQueues } from "../db/job.ts";
import type { Deps } from "../deps.ts";
import type { AnyWorker } from "../queues/connection.ts";
import { actors } from "../queues/index.ts";
import { runActor } from "./run.ts";

export type Pod = { close: () => Promise<void> };

const drainMs = 6_000;
const silentAfterSeconds = 30;

/**
 * Runs actors in this process: all of them, or those named. `onDeaf` is called when a queue's canary waits although this
 * pod's worker is idle: BullMQ's connection is lost and the process is better started anew.
 */
export async function openPod(
  deps: Deps,
  { names, onDeaf }: { names: string[]; onDeaf: (queue: string) => void },
): Promise<Pod> {
  const chosen = names.length === 0 ? actors : actors.filter(({ name }) => names.includes(name));
  const unknown = names.filter((name) => !actors.some((actor) => actor.name === name));
  if (unknown.length > 0)
    throw new Error(
      `Cannot start workers: there is no actor ${unknown.join(", ")}. There are ${actors.map(({ name }) => name).join(", ")}`,
    );
  const workers = new Map<string, AnyWorker>();
  const active = new Map<string, number>();
  for (const actor of chosen) {
    const worker = await runActor(actor, deps);
    worker.on("active", () => active.set(actor.name, (active.get(actor.name) ?? 0) + 1));
    for (const event of ["completed", "failed"] as const)
      worker.on(event, () => active.set(actor.name, Math.max(0, (active.get(actor.name) ?? 0) - 1)));
    workers.set(actor.name, worker);
  }
  const timers = chosen.flatMap(({ name, every }) => {
    if (!every) return [];
    const periodMs = every(deps.config) * 1000;
    const tick = () => void deps.mailbox.sendTick(name, Math.floor(Date.now() / periodMs));
    tick();
    return [setInterval(tick, periodMs)];
  });
  const watch = setInterval(() => {
    listSilentQueues(deps.db, silentAfterSeconds)
      .then((silent) => silent.filter((name) => workers.has(name) && (active.get(name) ?? 0) === 0).forEach(onDeaf))
      .catch((error) => deps.log.debug({ err: error }, "the canaries cannot be read"));
  }, 10_000);
  return {
    close: async () => {
      for (const timer of [...timers, watch]) clearInterval(timer);
      const closing = Promise.all([...workers.values()].map((worker) => worker.close()));
      const cancel = setTimeout(
        () => [...workers.values()].forEach((worker) => void worker.cancelAllJobs("the pod stops")),
        drainMs,
      );
      await closing;
      clearTimeout(cancel);
    },
  };
}
