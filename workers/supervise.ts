import type { Log } from "../log.ts";

export type Supervisor = { stop: () => Promise<void>; pids: () => number[] };

const firstDelayMs = 200;
const maxDelayMs = 10_000;
const healthyAfterMs = 20_000;
const graceMs = 8_000;

type Options = { count: number; command: string[]; environment: Record<string, string | undefined>; log: Log };

/** Keeps `count` worker processes running: one that ends is started anew, with growing delays while it keeps ending at once. */
export function supervisePods({ count, command, environment, log }: Options): Supervisor {
  let stopping = false;
  const running = new Map<number, Bun.Subprocess>();
  const keep = async (index: number) => {
    let delayMs = firstDelayMs;
    while (!stopping) {
      const startedAt = performance.now();
      // The pipe ends when we do: a pod whose supervisor was killed sees it and leaves.
      const child = Bun.spawn(command, {
        env: { ...environment, POD: String(index), SUPERVISED: "1" },
        stdin: "pipe",
        stdout: "inherit",
        stderr: "inherit",
        detached: true,
      });
      running.set(index, child);
      const code = await child.exited;
      running.delete(index);
      if (stopping) return;
      delayMs = performance.now() - startedAt > healthyAfterMs ? firstDelayMs : Math.min(delayMs * 2, maxDelayMs);
      log.warn({ pod: index, code, signal: child.signalCode, delayMs }, "a pod ended and is started anew");
      await Bun.sleep(delayMs);
    }
  };
  const keepers = Array.from({ length: count }, (_, index) => keep(index));
  return {
    pids: () => [...running.values()].map(({ pid }) => pid),
    stop: async () => {
      stopping = true;
      for (const child of running.values()) child.kill("SIGTERM");
      const killer = setTimeout(() => {
        for (const child of running.values()) child.kill("SIGKILL");
      }, graceMs);
      await Promise.all([...running.values()].map(({ exited }) => exited));
      clearTimeout(killer);
      void keepers;
    },
  };
}
