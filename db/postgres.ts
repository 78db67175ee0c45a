import pg from "pg";
import type { Log } from "../log.ts";
import type { Db } from "./query.ts";

export type Postgres = Db & {
  /** Runs `work` in one READ COMMITTED transaction: committed when it returns, rolled back when it throws. */
  transaction: <T>(work: (tx: Db) => Promise<T>) => Promise<T>;
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

/** Opens the pool of one process. `max` connections; a wait for one longer than 5 s and a statement longer than 30 s fail. */
export function openPostgres(url: string, { max, log, name }: { max: number; log: Log; name: string }): Postgres {
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
      const result = await pool.query(statement);
      if (stating.test(statement.name)) tellStated();
      return result;
    },
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
            return client.query(statement);
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
