import { ping } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";

export type PartCheck = { part: string; ok: boolean; required: boolean; detail?: string };

const limitMs = 2_000;

/** A probe of the storage writes, so that it is not made at every question. */
const probeEveryMs = 3_000;

/**
 * Looks at each part when asked; at the storage at most every 3 s. Storage and queues being away is degraded, not dead:
 * manifests are still served.
 */
export function openChecks({ db, storage, mailbox }: Pick<Deps, "db" | "storage" | "mailbox">) {
  let probe: { at: number; outcome: Promise<PartCheck> } | undefined;
  const probeStorage = () => {
    if (!probe || performance.now() - probe.at > probeEveryMs)
      probe = {
        at: performance.now(),
        outcome: check({ part: "storage", required: false }, () => storage.check()),
      };
    return probe.outcome;
  };
  return (): Promise<PartCheck[]> => {
    const [queue] = mailbox.queues;
    return Promise.all([
      check({ part: "database", required: true }, () => ping(db)),
      probeStorage(),
      check({ part: "queues", required: false }, async () => queue?.getJobCounts("waiting")),
    ]);
  };
}

async function check(about: { part: string; required: boolean }, look: () => Promise<unknown>): Promise<PartCheck> {
  let timer: Timer | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  });
  try {
    await Promise.race([look(), limit]);
    return { ...about, ok: true };
  } catch (error) {
    return { ...about, ok: false, detail: error instanceof Error ? error.message : "it failed" };
  } finally {
    clearTimeout(timer);
  }
}
