import { actor, type Static, t } from "./actor.ts";

export const CollectLogs = t.Object({ scope: t.Literal("all") });
export type CollectLogs = Static<typeof CollectLogs>;

/** Writes the lines of all processes to files by service and day, packs those that are full or over, and removes old ones. */
export const collectLogs = actor({
  name: "collect-logs",
  payload: CollectLogs,
  subject: ({ scope }) => scope,
  retry: { attempts: 1, backoffMs: 1_000 },
  concurrency: 1,
  timeoutMs: 50_000,
  needs: ["logs", "config"],
  every: (config) => config.LOGS_EVERY_SECONDS,
  handler: () => import("../workers/collect-logs.ts"),
});
