import type { Static, TSchema } from "@sinclair/typebox";
import { insertWishes } from "../db/job.ts";
import type { Db } from "../db/query.ts";
import { Fault } from "../fault.ts";
import type { Log } from "../log.ts";
import { currentTrace } from "../trace.ts";
import type { Actor, Message } from "./actor.ts";
import type { AnyQueue, Queues } from "./connection.ts";

/** The only producer of messages. */
export type Mailbox = {
  /** Sends a message; one that cannot be sent is logged, and sent again by `resend-stuck`. */
  send: (actorName: string, message: Message) => Promise<void>;
  /** A run of a periodic actor, at most one for each period. */
  sendTick: (actorName: string, bucket: number) => Promise<void>;
  /** An extra run of a periodic actor, a moment from now: a hint that there is something to do. More of them join in. */
  hintTick: (actorName: string) => void;
  /** A message that only proves that somebody takes messages from this queue. */
  sendCanary: (actorName: string) => Promise<void>;
  /** BullMQ's queues, for looking at. */
  queues: readonly AnyQueue[];
  close: () => Promise<void>;
};

const sendTimeoutMs = 2_000;
const gatherHintsMs = 100;
const kept = { removeOnComplete: { age: 3_600, count: 1_000 }, removeOnFail: { age: 7 * 24 * 3_600, count: 1_000 } };

type Asked<Schema extends TSchema> = { name: string; subject: (payload: Static<Schema>) => string; payload: Schema };

/** Raises the wish for a job in the caller's transaction. Send the message it returns after the commit. */
export async function want<Schema extends TSchema>(
  tx: Db,
  actor: Asked<Schema>,
  { payload, ownerId = null }: { payload: Static<Schema>; ownerId?: string | null },
): Promise<Message> {
  const [message] = await wantAll(tx, actor, { payloads: [payload], ownerId });
  if (!message) throw new Error("the wish returned no row");
  return message;
}

/** The same for many jobs at once, each about something else. */
export function wantAll<Schema extends TSchema>(
  tx: Db,
  actor: Asked<Schema>,
  { payloads, ownerId = null }: { payloads: Static<Schema>[]; ownerId?: string | null },
): Promise<Message[]> {
  const wishes = payloads.map((payload) => ({ id: Bun.randomUUIDv7(), subject: actor.subject(payload), payload }));
  return insertWishes(tx, { actor: actor.name, ownerId, traceId: currentTrace()?.id ?? null, wishes });
}

/** Opens a queue for each actor. */
export function openMailbox({ queues, actors, log }: { queues: Queues; actors: readonly Actor[]; log: Log }): Mailbox {
  const opened = new Map(actors.map((actor) => [actor.name, { actor, queue: queues.openQueue(actor.name) }]));
  const add = async (name: string, data: object, options: object) => {
    const entry = opened.get(name);
    if (!entry) throw new Error(`there is no actor ${name}`);
    const { retry } = entry.actor;
    try {
      await within(
        entry.queue.add(name, data, {
          ...kept,
          attempts: retry.attempts,
          backoff: { type: "exponential", delay: retry.backoffMs, jitter: 0.5 },
          ...options,
        }),
      );
    } catch (error) {
      log.warn({ err: error, actor: name }, "a message was not sent: it will be sent again");
    }
  };
  const hints = new Map<string, Timer>();
  // Sent at the end of the moment, not at its beginning: what was committed within it is seen by that run.
  const hintTick = (name: string) => {
    if (hints.has(name)) return;
    const send = () => {
      hints.delete(name);
      void add(name, { tick: Date.now() }, { attempts: 1, removeOnComplete: true, removeOnFail: true });
    };
    hints.set(name, setTimeout(send, gatherHintsMs));
  };
  return {
    hintTick,
    // The revision is part of the key: a wish raised while its predecessor runs is another message.
    send: (name, message) => add(name, message, { deduplication: { id: `${message.jobId}.${message.wanted}` } }),
    sendTick: (name, bucket) => add(name, { tick: bucket }, { jobId: `tick-${bucket}`, attempts: 1 }),
    sendCanary: (name) =>
      add(name, { canary: true }, { attempts: 1, deduplication: { id: "canary", ttl: 5_000 }, removeOnComplete: true }),
    queues: [...opened.values()].map(({ queue }) => queue),
    close: async () => {
      for (const timer of hints.values()) clearTimeout(timer);
      await Promise.all([...opened.values()].map(({ queue }) => queue.close()));
    },
  };
}

async function within<T>(sending: Promise<T>): Promise<T> {
  let timer: Timer | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Fault("unavailable", "Cannot send: the queue does not answer")), sendTimeoutMs);
  });
  sending.catch(() => undefined); // told by the race; a late failure is nobody's
  try {
    return await Promise.race([sending, limit]);
  } finally {
    clearTimeout(timer);
  }
}
