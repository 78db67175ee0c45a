import { Value } from "@sinclair/typebox/value";
import { Elysia, t } from "elysia";
import { findSeenArchive } from "../../db/album-archive.ts";
import { findJob, type JobRow } from "../../db/job.ts";
import { findVersionPack, findVersionRole } from "../../db/version-access.ts";
import { Fault } from "../../fault.ts";
import { BuildAlbumArchive, buildAlbumArchive } from "../../queues/build-album-archive.ts";
import { BuildArchive, buildArchive } from "../../queues/build-archive.ts";
import { mirrorReference } from "../../queues/mirror-reference.ts";
import { publishVersion } from "../../queues/publish-version.ts";
import type { Api } from "../api.ts";
import { callers, toReader } from "../caller.ts";
import { toViewer } from "../images/viewer.ts";
import type { Caller } from "../tokens.ts";

const params = t.Object({ id: t.String({ format: "uuid" }) });
const Job = t.Object({
  id: t.String(),
  actor: t.String(),
  state: t.Union([t.Literal("waiting"), t.Literal("running"), t.Literal("completed"), t.Literal("failed")]),
  progress: t.Number({ minimum: 0, maximum: 1 }),
  attempts: t.Integer(),
  result: t.Union([t.Record(t.String(), t.Unknown()), t.Null()]),
  problem: t.Union([t.Record(t.String(), t.Unknown()), t.Null()]),
  createdAt: t.String(),
  updatedAt: t.String(),
});

/** What the payloads of publishing and mirroring have in common. */
const OfVersion = t.Object({ versionId: t.String() });

const heartbeatMs = 5_000;
/** A hint may get lost, so the row is read so often besides. */
const lookMs = 2_000;

/** Jobs: what long work is at. */
export function jobs(api: Api) {
  return new Elysia({ prefix: "/v1/jobs", tags: ["jobs"] })
    .use(callers(api))
    .get(
      "/:id",
      async ({ params: { id }, caller, request }) => describeJob(await getJob(api, { id, caller, request })),
      {
        params,
        response: { 200: Job },
        detail: { summary: "State of a job" },
      },
    )
    .get(
      "/:id/events",
      async ({ params: { id }, caller, request }) => {
        await getJob(api, { id, caller, request });
        const headers = {
          "content-type": "text/event-stream",
          "cache-control": "private, no-store",
          "x-accel-buffering": "no",
        };
        return new Response(
          streamJob(api, { id, caller, signal: request.signal, seen: request.headers.get("last-event-id") }),
          { headers },
        );
      },
      { params, detail: { summary: "Changes of a job as server-sent events, until it has ended" } },
    );
}

type Asked = { caller: Caller | null; request: Request };

async function getJob(api: Pick<Api, "db" | "seal">, { id, ...asked }: Asked & { id: string }): Promise<JobRow> {
  const job = await findJob(api.db, id);
  if (!job || !(await maySee(api, { job, ...asked }))) throw new Fault("not-found", "There is no such job of yours");
  return job;
}

/**
 * Its owner and operators; an archive's job, whoever may read the pack or see all images in it; that of publishing or
 * mirroring, who works on it.
 */
async function maySee(
  { db, seal }: Pick<Api, "db" | "seal">,
  { job, caller, request }: Asked & { job: JobRow },
): Promise<boolean> {
  if (caller && (job.ownerId === caller.userId || caller.roles.some((role) => role === "admin" || role === "ops")))
    return true;
  if (job.actor === buildAlbumArchive.name && Value.Check(BuildAlbumArchive, job.payload)) {
    const viewer = toViewer({ seal }, { caller, request });
    return (await findSeenArchive(db, { id: job.payload.archiveId, viewer })) !== undefined;
  }
  const reader = toReader(caller);
  if (job.actor === buildArchive.name && Value.Check(BuildArchive, job.payload))
    return (await findVersionPack(db, { versionId: job.payload.versionId, reader })) !== undefined;
  if (![publishVersion.name, mirrorReference.name].includes(job.actor) || !Value.Check(OfVersion, job.payload))
    return false;
  return (await findVersionRole(db, { versionId: job.payload.versionId, reader }))?.role != null;
}

function describeJob(job: JobRow): typeof Job.static {
  const { id, actor, state, progress, attempts, result, problem } = job;
  const shown = state === "failed" ? problem : null; // a problem of a run that is tried again is no answer yet
  return {
    id,
    actor,
    state,
    progress,
    attempts,
    result,
    problem: shown,
    createdAt: job.createdAt.toISOString(),
    updatedAt: job.updatedAt.toISOString(),
  };
}

type Watch = { id: string; caller: Caller | null; signal: AbortSignal; seen: string | null };
type Streams = Pick<Api, "db" | "bus" | "revocations">;

function streamJob({ db, bus, revocations }: Streams, { id, caller, signal, seen }: Watch): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let last = seen;
  let stop = () => {};
  return new ReadableStream({
    start(controller) {
      const write = (text: string) => controller.enqueue(encoder.encode(text));
      let ended = false;
      const look = async () => {
        const job = await findJob(db, id);
        if (ended) return;
        if (!job) return stop();
        const version = `${job.wanted}-${job.state}-${job.progress}-${job.attempts}`;
        const event =
          version === last ? "" : `id: ${version}\nevent: job\ndata: ${JSON.stringify(describeJob(job))}\n\n`;
        last = version;
        if (event) write(event);
        if (job.state === "completed" || job.state === "failed") stop();
      };
      const lookSafely = () => void look().catch(() => stop()); // the client connects again with Last-Event-ID
      const unsubscribe = bus.subscribe("job.changed", (changed) => {
        if (changed === id) lookSafely();
      });
      // Whoever is signed out, disabled or deleted meanwhile hears no more.
      const isRevoked = () => caller !== null && revocations.isRevoked(caller);
      const forget = revocations.onRevoked(() => {
        if (isRevoked()) stop();
      });
      const timers = [setInterval(lookSafely, lookMs), setInterval(() => write(": still here\n\n"), heartbeatMs)];
      stop = () => {
        if (ended) return;
        ended = true;
        unsubscribe();
        forget();
        for (const timer of timers) clearInterval(timer);
        controller.close();
      };
      signal.addEventListener("abort", stop, { once: true });
      if (isRevoked()) return stop();
      lookSafely();
    },
    cancel: () => stop(),
  });
}
