import { type Db, many, one, run } from "./query.ts";

export type JobState = "waiting" | "running" | "completed" | "failed";

export type JobRow = {
  id: string;
  actor: string;
  subject: string;
  payload: unknown;
  ownerId: string | null;
  wanted: number;
  done: number;
  state: JobState;
  progress: number;
  attempts: number;
  /** Runs in a row that never said how they ended: their pods were killed, by them or by somebody else. */
  brokenOff: number;
  result: Record<string, unknown> | null;
  problem: Record<string, unknown> | null;
  /** Of the request that asked for it last. */
  traceId: string | null;
  createdAt: Date;
  updatedAt: Date;
};

type Wish = { id: string; subject: string; payload: unknown };

const columns = `id, actor, subject, payload, owner_id as "ownerId", wanted, done, state, progress, attempts, broken_off as "brokenOff", result, problem,
  trace_id as "traceId", created_at as "createdAt", updated_at as "updatedAt"`;

/** Asks for jobs of one actor, once more where they were asked for before: raises `wanted` in the caller's transaction. */
export function insertWishes(
  db: Db,
  {
    actor,
    ownerId,
    traceId,
    wishes,
  }: { actor: string; ownerId: string | null; traceId: string | null; wishes: Wish[] },
): Promise<{ jobId: string; wanted: number }[]> {
  return many(db, {
    name: "job_insert_wishes",
    text: `insert into job.job (id, actor, subject, payload, owner_id, trace_id)
      select id, $1, subject, payload, $2, $4 from jsonb_to_recordset($3::jsonb) as wish (id uuid, subject text, payload jsonb) order by subject
      on conflict (actor, subject) do update set wanted = job.job.wanted + 1, payload = excluded.payload, state = 'waiting', progress = 0,
        attempts = 0, broken_off = 0, result = null, problem = null, trace_id = excluded.trace_id, wanted_at = now(), updated_at = now()
      returning id as "jobId", wanted`,
    values: [actor, ownerId, JSON.stringify(wishes), traceId],
  });
}

export function findJob(db: Db, id: string): Promise<JobRow | undefined> {
  return one<JobRow>(db, { name: "job_find", text: `select ${columns} from job.job where id = $1`, values: [id] });
}

export function findJobBySubject(
  db: Db,
  { actor, subject }: { actor: string; subject: string },
): Promise<JobRow | undefined> {
  return one<JobRow>(db, {
    name: "job_find_by_subject",
    text: `select ${columns} from job.job where actor = $1 and subject = $2`,
    values: [actor, subject],
  });
}

// Where a run begins, goes on and ends, the commit does not wait for the disk ("unhurried"). A loss of power may take back
// no more than that the run began or ended; it is then repeated, which every handler allows. What handlers themselves
// commit is as durable as ever.

/** Marks a run of that revision as begun. Undefined when it is settled already: there is nothing to do. */
export function startJob(db: Db, { jobId, wanted }: { jobId: string; wanted: number }): Promise<JobRow | undefined> {
  return one<JobRow>(db, {
    name: "job_start",
    text: `update job.job set state = 'running', attempts = attempts + 1, updated_at = now(),
        broken_off = case when state = 'running' then broken_off + 1 else 0 end
      from (select set_config('synchronous_commit', 'off', true)) as unhurried where id = $1 and wanted >= $2 and done < $2 returning ${columns}`,
    values: [jobId, wanted],
  });
}

export function updateProgress(
  db: Db,
  { jobId, wanted, progress }: { jobId: string; wanted: number; progress: number },
): Promise<number> {
  return run(db, {
    name: "job_update_progress",
    text: `update job.job set progress = $3, updated_at = now()
      from (select set_config('synchronous_commit', 'off', true)) as unhurried where id = $1 and done < $2 and wanted = $2`,
    values: [jobId, wanted, progress],
  });
}

type Settled = { jobId: string; wanted: number; state: "completed" | "failed"; result?: unknown; problem?: unknown };

