import { EventEmitter } from "node:events";
import { Redis } from "ioredis";
import pg from "pg";
import type { Log } from "../log.ts";
import { type Db, run } from "./query.ts";

/** Hints between processes: `job.changed` carries a job's id, `pack.changed` a slug, `user.changed` and `images.changed` a user's id. In no order, and some get lost: whoever needs certainty reads the row. */
export type Bus = {
  /** Listeners of this process have heard it when this returns, and may hear it once more. */
  /** `now` sends at once; other hints of a few milliseconds travel together. */
  publish: (topic: string, id: string, options?: { now?: boolean }) => void;
  subscribe: (topic: string, listener: (id: string) => void) => () => void;
  close: () => Promise<void>;
};

const channel = "sunduk_bus";
const gatherMs = 10;
const reconnectMs = 500;
/** A NOTIFY holds up to 8,000 bytes. */
const batchSize = 60;

/** Opens the bus on Redis when there is one, else on LISTEN/NOTIFY of PostgreSQL. A lost message is never an error. */
export async function openBus({
  redisUrl,
  databaseUrl,
  db,
  log,
}: {
  redisUrl: string | undefined;
  databaseUrl: string;
  db: Db;
  log: Log;
}): Promise<Bus> {
  const local = new EventEmitter().setMaxListeners(0);
  const deliver = (batch: string) => {
    for (const message of batch.split("\n")) {
      const [topic = "", id = ""] = message.split(" ", 2);
      local.emit(topic, id);
    }
  };
  const carrier = redisUrl
    ? await openRedisCarrier(redisUrl, { deliver, log })
    : openPostgresCarrier(databaseUrl, { deliver, log, db });
  // Hints of a few milliseconds travel together: a NOTIFY for each would make commits queue up behind one another.
  const waiting = new Set<string>();
  const send = (batch: string) =>
    void carrier.send(batch).catch((error) => log.debug({ err: error }, "hints were lost"));
  const flush = () => {
    const batch = [...waiting].slice(0, batchSize);
    for (const message of batch) waiting.delete(message);
    if (waiting.size > 0) setTimeout(flush, gatherMs);
    send(batch.join("\n"));
  };
  return {
    publish: (topic, id, { now = false } = {}) => {
      local.emit(topic, id);
      if (now) return send(`${topic} ${id}`);
      if (waiting.size === 0) setTimeout(flush, gatherMs);
      waiting.add(`${topic} ${id}`);
    },
    subscribe: (topic, listener) => {
      local.on(topic, listener);
      return () => local.off(topic, listener);
    },
    close: carrier.close,
  };
}

type Carrier = { send: (message: string) => Promise<unknown>; close: () => Promise<void> };
type Receiver = { deliver: (message: string) => void; log: Log };

async function openRedisCarrier(url: string, { deliver, log }: Receiver): Promise<Carrier> {
  const sender = new Redis(url, { enableOfflineQueue: false, maxRetriesPerRequest: 1, commandTimeout: 2_000 });
  const receiver = new Redis(url, { maxRetriesPerRequest: null });
  for (const client of [sender, receiver])
    client.on("error", (error) => log.debug({ err: error }, "the bus lost Redis"));
  receiver.on("message", (_channel, message) => deliver(message));
  void receiver.subscribe(channel).catch((error) => log.warn({ err: error }, "the bus cannot subscribe"));
  return {
    send: (message) => sender.publish(channel, message),
    close: async () => {
      sender.disconnect();
      receiver.disconnect();
    },
  };
}

function openPostgresCarrier(url: string, { deliver, log, db }: Receiver & { db: Db }): Carrier {
  let client: pg.Client | undefined;
  let closed = false;
  let waiting: Timer | undefined;
  // A connection that fails rejects and ends too: were both to try again, tries would double with every failure.
  const tryLater = () => {
    client = undefined;
    if (closed || waiting !== undefined) return;
    waiting = setTimeout(() => {
      waiting = undefined;
      again();
    }, reconnectMs);
  };
  const connect = async () => {
    const fresh = new pg.Client({
      connectionString: url,
      application_name: "sunduk bus",
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
    });
    fresh.on("notification", ({ payload }) => deliver(payload ?? ""));
    fresh.on("error", (error) => log.debug({ err: error }, "the bus lost PostgreSQL"));
    try {
      await fresh.connect();
      await fresh.query(`listen ${channel}`);
    } catch (error) {
      void fresh.end().catch(() => undefined);
      throw error;
    }
    client = fresh;
    fresh.on("end", tryLater);
    if (closed) await fresh.end();
  };
  const again = () => {
    connect().catch((error) => {
      log.debug({ err: error }, "the bus cannot listen");
      tryLater();
    });
  };
  again();
  return {
    send: (message) => run(db, { name: "bus_send", text: `select pg_notify($1, $2)`, values: [channel, message] }),
    close: async () => {
      closed = true;
      clearTimeout(waiting);
      await client?.end();
    },
  };
}
