import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { countJobs } from "../../db/job.ts";
import { sumStorage } from "../../db/sweep.ts";
import type { Api } from "../api.ts";

type MetricsParts = Pick<Api, "db" | "mailbox" | "log" | "requestCounts" | "analytics">;
export type Metrics = { render: () => Promise<string>; contentType: string };

const limitMs = 2_000;

/** Numbers of this process, of its requests and of the queues, read when somebody asks. What does not answer is left out. */
export function openMetrics({ db, mailbox, log, requestCounts, analytics }: MetricsParts): Metrics {
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
  const readJobs = async () => {
    jobs.reset();
    oldest.reset();
    for (const { actor, state, count, oldestSeconds } of await countJobs(db)) {
      jobs.set({ actor, state }, count);
      oldest.set({ actor, state }, oldestSeconds);
    }
  };
  const readStorage = async () => {
    bytes.reset();
    const { liveBytes, doomedBytes } = await sumStorage(db);
    bytes.set({ state: "live" }, liveBytes);
    bytes.set({ state: "doomed" }, doomedBytes);
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
    await Promise.race([reading, Bun.sleep(limitMs)]);
  };
  return {
    contentType: registry.contentType,
    render: async () => {
      await Promise.all([readJobs, readStorage, readQueues].map(readInTime));
      return `${await registry.metrics()}${requestCounts.render()}${analytics.render()}`;
    },
  };
}
