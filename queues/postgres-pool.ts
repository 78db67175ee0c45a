import { EventEmitter } from "node:events";
import type { PgPool, PgPoolClient, PgQueryResult } from "bullmq";
import pg from "pg";
import type { Log } from "../log.ts";

const maxConnections = 5;
const relistenMs = 500;

/**
 * One pool-shaped object for all queues of a process: a small pool for statements, and a single LISTEN connection whose
 * notifications are handed to every borrower. BullMQ keeps a borrowed client for each queue and worker, so a plain pool
 * would need a connection for each, or hang when it is smaller.
 */
export function openQueuePool(databaseUrl: string, log: Log): PgPool & { options: { keepAlive: boolean } } {
  const settings = {
    connectionString: databaseUrl,
    options: "-c search_path=bullmq",
    keepAlive: true,
    application_name: "sunduk queues",
  };
  const pool = new pg.Pool({
    ...settings,
    max: maxConnections,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 20_000,
  });
  pool.on("error", (error) => log.debug({ err: error }, "a queue connection broke"));
  const borrowers = new Set<EventEmitter>();
  let listener: Promise<pg.Client> | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  let ended = false;

  const openListener = async (): Promise<pg.Client> => {
    const client = new pg.Client(settings);
    client.on("notification", (message) => {
      for (const borrower of borrowers) borrower.emit("notification", message);
    });
    client.on("error", (error) => log.debug({ err: error }, "the listener of the queues broke"));
    client.on("end", () => {
      listener = undefined;
      // Each borrower drops its client on an error and borrows anew, which listens anew.
      if (!ended)
        setTimeout(
          () => [...borrowers].forEach((borrower) => void borrower.emit("error", new Error("the listener was lost"))),
          relistenMs,
        );
    });
    await client.connect();
    return client;
  };
  // One statement at a time on the one connection.
  const listen = (text: string) => {
    listener ??= openListener();
    const opening = listener;
    const before = turn.catch(() => undefined);
    const listening = opening.then(async (client) => {
      await before;
      await client.query(text);
    });
    turn = listening;
    opening.catch(() => {
      if (listener === opening) listener = undefined;
    });
    return listening;
  };

  const ask = async <R>(text: string, values?: readonly unknown[]): Promise<PgQueryResult<R>> => {
    const answer: PgQueryResult = await pool.query(text, values && [...values]);
    return answer;
  };
  const borrow = async (): Promise<PgPoolClient> => {
    const events = new EventEmitter().setMaxListeners(0);
    borrowers.add(events);
    const client: PgPoolClient = {
      query: async <R>(text: string, values?: readonly unknown[]): Promise<PgQueryResult<R>> => {
        if (/^\s*(un)?listen\s/im.test(text)) {
          await listen(text);
          return { rows: [] };
        }
        if (text.includes("'application_name'")) return { rows: [] }; // would name the shared connection
        return ask(text, values);
      },
      on: (event: string, handler: Parameters<EventEmitter["on"]>[1]) => {
        events.on(event, handler);
        return client;
      },
      removeListener: (event: string, handler: Parameters<EventEmitter["on"]>[1]) => {
        events.removeListener(event, handler);
        return client;
      },
      removeAllListeners: (event?: string) => {
        events.removeAllListeners(event);
        return client;
      },
      release: () => void borrowers.delete(events),
    };
    return client;
  };
  return {
    options: { keepAlive: true },
    query: ask,
    connect: borrow,
    on() {
      return this;
    },
    removeAllListeners() {
      return this;
    },
    end: async () => {
      if (ended) return;
      ended = true;
      await (await listener?.catch(() => undefined))?.end();
      await pool.end();
    },
  };
}
