import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { countJobs } from "../../db/job.ts";
import { listRuns, type RunSum, runBounds } from "../../db/log-run.ts";
import { sumStorage, sumUploads } from "../../db/sweep.ts";
import { waitAtMost } from "../../patience.ts";
import type { Api } from "../api.ts";
import type { PartCheck } from "./checks.ts";

type MetricsParts = Pick<Api, "db" | "mailbox" | "log" | "requestCounts" | "analytics" | "revocations" | "logs">;
type Settings = { checkParts: () => Promise<PartCheck[]>; version: string };
export type Metrics = { render: () => Promise<string>; contentType: string };

const limitMs = 2_000;

/** Numbers of this process, of its requests and of the queues, read when somebody asks. What does not answer is left out. */
export function openMetrics(api: MetricsParts, { checkParts, version }: Settings): Metrics {
  const { db, mailbox, log, requestCounts, analytics, revocations, logs } = api;
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: "sunduk_" });
  const jobs = new Gauge({
    name: "sunduk_jobs",
    help: "Jobs by actor and state",
    labelNames: ["actor", "state"],
    registers: [registry],
  });
  const oldest = new Gauge({
    name: "sunduk_job_oldest_seconds",
    help: "Time since the longest untouched job moved",
    labelNames: ["actor", "state"],
    registers: [registry],
  });
  const bytes = new Gauge({
    name: "sunduk_storage_bytes",
    help: "Bytes by state",
    labelNames: ["state"],
    registers: [registry],
  });
  const depth = new Gauge({
    name: "sunduk_queue_messages",
    help: "Messages by queue and state, as the queue itself counts them",
    labelNames: ["queue", "state"],
    registers: [registry],
  });
  const gauge = (name: string, help: string, labels: string[] = []) =>
    new Gauge({ name, help, labelNames: labels, registers: [registry] });
  const waited = gauge("sunduk_job_waiting_seconds", "Time since the oldest job that is not done was asked for", [
    "actor",
  ]);
  const attempts = gauge("sunduk_job_attempts", "Runs of the job that was tried most often and is not done", ["actor"]);
  const parts = gauge("sunduk_part_up", "Whether a part answers, as /readyz?verbose says", ["part"]);
  const connections = gauge("sunduk_database_connections", "Connections of this process' pool, and who waits for one", [
    "state",
  ]);
  const broken = gauge("sunduk_storage_broken_blobs", "Stored objects that were found missing or changed");
  const revocationAge = gauge("sunduk_revocations_age_seconds", "Time since revocations were last asked for");
  const droppedLines = new Counter({
    name: "sunduk_log_lines_dropped_total",
    help: "Log lines of this process that could not be collected",
    registers: [registry],
  });
  gauge("sunduk_build_info", "1, with the version as a label", ["version"]).set({ version }, 1);
  const readProcess = () => {
    for (const [state, count] of Object.entries(db.usage())) connections.set({ state }, count);
    revocationAge.set(revocations.ageMs() / 1000);
    droppedLines.reset();
    droppedLines.inc(logs.shipping?.dropped() ?? 0);
  };
  const readParts = async () => {
    for (const { part, ok } of await checkParts()) parts.set({ part }, ok ? 1 : 0);
  };
  let runs: RunSum[] = [];
  const readRuns = async () => {
    runs = await listRuns(db);
  };
  const readJobs = async () => {
    for (const numbers of [jobs, oldest, waited, attempts]) numbers.reset();
    const [longest, most] = [new Map<string, number>(), new Map<string, number>()];
    for (const { actor, state, count, oldestSeconds, ...job } of await countJobs(db)) {
      if (state !== "failed") {
        longest.set(actor, Math.max(longest.get(actor) ?? 0, job.waitedSeconds));
        most.set(actor, Math.max(most.get(actor) ?? 0, job.attempts));
      }
      jobs.set({ actor, state }, count);
      oldest.set({ actor, state }, oldestSeconds);
    }
    for (const [actor, seconds] of longest) waited.set({ actor }, seconds);
    for (const [actor, count] of most) attempts.set({ actor }, count);
  };
  const readStorage = async () => {
    bytes.reset();
    const { liveBytes, doomedBytes, brokenBlobs } = await sumStorage(db);
    bytes.set({ state: "live" }, liveBytes);
    bytes.set({ state: "doomed" }, doomedBytes);
    broken.set(brokenBlobs);
    for (const upload of await sumUploads(db)) bytes.set({ state: upload.state }, upload.bytes);
  };
  const readQueues = async () => {
    depth.reset();
    await Promise.all(
      mailbox.queues.map(async (queue) => {
        const counts = await queue.getJobCounts("waiting", "active", "delayed", "failed");
        for (const [state, count] of Object.entries(counts)) depth.set({ queue: queue.name, state }, count);
      }),
    );
  };
  const readInTime = async (read: () => Promise<void>) => {
    const reading = read().catch((error) => log.debug({ err: error }, "numbers are missing"));
    await waitAtMost(reading, limitMs);
  };
  return {
    contentType: registry.contentType,
    render: async () => {
      readProcess(); // first: what follows takes connections itself
      await Promise.all([readJobs, readStorage, readQueues, readParts, readRuns].map(readInTime));
      return `${await registry.metrics()}${renderRuns(runs)}${requestCounts.render()}${analytics.render()}`;
    },
  };
}

/** How long runs of jobs took, of all pods: every API process tells the same. */
function renderRuns(runs: readonly RunSum[]): string {
  const name = "sunduk_job_duration_seconds";
  const lines = [`# HELP ${name} Time that runs of jobs took, summed over all pods`, `# TYPE ${name} histogram`];
  for (const { actor, outcome, runs: count, seconds, buckets } of runs) {
    const labels = `actor="${actor}",outcome="${outcome}"`;
    runBounds.forEach((bound, index) => {
      lines.push(`${name}_bucket{${labels},le="${bound}"} ${buckets[index] ?? 0}`);
    });
    lines.push(`${name}_bucket{${labels},le="+Inf"} ${count}`);
    lines.push(`${name}_sum{${labels}} ${seconds}`, `${name}_count{${labels}} ${count}`);
  }
  return `${lines.join("\n")}\n`;
}
