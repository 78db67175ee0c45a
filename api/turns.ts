import { Fault } from "../fault.ts";

type Turns = {
  atOnce: number;
  /** Whoever comes when so many wait is refused (503). */
  maxWaiting: number;
  refusal: string;
};

/** Lets work that takes much of a processor be done by few at once, so that a flood of it cannot starve the rest. */
export function openTurns({ atOnce, maxWaiting, refusal }: Turns): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running < atOnce) running++;
    else {
      if (waiting.length >= maxWaiting) throw new Fault("unavailable", refusal, { retryAfterSeconds: 2 });
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    try {
      return await work();
    } finally {
      // Whoever waits takes this place over: were it free for a moment, a newcomer would take it as well.
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
