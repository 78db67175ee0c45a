import type { Db } from "../../db/query.ts";
import { type Registered, registerAll } from "../../db/seats.ts";
import { Fault } from "../../fault.ts";

type Wish = { userId: string; answers: Record<string, unknown> };
type Waiting = Wish & { resolve: (registered: Registered) => void; reject: (error: unknown) => void };

/** Asks for a seat of an occurrence. */
export type Registrar = (occurrenceId: string, wish: Wish) => Promise<Registered>;

const most = 500;
const maxWaiting = 10_000;

/**
 * Requests for one occurrence that arrive while the one before is at the database travel as one batch, in their order: the
 * occurrence's lock is taken once for up to 500 of them, and one hot event asks for one connection.
 */
export function openRegistrar({ db }: { db: Db }, { register = registerAll } = {}): Registrar {
  const queues = new Map<string, Waiting[]>();

  const send = async (occurrenceId: string, batch: Waiting[]) => {
    try {
      const applicants = batch.map(({ userId, answers }) => ({ userId, answers, registrationId: Bun.randomUUIDv7() }));
      const registered = await register(db, { occurrenceId, applicants });
      for (const [index, { resolve, reject }] of batch.entries()) {
        const own = registered[index];
        if (own) resolve(own);
        else reject(new Error("the batch answered too few"));
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  };
  const drain = async (occurrenceId: string, queue: Waiting[]) => {
    // Whatever else arrived in this turn of the loop comes along.
    await Promise.resolve();
    while (queue.length > 0) await send(occurrenceId, queue.splice(0, most));
    queues.delete(occurrenceId);
  };
  return (occurrenceId, wish) =>
    new Promise((resolve, reject) => {
      const entry = { ...wish, resolve, reject };
      const queue = queues.get(occurrenceId);
      if (queue && queue.length >= maxWaiting) {
        reject(new Fault("unavailable", "Cannot register: too many ask at this moment", { retryAfterSeconds: 1 }));
      } else if (queue) {
        queue.push(entry);
      } else {
        const begun = [entry];
        queues.set(occurrenceId, begun);
        void drain(occurrenceId, begun); // settles every entry itself
      }
    });
}
