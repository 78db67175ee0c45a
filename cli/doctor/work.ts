import { dryRun } from "../../api/ops/sweep.ts";
import { findCondition } from "../../backup/run.ts";
import type { Config } from "../../config.ts";
import { countJobs, listStuckJobs, touchJobs } from "../../db/job.ts";
import { openPostgres, type Postgres } from "../../db/postgres.ts";
import type { Log } from "../../log.ts";
import { openQueues } from "../../queues/connection.ts";
import { actors } from "../../queues/index.ts";
import { openMailbox } from "../../queues/mailbox.ts";
import type { DoctorMessages } from "./messages.ts";
import { type Finding, reasonOf } from "./report.ts";
import { openStorage } from "./storage.ts";

const lateSeconds = 300;
const resentAtOnce = 10_000;

type Looking = { config: Config; text: DoctorMessages; log: Log; db: Postgres; url: string };

/** Whether work is done in time: jobs that wait for long, and jobs that have failed. */
export async function checkJobs({ config, text, log, db, url }: Looking): Promise<Finding[]> {
  const area = "jobs";
  const counts = await countJobs(db);
  const sum = (rows: typeof counts) => rows.reduce((total, row) => total + row.count, 0);
  const failed = counts.filter(({ state }) => state === "failed");
  const open = counts.filter(({ state }) => state !== "failed");
  const oldest = Math.round(Math.max(0, ...open.map(({ oldestSeconds }) => oldestSeconds)));
  const names = [...new Set(failed.map(({ actor }) => actor))].sort();
  const told: Finding[] = [];
  if (oldest > lateSeconds)
    told.push({
      area,
      state: "warning",
      detail: text.late(sum(open), oldest),
      fix: text.startWorkers,
      repair: () => resend({ config, log, url }),
    });
  if (failed.length > 0)
    told.push({ area, state: "warning", detail: text.failedJobs(sum(failed), names), fix: text.retryJobs });
  return told.length > 0 ? told : [{ area, state: "ok", detail: text.jobsDone(sum(open)) }];
}

/** Sends what is wanted and not done once more. A job that runs already is settled once all the same. */
async function resend({ config, log, url }: Omit<Looking, "text" | "db">): Promise<void> {
  const db = openPostgres(url, { max: 1, log, name: "doctor" });
  const queues = await openQueues({ redisUrl: config.REDIS_URL, databaseUrl: url, log });
  const mailbox = openMailbox({ queues, actors, log });
  try {
    const stuck = await listStuckJobs(db, { afterSeconds: config.RESEND_AFTER_SECONDS, limit: resentAtOnce });
    const ids = stuck.map(({ id }) => id);
    await touchJobs(db, ids);
    for (const { id, actor, wanted } of stuck) await mailbox.send(actor, { jobId: id, wanted });
  } finally {
    await mailbox.close();
    await queues.close();
    await db.close();
  }
}

/** What the next sweep would remove, and whether it would stop because that is too much. */
export async function checkOrphans({ config, text, db }: Looking): Promise<Finding> {
  const area = "orphans";
  try {
    const { totals, fuse, orphanFuse } = await dryRun({ db, storage: openStorage(config), config });
    const detail = text.orphans(totals.blobs, totals.orphans);
    if (fuse.blown || orphanFuse.blown) return { area, state: "warning", detail, fix: text.lookAtSweep };
    return { area, state: "ok", detail };
  } catch (error) {
    return { area, state: "skipped", detail: reasonOf(error) }; // the storage's own line says more
  }
}

/** Whether there is a backup to go back to, as often as the settings say. */
export async function checkBackups({ config, text, db }: Looking): Promise<Finding> {
  const area = "backup";
  const { state, wholeAt } = await findCondition(db, config);
  const at = wholeAt?.toISOString();
  if (state === "ok") return { area, state: "ok", detail: text.backupMade(at ?? "") };
  if (state === "waiting") return { area, state: "warning", detail: text.noBackups(at), fix: text.makeBackup };
  if (state === "off") return { area, state: "warning", detail: text.noBackups(at), fix: text.scheduleBackups };
  return { area, state: "broken", detail: text.backupTrouble(state, at), fix: text.makeBackup };
}
