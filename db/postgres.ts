import pg from "pg";
import type { Log } from "../log.ts";
import type { Db } from "./query.ts";

export type Postgres = Db & {
  /** Runs `work` in one READ COMMITTED transaction: committed when it returns, rolled back when it throws. */
  transaction: <T>(work: (tx: Db) => Promise<T>) => Promise<T>;
  /** Connections that work, that are free, and callers who wait for one. */
  usage: () => { busy: number; idle: number; waiting: number };
  /** Calls back after each commit of ours that may have stated facts. */
  onStated: (listener: () => void) => void;
  close: () => Promise<void>;
};

/** Statements that state facts, by name: changes of seats do so inside the database. */
const stating = /^(fact_insert|seats_(register|settle|change|change_capacity|draw))$/;

const bigint = 20;
/** Sizes and counts stay below 2^53, so bigint columns are numbers here. */
const types = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    oid === bigint && format !== "binary" ? Number : pg.types.getTypeParser(oid, format),
};

type Options = {
  max: number;
  log: Log;
  name: string /** Statements that take longer are told at info. */;
  slowMs?: number;
};

/** Opens the pool of one process. `max` connections; a wait for one longer than 5 s and a statement longer than 30 s fail. */
export function openPostgres(url: string, { max, log, name, slowMs = 500 }: Options): Postgres {
  const timed = timeStatements(log, slowMs);
  const pool = new pg.Pool({
    connectionString: url,
    max,
    application_name: `sunduk ${name}`,
    connectionTimeoutMillis: 5_000,
    idleTimeoutMillis: 60_000,
    statement_timeout: 30_000,
    idle_in_transaction_session_timeout: 60_000,
    keepAlive: true,
    types,
  });
  let closing = false;
  // A pool has ended before its connections have: a server that is stopped next tells them so.
  pool.on("error", (error) => log[closing ? "debug" : "warn"]({ err: error }, "a database connection broke"));
  const listeners: (() => void)[] = [];
  const tellStated = () => {
    for (const listener of listeners) listener();
  };
  return {
    query: async (statement) => {
      const result = await timed(statement.name, () => pool.query(statement));
      if (stating.test(statement.name)) tellStated();
      return result;
    },
    usage: () => ({ busy: pool.totalCount - pool.idleCount, idle: pool.idleCount, waiting: pool.waitingCount }),
    onStated: (listener) => void listeners.push(listener),
    transaction: async (work) => {
      const client = await pool.connect();
      let broken: Error | undefined;
      // A lent client tells nobody else that its connection broke, and an error that nobody hears ends the process.
      const note = (error: Error) => {
        broken = error;
      };
      client.on("error", note);
      try {
        let stated = false;
        await client.query("begin");
        const result = await work({
          query: (statement) => {
            stated ||= stating.test(statement.name);
            return timed(statement.name, () => client.query(statement));
          },
        });
        await client.query("commit");
        if (stated) tellStated();
        return result;
      } catch (error) {
        await client.query("rollback").catch((cause: Error) => {
          broken = cause;
        });
        throw error;
      } finally {
        client.off("error", note);
        client.release(broken);
      }
    },
    close: () => {
      closing = true;
      return pool.end();
    },
  };
}

/** Tells of statements by their names, never by their values: slow ones at info, others at debug. The log's own are left out. */
function timeStatements(log: Log, slowMs: number) {
  return async <T extends { rowCount: number | null }>(query: string, run: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now();
    try {
      return await run();
    } finally {
      const durationMs = performance.now() - startedAt;
      const level = durationMs >= slowMs ? "info" : "debug";
      if (!query.startsWith("log_") && log.isLevelEnabled(level))
        log[level]({ query, durationMs: Math.round(durationMs * 100) / 100 }, "query");
    }
  };
}
