import {
  createPostgresBackend,
  type PgPool,
  type PgQueryResult,
  type Processor,
  Queue,
  runMigrations,
  Worker,
  type WorkerOptions,
} from "bullmq";
import { Redis } from "ioredis";
import pg from "pg";
import { Fault } from "../fault.ts";
import type { Log } from "../log.ts";
import { openQueuePool } from "./postgres-pool.ts";

const postgresQueue = (name: string, connection: PgPool) => new Queue(name, { connection }, createPostgresBackend);
const postgresWorker = (name: string, processor: Processor, options: WorkerSettings & { connection: PgPool }) =>
  new Worker(name, processor, options, createPostgresBackend);

export type AnyQueue = Queue | ReturnType<typeof postgresQueue>;
export type AnyWorker = Worker | ReturnType<typeof postgresWorker>;
type WorkerSettings = Omit<WorkerOptions, "connection">;

/** Opens BullMQ's queues and workers for one process, on Redis or on PostgreSQL: the code above does not see which. */
export type Queues = {
  openQueue: (name: string) => AnyQueue;
  openWorker: (name: string, processor: Processor, settings: WorkerSettings) => AnyWorker;
  close: () => Promise<void>;
};

type Options = { redisUrl: string | undefined; databaseUrl: string; log: Log };

/**
 * Producers fail fast, consumers wait for ever: on Redis these are two clients. Throws when Redis may evict keys, since a
 * queue that loses messages is worse than none.
 */
export async function openQueues({ redisUrl, databaseUrl, log }: Options): Promise<Queues> {
  const ignoreError = (error: Error) => log.debug({ err: error }, "a queue connection broke");
  if (redisUrl) {
    await requireNoEviction(redisUrl); // before the clients that try for ever, and would keep a failed start alive
    const producer = new Redis(redisUrl, {
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      retryStrategy: backOff,
    });
    const consumer = new Redis(redisUrl, { maxRetriesPerRequest: null, retryStrategy: backOff });
    for (const client of [producer, consumer]) client.on("error", ignoreError);
    return {
      openQueue: (name) => new Queue(name, { connection: producer, skipVersionCheck: true }).on("error", ignoreError),
      openWorker: (name, processor, settings) =>
        new Worker(name, processor, { connection: consumer, ...settings }).on("error", ignoreError),
      close: async () => {
        producer.disconnect();
        consumer.disconnect();
      },
    };
  }
  const pool = openQueuePool(databaseUrl, log);
  return {
    openQueue: (name) => postgresQueue(name, pool).on("error", ignoreError),
    openWorker: (name, processor, settings) =>
      postgresWorker(name, processor, { connection: pool, ...settings }).on("error", ignoreError),
    close: () => pool.end(),
  };
}

/** Makes or updates the tables of queues on PostgreSQL. A worker on tables that are not there would spin. */
export async function migrateQueues(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: "sunduk migrate" });
  await client.connect();
  try {
    const query = async <R>(text: string, values?: readonly unknown[]): Promise<PgQueryResult<R>> => {
      const answer: PgQueryResult = await client.query(text, values && [...values]);
      return answer;
    };
    await runMigrations({ query }, "bullmq");
  } finally {
    await client.end();
  }
}

const backOff = (attempt: number) => Math.min(attempt * 100, 2_000);

async function requireNoEviction(url: string): Promise<void> {
  const client = new Redis(url, { maxRetriesPerRequest: 1, connectTimeout: 5_000, retryStrategy: () => null });
  client.on("error", () => undefined); // the awaited call below tells it
  try {
    const [, policy] = await client
      .config("GET", "maxmemory-policy")
      .then((answer) => (Array.isArray(answer) ? answer.map(String) : []));
    if (policy !== undefined && policy !== "noeviction") {
      throw new Error(
        `Cannot use Redis: maxmemory-policy is ${policy}, which throws messages away. Run \`redis-cli CONFIG SET maxmemory-policy noeviction\` and put it into redis.conf`,
      );
    }
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("Cannot use")) throw error;
    throw new Fault(
      "unavailable",
      `Cannot reach Redis at ${new URL(url).host}: is it running, and is REDIS_URL right?`,
      { cause: error },
    );
  } finally {
    client.disconnect();
  }
}
