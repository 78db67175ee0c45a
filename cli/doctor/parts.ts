import { join, resolve } from "node:path";
import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { beforeMigration } from "../../backup/run.ts";
import type { Config } from "../../config.ts";
import { readSecret } from "../../data-folder.ts";
import { compareMigrations, describeServer } from "../../db/condition.ts";
import { findEmbeddedPostgres } from "../../db/embedded.ts";
import { listSilentQueues } from "../../db/job.ts";
import { migrate } from "../../db/migrate.ts";
import { openPostgres, type Postgres } from "../../db/postgres.ts";
import type { Log } from "../../log.ts";
import { migrateQueues, openQueues } from "../../queues/connection.ts";
import { checkGrowth, findHolder } from "./folder.ts";
import type { DoctorMessages } from "./messages.ts";
import { type Finding, reasonOf } from "./report.ts";
import { checkBackups, checkJobs, checkOrphans } from "./work.ts";

const oldestServer = 150_000;
const clockWarningMs = 5_000;
const clockBrokenMs = 60_000;
const silentSeconds = 60;
const addressTimeoutMs = 5_000;

type Looking = { config: Config; text: DoctorMessages; log: Log };

/** The database and what is read from it: migrations, clock, queues. */
export async function checkDatabase({ config, text, log }: Looking): Promise<Finding[]> {
  const url = config.DATABASE_URL ?? (await findEmbedded(config));
  if (url === undefined) return [{ area: "database", state: "skipped", detail: text.notRunning }];
  const db = openPostgres(url, { max: 2, log, name: "doctor" });
  try {
    const looking = { config, text, log, db, url };
    const server = await checkServer(db, text);
    const migrations = await checkMigrations(looking);
    const findings = [...server, migrations, await checkQueues(looking)];
    if (migrations.state !== "ok") return findings; // what follows asks the tables of this version
    return [
      ...findings,
      ...(await checkJobs(looking)),
      await checkOrphans(looking),
      await checkBackups(looking),
      ...(await checkGrowth(looking)),
    ];
  } catch (error) {
    return [{ area: "database", state: "broken", detail: reasonOf(error), fix: text.startDatabase }];
  } finally {
    await db.close();
  }
}

async function findEmbedded(config: Config): Promise<string | undefined> {
  const password = await readSecret(config.DATA, "database-password");
  return password && findEmbeddedPostgres(join(config.DATA, "postgres"), password.trim());
}

async function checkServer(db: Postgres, text: DoctorMessages): Promise<Finding[]> {
  await describeServer(db); // connects: the next answer is timed
  const askedAt = performance.now();
  const now = Date.now();
  const server = await describeServer(db);
  if (!server) throw new Error("it answers nothing");
  const tookMs = Math.round(performance.now() - askedAt);
  const offMs = Math.round(Math.abs(server.clockMs - now - tookMs / 2));
  const clock = offMs > clockBrokenMs ? "broken" : offMs > clockWarningMs ? "warning" : "ok";
  const fix = clock === "ok" ? {} : { fix: text.setClock };
  const database: Finding =
    server.number < oldestServer
      ? { area: "database", state: "broken", detail: text.oldDatabase(server.version), fix: text.upgradeDatabase }
      : server.inRecovery
        ? { area: "database", state: "broken", detail: text.readOnlyDatabase, fix: text.nameThePrimary }
        : { area: "database", state: "ok", detail: text.database(server.version, tookMs) };
  return [database, { area: "clock", state: clock, detail: text.clock(offMs), ...fix }];
}

type Connected = Looking & { db: Postgres; url: string };

async function checkMigrations({ config, text, log, db, url }: Connected): Promise<Finding> {
  const { pending, edited } = await compareMigrations(db);
  const area = "migrations";
  if (edited.length > 0) return { area, state: "broken", detail: text.edited(edited), fix: text.restoreMigrations };
  const repair = () => migrate(url, beforeMigration({ config, url, log })); // with a restore point
  if (pending.length > 0) return { area, state: "broken", detail: text.pending(pending), fix: text.migrate, repair };
  return { area, state: "ok", detail: text.migrated };
}

