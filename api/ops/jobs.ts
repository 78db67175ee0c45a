import { Elysia, t } from "elysia";
import { type FailedJobRow, listFailedJobs, retryFailedJob, retryFailedJobs } from "../../db/failed-job.ts";
import { countJobs } from "../../db/job.ts";
import { Fault } from "../../fault.ts";
import type { Api } from "../api.ts";
import { noteAct, type Office } from "../audit.ts";
import { callers, requireRole } from "../caller.ts";
import { describe } from "../describe.ts";
import { CursorId, linkNext, PageQuery, readCursor, writeCursor } from "../pages.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import { Accepted } from "../uploads/model.ts";

/** So many jobs are sent again by one request: whoever has more asks once more. */
const atOnce = 1_000;
const count = t.Integer({ minimum: 0 });

const FailedJob = t.Object({
  id: t.String(),
  actor: t.String(),
  subject: t.String(),
  attempts: count,
  problem: t.Union([t.Record(t.String(), t.Unknown()), t.Null()]),
  traceId: t.Union([t.String(), t.Null()], { description: "For GET /v1/ops/logs?trace=" }),
  failedAt: t.String(),
});
const FailedJobs = t.Object({ items: t.Array(FailedJob), nextCursor: t.Union([t.String(), t.Null()]) });
const ActorName = t.String({ maxLength: 100 });
const Query = t.Object({ ...PageQuery, actor: t.Optional(ActorName) }, { additionalProperties: false });
const RetryBody = t.Optional(t.Object({ actor: t.Optional(ActorName) }, { additionalProperties: false }));
const Retried = t.Object({ retried: count, more: t.Boolean({ description: "Others have failed too: ask once more" }) });
const ActorState = t.Object({
  name: t.String(),
  paused: t.Boolean(),
  waiting: count,
  running: count,
  failed: count,
});
const Cursor = t.Tuple([CursorId]);

/** Failed jobs and the queues of actors, for those who look after the server. */
export function operatedJobs(api: Api) {
  const operator = (caller: Caller | null) => requireRole(caller, "admin", "ops");
  return new Elysia({ prefix: "/v1/ops", tags: ["ops"] })
    .use(callers(api))
    .get(
      "/jobs",
      async ({ query: { limit = 50, cursor, actor }, caller, request, set }) => {
        operator(caller);
        const before = readCursor(cursor, Cursor)?.[0] ?? null;
        const rows = await listFailedJobs(api.db, { actor: actor ?? null, before, limit: limit + 1 });
        const last = rows.length > limit ? rows[limit - 1] : undefined;
        const nextCursor = last ? writeCursor([last.id]) : null;
        Object.assign(set.headers, linkNext(request, nextCursor));
        return { items: rows.slice(0, limit).map(describeFailed), nextCursor };
      },
      { query: Query, response: { 200: FailedJobs }, detail: { summary: "Jobs that have failed, newest first" } },
    )
    .post(
      "/jobs/:id/retry",
      async ({ params: { id }, caller, request, status }) => {
        const message = await retryOne(api, { caller: operator(caller), request }, id);
        await api.mailbox.send(message.actor, message);
        return status(202, { job: { id, url: `/v1/jobs/${id}` } });
      },
      {
        params: t.Object({ id: t.String({ format: "uuid" }) }),
        detail: { summary: "Do a failed job once more", responses: describe({ 202: Accepted }) },
      },
    )
    .post(
      "/jobs/retry",
      async ({ body, caller, request, status }) => {
        const actor = body?.actor ?? null;
        if (actor !== null) findQueue(api, actor);
        const office = { caller: operator(caller), request };
        const retried = await api.db.transaction(async (tx) => {
          await confirmCaller(tx, office.caller);
          const jobs = await retryFailedJobs(tx, { actor, limit: atOnce });
          await noteAct(tx, office, { action: "jobs.retried", subject: actor ?? "", detail: { jobs: jobs.length } });
          return jobs;
        });
        for (const message of retried) await api.mailbox.send(message.actor, message);
        return status(202, { retried: retried.length, more: retried.length === atOnce });
      },
      {
        body: RetryBody,
        response: { 202: Retried },
        detail: { summary: "Do all failed jobs once more, or those of one actor" },
      },
    )
    .get(
      "/actors",
      async ({ caller }) => {
        operator(caller);
        return { items: await describeActors(api) };
      },
      { response: { 200: t.Object({ items: t.Array(ActorState) }) }, detail: { summary: "Actors and their queues" } },
    )
    .post(
      "/actors/:name/pause",
      ({ params: { name }, caller, request }) =>
        setPaused(api, { caller: operator(caller), request }, { name, paused: true }),
      {
        params: t.Object({ name: ActorName }),
        response: { 200: t.Object({ name: t.String(), paused: t.Boolean() }) },
        detail: { summary: "Let no pod begin anything of this actor; what runs goes on" },
      },
    )
    .post(
      "/actors/:name/resume",
      ({ params: { name }, caller, request }) =>
        setPaused(api, { caller: operator(caller), request }, { name, paused: false }),
      {
        params: t.Object({ name: ActorName }),
        response: { 200: t.Object({ name: t.String(), paused: t.Boolean() }) },
        detail: { summary: "Let it go on" },
      },
    );
}

type Operation = Office & { caller: Caller };

function retryOne({ db }: Pick<Api, "db">, office: Operation, id: string) {
  return db.transaction(async (tx) => {
    await confirmCaller(tx, office.caller);
    const message = await retryFailedJob(tx, id);
    if (!message) throw new Fault("not-found", "There is no such job that has failed");
    await noteAct(tx, office, { action: "job.retried", subject: id, detail: { actor: message.actor } });
    return message;
  });
}

async function setPaused(api: Api, office: Operation, { name, paused }: { name: string; paused: boolean }) {
  const queue = findQueue(api, name);
  await api.db.transaction(async (tx) => {
    await confirmCaller(tx, office.caller);
    await noteAct(tx, office, { action: paused ? "actor.paused" : "actor.resumed", subject: name });
    await (paused ? queue.pause() : queue.resume()); // the last: what the queue refuses is not noted either
  });
  return { name, paused };
}

function findQueue({ mailbox }: Pick<Api, "mailbox">, name: string) {
  const queue = mailbox.queues.find((opened) => opened.name === name);
  if (!queue) throw new Fault("not-found", `There is no actor "${name}"`);
  return queue;
}

async function describeActors({ db, mailbox }: Pick<Api, "db" | "mailbox">): Promise<(typeof ActorState.static)[]> {
  const counts = await countJobs(db);
  const of = (actor: string, state: string) =>
    counts.find((row) => row.actor === actor && row.state === state)?.count ?? 0;
  return Promise.all(
    mailbox.queues.map(async (queue) => ({
      name: queue.name,
      paused: await queue.isPaused(),
      waiting: of(queue.name, "waiting"),
      running: of(queue.name, "running"),
      failed: of(queue.name, "failed"),
    })),
  );
}

function describeFailed({ updatedAt, ...job }: FailedJobRow): typeof FailedJob.static {
  return { ...job, failedAt: updatedAt.toISOString() };
}
