import { listSilentQueues } from "../db/job.ts";
import type { Deps } from "../deps.ts";
import { actors } from "../queues/index.ts";
import { type RunningActor, runActor } from "./run.ts";
import { openRunCounts } from "./run-counts.ts";

export type Pod = { close: () => Promise<void> };

const drainMs = 6_000;
const maxLookMs = 5_000;
/** A canary that is silent for so many looks in a row, while the queue answers, is not heard. */
const silentLooks = 4;

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
  const running = new Map<string, RunningActor>();
  const counts = openRunCounts(deps);
  for (const actor of chosen) running.set(actor.name, await runActor(actor, { ...deps, counts }));
  const timers = chosen.flatMap(({ name, every }) => {
    if (!every) return [];
    const periodMs = every(deps.config) * 1000;
    if (periodMs === 0) return [];
    const tick = () => void deps.mailbox.sendTick(name, Math.floor(Date.now() / periodMs));
    tick();
    return [setInterval(tick, periodMs)];
  });
  const watch = watchCanaries(deps, { running, onDeaf });
  return {
    close: async () => {
      for (const timer of [...timers, watch]) clearInterval(timer);
      const workers = [...running.values()].map(({ worker }) => worker);
      const closing = Promise.all(workers.map((worker) => worker.close()));
      const cancel = setTimeout(() => workers.forEach((worker) => void worker.cancelAllJobs("the pod stops")), drainMs);
      await closing;
      clearTimeout(cancel);
      await counts.close();
    },
  };
}

/** Looks at the canaries of idle workers. A queue that cannot be reached, or that somebody has paused, says nothing of them. */
function watchCanaries(
  { db, config, mailbox, log }: Deps,
  { running, onDeaf }: { running: Map<string, RunningActor>; onDeaf: (queue: string) => void },
): Timer {
  const periodSeconds = config.RESEND_EVERY_SECONDS;
  const silentFor = new Map<string, number>();
  const look = async () => {
    const silent = await listSilentQueues(db, 2 * periodSeconds + 5);
    for (const [name, { active }] of running) {
      const queue = mailbox.queues.find((opened) => opened.name === name);
      const deaf = silent.includes(name) && active() === 0 && (await queue?.isPaused()) === false;
      silentFor.set(name, deaf ? (silentFor.get(name) ?? 0) + 1 : 0);
      if (silentFor.get(name) === silentLooks) onDeaf(name);
    }
  };
  const lookSafely = () =>
    void look().catch((error) => {
      silentFor.clear();
      log.debug({ err: error }, "the canaries cannot be looked at");
    });
  return setInterval(lookSafely, Math.min(maxLookMs, periodSeconds * 1000));
}