async function checkQueues({ config, text, log, db, url }: Connected): Promise<Finding> {
  const silent = await listSilentQueues(db, silentSeconds).catch(() => undefined);
  const repair = { repair: () => migrateQueues(url) };
  if (silent === undefined)
    return {
      area: "queues",
      state: "broken",
      detail: text.noQueues,
      fix: text.migrate,
      ...(!config.REDIS_URL && repair),
    };
  const paused = await listPaused(silent, { config, log, url });
  const deaf = silent.filter((name) => !paused.includes(name));
  if (deaf.length > 0) return { area: "queues", state: "broken", detail: text.silent(deaf), fix: text.startWorkers };
  if (paused.length > 0)
    return { area: "queues", state: "warning", detail: text.pausedActors(paused), fix: text.resumeActors };
  return { area: "queues", state: "ok", detail: text.queues };
}

/** Of these queues, those that somebody has paused: they say nothing of the workers. */
async function listPaused(
  names: string[],
  { config, log, url }: Pick<Connected, "config" | "log" | "url">,
): Promise<string[]> {
  if (names.length === 0) return [];
  try {
    const queues = await openQueues({ redisUrl: config.REDIS_URL, databaseUrl: url, log });
    const opened = names.map((name) => queues.openQueue(name));
    const states = await Promise.all(opened.map((queue) => queue.isPaused()));
    await Promise.all(opened.map((queue) => queue.close()));
    await queues.close();
    return names.filter((_, index) => states[index]);
  } catch {
    return []; // the queues' own line says more
  }
}

/** Whether Redis, when there is one, can be reached and keeps what it is given. */
export async function checkRedis({ config, text, log }: Looking): Promise<Finding> {
  if (!config.REDIS_URL) return { area: "redis", state: "skipped", detail: text.noRedis };
  try {
    const queues = await openQueues({ redisUrl: config.REDIS_URL, databaseUrl: config.DATABASE_URL ?? "", log });
    await queues.close();
    return { area: "redis", state: "ok", detail: text.redisSound };
  } catch (error) {
    return { area: "redis", state: "broken", detail: reasonOf(error), fix: text.startRedis };
  }
}

const Readiness = t.Object({
  status: t.String(),
  checks: t.Array(t.Object({ part: t.String(), ok: t.Boolean() })),
});

/** Whether the address that people use, or that of the server that runs here, is answered by Sunduk. */
export async function checkAddress({ config, text }: Looking): Promise<Finding> {
  const area = "address";
  const url = config.PUBLIC_URL ?? (await findHolder(resolve(config.DATA)))?.address;
  if (url === undefined) return { area, state: "skipped", detail: text.noServer };
  try {
    const response = await fetch(`${url}/readyz?verbose`, { signal: AbortSignal.timeout(addressTimeoutMs) });
    const ready: unknown = await response.json().catch(() => undefined);
    if (!Value.Check(Readiness, ready)) {
      return { area, state: "broken", detail: text.notOurs(url), fix: text.checkAddress };
    }
    const lost = ready.checks.filter(({ ok }) => !ok).map(({ part }) => part);
    if (lost.length > 0)
      return { area, state: "broken", detail: text.degraded(url, lost.join(", ")), fix: text.startWorkers };
  } catch (error) {
    return { area, state: "broken", detail: text.noAnswer(url, reasonOf(error)), fix: text.checkAddress };
  }
  if (config.PUBLIC_URL === undefined && /^(127\.|localhost$|::1$)/.test(config.HOST)) {
    return { area, state: "warning", detail: text.onlyHere(config.HOST), fix: text.setPublicUrl };
  }
  return { area, state: "ok", detail: text.address(url) };
}
