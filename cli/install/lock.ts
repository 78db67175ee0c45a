import { Database } from "bun:sqlite";
import { Fault } from "../../fault.ts";

/**
 * Holds a folder for one run at a time, by the operating system's lock on an SQLite file, so that no crash can leave it
 * behind. Answers how to let go. Faults: unavailable when another run holds it.
 */
export function lockFolder(file: string, dir: string): () => void {
  const database = new Database(file, { create: true });
  try {
    database.run("pragma busy_timeout = 0");
    database.run("begin exclusive");
  } catch (cause) {
    database.close();
    throw new Fault("unavailable", `Cannot work in ${dir}: another sunduk is at work there, wait until it has ended`, {
      cause,
    });
  }
  return () => database.close();
}