/** Settles a revision, once: 0 when another run did, or when more was asked for meanwhile (that run settles it). */
export function settleJob(db: Db, { jobId, wanted, state, result, problem }: Settled): Promise<number> {
  return run(db, {
    name: "job_settle",
    text: `update job.job set done = $2, updated_at = now(),
        state = case when wanted = $2 then $3 else 'waiting' end,
        progress = case when wanted = $2 and $3 = 'completed' then 1 else progress end,
        result = $4, problem = $5
      from (select set_config('synchronous_commit', 'off', true)) as unhurried where id = $1 and done < $2`,
    values: [
      jobId,
      wanted,
      state,
      result === undefined ? null : JSON.stringify(result),
      problem === undefined ? null : JSON.stringify(problem),
    ],
  });
}

/** Puts a run that failed for now back to waiting, so that it can be seen and sent again. */
export function postponeJob(
  db: Db,
  { jobId, wanted, problem }: { jobId: string; wanted: number; problem: unknown },
): Promise<number> {
  return run(db, {
    name: "job_postpone",
    text: `update job.job set state = 'waiting', problem = $3, updated_at = now() where id = $1 and done < $2 and wanted = $2`,
    values: [jobId, wanted, JSON.stringify(problem)],
  });
}

/** Wanted, not done, and untouched for that long; oldest first, at most `limit`. */
export function listStuckJobs(
  db: Db,
  { afterSeconds, limit }: { afterSeconds: number; limit: number },
): Promise<JobRow[]> {
  return many<JobRow>(db, {
    name: "job_list_stuck",
    text: `select ${columns} from job.job where done < wanted and updated_at < now() - make_interval(secs => $1) order by updated_at limit $2`,
    values: [afterSeconds, limit],
  });
}

/** Marks jobs as sent again, so that the next look does not take them at once. */
export function touchJobs(db: Db, ids: string[]): Promise<number> {
  return run(db, {
    name: "job_touch",
    text: `update job.job set updated_at = now() where id = any($1::uuid[]) and done < wanted`,
    values: [ids],
  });
}

/** Forgets settled jobs that nobody has asked for since. */
export function deleteOldJobs(db: Db, { afterDays }: { afterDays: number }): Promise<number> {
  return run(db, {
    name: "job_delete_old",
    text: `delete from job.job where done >= wanted and updated_at < now() - make_interval(days => $1)`,
    values: [afterDays],
  });
}

export function sendCanary(db: Db, actor: string): Promise<number> {
  return run(db, {
    name: "canary_send",
    text: `insert into job.canary (actor, sent_at) values ($1, now()) on conflict (actor) do update set sent_at = now()
      where job.canary.seen_at >= job.canary.sent_at`,
    values: [actor],
  });
}

export function seeCanary(db: Db, actor: string): Promise<number> {
  return run(db, {
    name: "canary_see",
    text: `update job.canary set seen_at = now() where actor = $1`,
    values: [actor],
  });
}

/** Queues whose canary nobody has taken for that long, and the one of `resend-stuck` when nobody sends canaries any more. */
export async function listSilentQueues(db: Db, afterSeconds: number): Promise<string[]> {
  const rows = await many<{ actor: string }>(db, {
    name: "canary_list_silent",
    text: `select actor from job.canary where greatest(sent_at, seen_at) < now() - make_interval(secs => $1)
      and (seen_at is null or seen_at < sent_at or actor = 'resend-stuck')`,
    values: [afterSeconds],
  });
  return rows.map(({ actor }) => actor);
}

type JobCount = {
  actor: string;
  state: JobState;
  count: number;
  /** Since the longest untouched one moved. */
  oldestSeconds: number;
  /** Since the oldest was asked for. */
  waitedSeconds: number;
  /** Of the one that was tried most often. */
  attempts: number;
};

export function countJobs(db: Db): Promise<JobCount[]> {
  return many(db, {
    name: "job_count",
    text: `select actor, state, count(*) as count, coalesce(extract(epoch from now() - min(updated_at)), 0)::float8 as "oldestSeconds",
        coalesce(extract(epoch from now() - min(wanted_at)), 0)::float8 as "waitedSeconds", max(attempts) as attempts
      from job.job where done < wanted or state = 'failed' group by actor, state`,
  });
}
