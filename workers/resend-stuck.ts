import { deleteOldJobs, listStuckJobs, sendCanary, touchJobs } from "../db/job.ts";
import type { Handle } from "../queues/actor.ts";
import type { ResendStuck } from "../queues/resend-stuck.ts";

const atOnce = 1_000;
const settledJobsDays = 90;

/** Finds what is wanted and not done in Postgres, and sends it again; sends each queue a canary. */
export const handle: Handle<ResendStuck, "db" | "mailbox" | "config"> = async ({
  deps: { db, mailbox, config },
  log,
  signal,
}) => {
  const stuck = await listStuckJobs(db, { afterSeconds: config.RESEND_AFTER_SECONDS, limit: atOnce });
  await touchJobs(
    db,
    stuck.map(({ id }) => id),
  );
  for (const { id, actor, wanted } of stuck) {
    if (signal.aborted) break;
    await mailbox.send(actor, { jobId: id, wanted });
  }
  if (stuck.length > 0) log.info({ jobs: stuck.length }, "sent again what was stuck");
  for (const { name } of mailbox.queues) {
    await sendCanary(db, name);
    await mailbox.sendCanary(name);
  }
  await deleteOldJobs(db, { afterDays: settledJobsDays });
  return { sent: stuck.length };
};
