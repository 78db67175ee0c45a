import { Redis } from "ioredis";
import type { Log } from "../log.ts";
import type { Postgres } from "./postgres.ts";
import { type Db, many, one, run } from "./query.ts";

/** Lines of one process, with a line break after each. */
export type LogBatch = { id: string; lines: string };

/** Where the lines of all processes wait for being written to files: so many batches at most, the oldest make room. */
export type LogStream = {
  /** Adds lines. Answers with how many older batches had to make room. */
  append: (lines: string) => Promise<number>;
  /** All that wait, the oldest first. */
  read: () => Promise<LogBatch[]>;
  /**
   * Hands batches to `work`, once at least, and forgets them when it returns. One taker at a time, of all processes: false when another is
   * at it. Batches may be handed over twice, where the taker is killed before they are forgotten.
   */
  take: (work: (batches: LogBatch[]) => Promise<void>) => Promise<boolean>;
  close: () => Promise<void>;
};

/** A batch holds 64 KiB at most, so this is what all lines that wait may take: 64 MiB. */
const maxBatches = 1_000;
const batchesAtOnce = 100;
const commandTimeoutMs = 2_000;
/** PostgreSQL looks for what is too much at every so many batches. */
const trimEvery = 16;
const takerLock = 7_368_055;

/** Opens the stream in Redis when there is one, else in a table that is not logged. */
export function openLogStream({
  redisUrl,
  db,
  log,
}: {
  redisUrl: string | undefined;
  db: Postgres;
  log: Log;
}): LogStream {
  const store = redisUrl ? openRedisStream(redisUrl, log) : openPostgresStream(db);
  const takeAll = async (work: (batches: LogBatch[]) => Promise<void>) => {
    for (;;) {
      const batches = await store.first(batchesAtOnce);
      await work(batches);
      await store.remove(batches.map(({ id }) => id));
      if (batches.length < batchesAtOnce) return;
    }
  };
  return {
    append: store.append,
    read: () => store.first(maxBatches),
    take: (work) =>
      db.transaction(async (tx) => {
        const free = await lockTaker(tx);
        if (free) await takeAll(work);
        return free;
      }),
    close: store.close,
  };
}

type Store = {
  append: (lines: string) => Promise<number>;
  first: (limit: number) => Promise<LogBatch[]>;
  remove: (ids: string[]) => Promise<void>;
  close: () => Promise<void>;
};

const key = "sunduk:logs";

function openRedisStream(url: string, log: Log): Store {
  const redis = new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: true,
    maxRetriesPerRequest: 1,
    commandTimeout: commandTimeoutMs,
  });
  redis.on("error", (error) => log.debug({ err: error }, "the stream of logs lost Redis"));
  return {
    append: async (lines) => {
      await redis.xadd(key, "*", "lines", lines);
      return redis.xtrim(key, "MAXLEN", "~", maxBatches);
    },
    first: async (limit) => {
      const entries = await redis.xrange(key, "-", "+", "COUNT", limit);
      return entries.map(([id, fields]) => ({ id, lines: fields[1] ?? "" }));
    },
    remove: async (ids) => {
      if (ids.length > 0) await redis.xdel(key, ...ids);
    },
    close: async () => redis.disconnect(),
  };
}

function openPostgresStream(db: Db): Store {
  let appended = 0;
  return {
    append: async (lines) => {
      await insertBatch(db, lines);
      appended += 1;
      return appended % trimEvery === 0 ? trimBatches(db) : 0;
    },
    first: (limit) =>
      many<LogBatch>(db, {
        name: "log_list_batches",
        text: `select id, lines from log.batch order by id limit $1`,
        values: [limit],
      }),
    remove: async (ids) => {
      await run(db, {
        name: "log_delete_batches",
        text: `delete from log.batch where id = any($1::uuid[])`,
        values: [ids],
      });
    },
    close: async () => undefined,
  };
}

function insertBatch(db: Db, lines: string): Promise<number> {
  return run(db, {
    name: "log_insert_batch",
    text: `insert into log.batch (id, lines) values ($1, $2)`,
    values: [Bun.randomUUIDv7(), lines],
  });
}

function trimBatches(db: Db): Promise<number> {
  return run(db, {
    name: "log_trim_batches",
    text: `delete from log.batch where id <= (select id from log.batch order by id desc offset $1 limit 1)`,
    values: [maxBatches],
  });
}

async function lockTaker(tx: Db): Promise<boolean> {
  const row = await one<{ free: boolean }>(tx, {
    name: "log_lock_taker",
    text: `select pg_try_advisory_xact_lock($1) as free`,
    values: [takerLock],
  });
  return row?.free ?? false;
}
