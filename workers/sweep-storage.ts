import { deleteOldKeys } from "../db/idempotency.ts";
import { holdBackups, isRestored } from "../db/sweep.ts";
import { Fault } from "../fault.ts";
import type { Handle } from "../queues/actor.ts";
import type { SweepStorage } from "../queues/sweep-storage.ts";
import { type Fuse, readSweepRules } from "../sweep-rules.ts";
import type { Sweep } from "./sweep-batches.ts";
import { collectBlobs } from "./sweep-blobs.ts";
import { expireImages, forgetRejectedImages } from "./sweep-images.ts";
import {
  eraseVersions,
  expireDrafts,
  expireUploads,
  forgetAlbumArchives,
  forgetRejected,
  giveUpAttempts,
} from "./sweep-leftovers.ts";
import { abortParts, removeDue, removeOrphans, removeTemporary } from "./sweep-objects.ts";
import { letGoOfSources } from "./sweep-sources.ts";

type Step = { name: string; work: (sweep: Sweep) => Promise<number> };

/** In an order in which a step finds what the one before has set free. */
const steps: Step[] = [
  { name: "drafts", work: expireDrafts },
  { name: "versions", work: eraseVersions },
  { name: "uploads", work: expireUploads },
  { name: "rejected", work: forgetRejected },
  { name: "images", work: expireImages },
  { name: "rejectedImages", work: forgetRejectedImages },
  { name: "albumArchives", work: forgetAlbumArchives },
  { name: "imageSources", work: letGoOfSources },
  { name: "blobs", work: collectBlobs },
  { name: "attempts", work: giveUpAttempts },
  { name: "objects", work: removeDue },
  { name: "parts", work: abortParts },
  { name: "orphans", work: removeOrphans },
  { name: "temporary", work: removeTemporary },
  { name: "answers", work: ({ db }) => deleteOldKeys(db) },
];

/**
 * Cleans in steps, each of which may be killed anywhere and run again, also beside another run. While a backup is under way, and for a day
 * after a restore, it does nothing. Where too much would go at once a step takes nothing, and the run fails when the others are done.
 */
export const handle: Handle<SweepStorage, "db" | "storage" | "config"> = async ({
  payload,
  deps,
  signal,
  progress,
  log,
}) => {
  const { db, storage, config } = deps;
  if (!(await db.transaction(holdBackups))) return { paused: "a backup runs" };
  const rules = readSweepRules(config);
  if (!payload.force && (await isRestored(db, rules.orphanSeconds))) return { paused: "the database was restored" };
  const blown: { what: string; fuse: Fuse }[] = [];
  const sweep: Sweep = {
    db,
    storage,
    rules,
    force: payload.force ?? false,
    signal,
    log,
    onBlown: (what, fuse) => void blown.push({ what, fuse }),
  };
  const swept: Record<string, number> = {};
  for (const [index, { name, work }] of steps.entries()) {
    signal.throwIfAborted();
    swept[name] = await work(sweep);
    progress((index + 1) / steps.length);
  }
  if (Object.values(swept).some((count) => count > 0)) log.info({ swept }, "swept the storage");
  const [first] = blown;
  if (!first) return { swept };
  log.error({ blown, swept }, "the sweep refuses to remove so much at once");
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  throw new Fault(
    "conflict",
    `Cannot sweep ${first.what}: ${percent(first.fuse.share)} of them would go at once, ${percent(first.fuse.limit)} may. Look at GET /v1/ops/storage/sweep; when it is right, an admin sends POST with {"force": true}`,
    { extra: { fuse: first.fuse, swept } },
  );
};
