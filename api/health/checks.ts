import { findCondition } from "../../backup/run.ts";
import { listSilentQueues } from "../../db/job.ts";
import { ping } from "../../db/query.ts";
import type { Api } from "../api.ts";

export type PartCheck = {
  part: string;
  ok: boolean;
  /** Without it the process answers nothing that matters. */
  required: boolean;
  /** Degraded: what is missing is missed by some. Down: by all. */
  state: "ok" | "degraded" | "down";
  detail?: string;
};
type About = Pick<PartCheck, "part" | "required">;

const limitMs = 2_000;

/** A probe of the storage writes, so that it is not made at every question. */
const probeEveryMs = 3_000;
/** Nobody has taken a canary for so many of its periods. */
const silentPeriods = 4;
/** Lines that were lost are told for so long. */
const lostForMs = 60_000;

type Parts = Pick<Api, "db" | "storage" | "mailbox" | "revocations" | "logs" | "config">;

/**
 * Looks at each part when asked; at the storage at most every 3 s. Storage and queues being away is degraded, not dead:
 * manifests are still served.
 */
export function openChecks({ db, storage, mailbox, revocations, logs, config }: Parts) {
  let probe: { at: number; outcome: Promise<PartCheck> } | undefined;
  const probeStorage = () => {
    if (!probe || performance.now() - probe.at > probeEveryMs)
      probe = {
        at: performance.now(),
        outcome: check({ part: "storage", required: false }, () => storage.check()),
      };
    return probe.outcome;
  };
  const lookAtWorkers = async () => {
    const silent = await listSilentQueues(db, silentPeriods * config.RESEND_EVERY_SECONDS + 5);
    const queues = mailbox.queues.filter(({ name }) => silent.includes(name));
    const paused = await Promise.all(queues.map((queue) => queue.isPaused())); // by somebody who knows
    const deaf = queues.filter((_, index) => !paused[index]).map(({ name }) => name);
    if (deaf.length > 0) throw new Error(`nobody takes messages of ${deaf.join(", ")}`);
  };
  let lost = { lines: 0, at: Number.NEGATIVE_INFINITY };
  const lookAtLogs = async () => {
    const lines = logs.shipping?.dropped() ?? 0;
    if (lines > lost.lines) lost = { lines, at: performance.now() };
    if (performance.now() - lost.at < lostForMs)
      throw new Error(`${lost.lines} lines were lost: the stream of logs does not take them`);
  };
  const lookAtBackups = async () => {
    if (config.BACKUP_EVERY_HOURS === 0) return;
    const { state, last } = await findCondition(db, config);
    if (state === "late") throw new Error(last?.problem ?? "the last whole one is older than it should be");
    if (state === "damaged") throw new Error(`${last?.damaged} objects are lost`);
  };
  return (): Promise<PartCheck[]> => {
    const [queue] = mailbox.queues;
    return Promise.all([
      check({ part: "database", required: true }, () => ping(db)),
      check({ part: "revocations", required: true }, async () => revocations.lease()),
      probeStorage(),
      check({ part: "queues", required: false }, async () => queue?.getJobCounts("waiting")),
      check({ part: "workers", required: false }, lookAtWorkers),
      check({ part: "logs", required: false }, lookAtLogs),
      check({ part: "backups", required: false }, lookAtBackups),
    ]);
  };
}

async function check(about: About, look: () => Promise<unknown>): Promise<PartCheck> {
  let timer: Timer | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  });
  try {
    await Promise.race([look(), limit]);
    return { ...about, ok: true, state: "ok" };
  } catch (error) {
    const detail = error instanceof Error ? error.message : "it failed";
    return { ...about, ok: false, state: about.required ? "down" : "degraded", detail };
  } finally {
    clearTimeout(timer);
  }
}
