import { join } from "node:path";
import { beforeMigration } from "../backup/run.ts";
import type { Config } from "../config.ts";
import { type DataFolder, openDataFolder, readSecret } from "../data-folder.ts";
import { findEmbeddedPostgres, startEmbeddedPostgres } from "../db/embedded.ts";
import { createDatabase, migrate } from "../db/migrate.ts";
import { openPostgres, type Postgres } from "../db/postgres.ts";
import { Fault } from "../fault.ts";
import { makeSecret } from "../keys.ts";
import type { Log } from "../log.ts";
import { waitFor } from "./call.ts";

type Options = { config: Config; log: Log; signal: AbortSignal };

const startingMs = 30_000;

/**
 * Works on the database that a configuration names: DATABASE_URL, the embedded one of an `up` that runs, or the embedded
 * one started for this moment. Brings its tables up to date first. Faults: conflict (another folder), unavailable.
 */
export async function withDatabase<Result>(options: Options, work: (db: Postgres) => Promise<Result>): Promise<Result> {
  const { config, log } = options;
  return await withDatabaseUrl(options, async (url) => {
    await migrate(url, beforeMigration({ config, url, log }));
    const db = openPostgres(url, { max: 2, log, name: "cli" });
    try {
      return await work(db);
    } finally {
      await db.close();
    }
  });
}

/** The same with the address alone, and tables as they are. With `alone` the embedded one must be nobody else's. */
export async function withDatabaseUrl<Result>(
  options: Options & { alone?: boolean },
  work: (url: string) => Promise<Result>,
): Promise<Result> {
  await using stack = new AsyncDisposableStack();
  const url = options.config.DATABASE_URL ?? (await openEmbedded({ ...options, stack }));
  await createDatabase(url);
  return await work(url);
}

type Opening = Options & { alone?: boolean; stack: AsyncDisposableStack };

async function openEmbedded({ config, log, signal, stack, alone }: Opening) {
  const folder = await takeFolder(config.DATA);
  if (folder instanceof Fault) {
    if (alone) throw folder;
    return findRunning(config.DATA, { holder: folder, signal });
  }
  stack.defer(async () => folder.release());
  const password = await folder.secret("database-password", makeSecret);
  const postgres = await startEmbeddedPostgres({
    folder: join(folder.path, "postgres"),
    password: password.value,
    log,
  });
  stack.defer(postgres.stop);
  return postgres.url;
}

// The lock tells who is first: a folder that is held has a server, or will have one in a moment.
async function takeFolder(path: string): Promise<DataFolder | Fault> {
  try {
    return await openDataFolder(path);
  } catch (error) {
    if (error instanceof Fault && error.code === "unavailable") return error;
    throw error;
  }
}

async function findRunning(data: string, { holder, signal }: { holder: Fault; signal: AbortSignal }): Promise<string> {
  const endsAt = performance.now() + startingMs;
  while (performance.now() < endsAt) {
    const password = await readSecret(data, "database-password");
    const url = password && (await findEmbeddedPostgres(join(data, "postgres"), password.trim()));
    if (url) return url;
    await waitFor(100, signal);
  }
  throw holder;
}
