import { type Db, many, one } from "./query.ts";

export type FailedJobRow = {
  id: string;
  actor: string;
  subject: string;
  attempts: number;
  problem: Record<string, unknown> | null;
  traceId: string | null;
  updatedAt: Date;
};

type Retried = { jobId: string; wanted: number; actor: string };

/** Jobs that have failed, the newest first; of one actor, or of all. */
export function listFailedJobs(
  db: Db,
  { actor, before, limit }: { actor: string | null; before: string | null; limit: number },
): Promise<FailedJobRow[]> {
  return many<FailedJobRow>(db, {
    name: "failed_job_list",
    text: `select id, actor, subject, attempts, problem, trace_id as "traceId", updated_at as "updatedAt" from job.job
      where state = 'failed' and ($1::text is null or actor = $1) and ($2::uuid is null or id < $2) order by id desc limit $3`,
    values: [actor, before, limit],
  });
}

/** Asks for a failed job once more, as whoever wanted it first. Undefined when it has not failed. */
export function retryFailedJob(tx: Db, id: string): Promise<Retried | undefined> {
  return one<Retried>(tx, {
    name: "failed_job_retry",
    text: `update job.job set wanted = wanted + 1, state = 'waiting', progress = 0, attempts = 0, broken_off = 0, result = null,
        problem = null, wanted_at = now(), updated_at = now()
      where id = $1 and state = 'failed' returning id as "jobId", wanted, actor`,
    values: [id],
  });
}

/** The same for so many of the oldest ones, of one actor or of all. */
export function retryFailedJobs(tx: Db, { actor, limit }: { actor: string | null; limit: number }): Promise<Retried[]> {
  return many<Retried>(tx, {
    name: "failed_job_retry_many",
    text: `update job.job set wanted = wanted + 1, state = 'waiting', progress = 0, attempts = 0, broken_off = 0, result = null,
        problem = null, wanted_at = now(), updated_at = now()
      where id in (select id from job.job where state = 'failed' and ($1::text is null or actor = $1) order by id limit $2 for update skip locked)
      returning id as "jobId", wanted, actor`,
    values: [actor, limit],
  });
}
