import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { countJobs } from "../../db/job.ts";
import { sumStorage } from "../../db/sweep.ts";
import type { Deps } from "../../deps.ts";

export type Metrics = { render: () => Promise<string>; contentType: string };

/** Numbers of this process and of the queues, read when somebody asks. */
export function openMetrics({ db }: Pick<Deps, "db">): Metrics {
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
  return {
    contentType: registry.contentType,
    render: async () => {
      const [counts, storage] = await Promise.all([countJobs(db), sumStorage(db)]);
      jobs.reset();
      oldest.reset();
      for (const { actor, state, count, oldestSeconds } of counts) {
        jobs.set({ actor, state }, count);
        oldest.set({ actor, state }, oldestSeconds);
      }
      bytes.set({ state: "live" }, storage.liveBytes);
      bytes.set({ state: "doomed" }, storage.doomedBytes);
      return registry.metrics();
    },
  };
}
