import { Elysia, t } from "elysia";
import { countIdleBlobs, holdBackups, listDoomed, listIdleBlobs, sumStorage } from "../../db/sweep.ts";
import { countImageLeftovers, listExpiredImages } from "../../db/sweep-images.ts";
import { countLeftovers, listExpiredDrafts, listExpiredUploads, listUnnamed } from "../../db/sweep-leftovers.ts";
import { want } from "../../queues/mailbox.ts";
import { sweepStorage } from "../../queues/sweep-storage.ts";
import { findUnnamed } from "../../storage/unnamed.ts";
import { readSweepRules, weighFuse } from "../../sweep-rules.ts";
import type { Api } from "../api.ts";
import { noteAct } from "../audit.ts";
import { callers, requireRole } from "../caller.ts";
import { describe } from "../describe.ts";
import { Accepted } from "../uploads/model.ts";
import { DryRun, type DryRun as DryRunBody } from "./sweep-model.ts";

/** Each list shows so many, with the total beside it. */
const shown = 100;
/** A dry run looks at so many objects of each kind; the sweep itself looks at all. */
const objectsLookedAt = 20_000;

/** Cleaning: what would go and why, and doing it now. */
export function sweep(api: Api) {
  return new Elysia({ prefix: "/v1/ops/storage", tags: ["ops"] })
    .use(callers(api))
    .get(
      "/sweep",
      async ({ caller, set }) => {
        requireRole(caller, "admin", "ops");
        set.headers["cache-control"] = "no-store";
        return dryRun(api);
      },
      { response: { 200: DryRun }, detail: { summary: "What the next sweep would remove, and why" } },
    )
    .post(
      "/sweep",
      async ({ caller, body, request, status }) => {
        const force = body?.force ?? false;
        const operator = force ? requireRole(caller, "admin") : requireRole(caller, "admin", "ops");
        const payload = { scope: "all" as const, ...(force && { force }) };
        const message = await api.db.transaction(async (tx) => {
          await noteAct(tx, { caller: operator, request }, { action: "storage.swept", detail: { force } });
          return want(tx, sweepStorage, { payload, ownerId: operator.userId });
        });
        await api.mailbox.send(sweepStorage.name, message);
        return status(202, { job: { id: message.jobId, url: `/v1/jobs/${message.jobId}` } });
      },
      {
        body: t.Optional(
          t.Object(
            { force: t.Optional(t.Boolean({ description: "Take more than SWEEP_MAX_SHARE, for admins" })) },
            { additionalProperties: false },
          ),
        ),
        detail: { summary: "Sweep now", responses: describe({ 202: Accepted }) },
      },
    );
}

/** What the next sweep would remove, by the rules of this moment. */
export async function dryRun({ db, storage, config }: Pick<Api, "db" | "storage" | "config">): Promise<DryRunBody> {
  const rules = readSweepRules(config);
  const { graceSeconds, maxShare } = rules;
  const [idle, blobs, left, leftImages, drafts, uploads, images, doomed, sums, free] = await Promise.all([
    countIdleBlobs(db, graceSeconds),
    listIdleBlobs(db, { graceSeconds, limit: shown }),
    countLeftovers(db, rules),
    countImageLeftovers(db),
    listExpiredDrafts(db, shown),
    listExpiredUploads(db, shown),
    listExpiredImages(db, shown),
    listDoomed(db, shown),
    sumStorage(db),
    db.transaction(holdBackups),
  ]);
  const before = new Date(Date.now() - rules.orphanSeconds * 1000);
  const look = (prefix: string) =>
    findUnnamed(storage, { prefix, before, listUnnamed: (keys) => listUnnamed(db, keys), limit: objectsLookedAt });
  const [staged, stored] = [await look("staging/"), await look("blobs/")];
  const orphans = [...staged.unnamed, ...stored.unnamed];
  return {
    blobs: blobs.map(({ sha256, key, sizeBytes, touchedAt, uploads: names }) => ({
      sha256,
      key,
      size: sizeBytes,
      touchedAt: touchedAt.toISOString(),
      reason: names === 0 ? "nothing names it" : "only uploads older than the grace time name it",
    })),
    drafts: drafts.map(({ slug, version, expiredAt }) => ({ slug, version, expiredAt: expiredAt.toISOString() })),
    uploads: uploads.map(describeExpired),
    images: images.map(describeExpired),
    doomed: doomed.map(({ key, sizeBytes, reason, removeAfter }) => ({
      key,
      size: sizeBytes,
      reason,
      removeAfter: removeAfter.toISOString(),
    })),
    orphans: orphans.slice(0, shown).map(({ key, sizeBytes, modifiedAt }) => ({
      key,
      size: sizeBytes,
      modifiedAt: modifiedAt.toISOString(),
      reason: "no row names it",
    })),
    totals: {
      ...left,
      ...leftImages,
      blobs: idle.idle,
      blobBytes: idle.idleBytes,
      orphans: orphans.length,
      orphansComplete: staged.complete && stored.complete,
      liveBlobs: idle.live,
      liveBytes: sums.liveBytes,
    },
    fuse: weighFuse({ going: idle.idle, of: idle.live, maxShare }),
    orphanFuse: weighFuse({ going: stored.unnamed.length, of: stored.listed, maxShare }),
    ...(!free && { pausedBy: "a backup" }),
  };
}

function describeExpired({ id, name, sizeBytes, expiredAt }: Awaited<ReturnType<typeof listExpiredUploads>>[number]) {
  return { id, name, size: sizeBytes, expiredAt: expiredAt.toISOString() };
}
