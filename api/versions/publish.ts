import { findJobBySubject } from "../../db/job.ts";
import { findObstacles } from "../../db/obstacles.ts";
import type { Db } from "../../db/query.ts";
import { cancelPublishing, schedulePublishing } from "../../db/schedule.ts";
import { startPublishing, type VersionRow } from "../../db/version.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { want } from "../../queues/mailbox.ts";
import { publishVersion } from "../../queues/publish-version.ts";
import { getPackAs } from "../packs/service.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import { getVersion } from "./service.ts";

type Versions = Pick<Deps, "db" | "mailbox" | "config">;
type Asked = { caller: Caller; slug: string; version: string };

const maxAheadMs = 366 * 24 * 3_600_000;

/**
 * Asks for a draft to be published. Says what is missing; repeating it answers with the same job, and asks once more when
 * that was given up.
 */
export async function publish({ db, mailbox }: Versions, { caller, slug, version }: Asked): Promise<string> {
  const pack = await getPackAs({ db }, { slug, caller, role: "publisher" });
  const { row } = await getVersion({ db }, { caller, slug, version });
  const wanted = { payload: { versionId: row.id }, ownerId: caller.userId };
  if (row.state === "draft") {
    const message = await db.transaction(async (tx) => {
      await confirmCaller(tx, caller);
      // First, so that the draft is looked at as it is published.
      if ((await startPublishing(tx, row.id)) === 0) return undefined;
      await requireComplete(tx, row);
      return want(tx, publishVersion, wanted);
    });
    if (message) {
      await mailbox.send(publishVersion.name, message);
      return message.jobId;
    }
  }
  const job = await findJobBySubject(db, { actor: publishVersion.name, subject: row.id });
  if (row.state === "publishing" && job?.state === "failed")
    await mailbox.send(publishVersion.name, await want(db, publishVersion, wanted));
  if (!job) throw new Fault("conflict", `Version "${version}" of "${pack.slug}" is published already`);
  return job.id;
}

/** Has a complete draft published at a time, or at another than before. Answers with the time. */
export async function schedule(
  { db, config }: Versions,
  { caller, slug, version, at }: Asked & { at: Date },
): Promise<string> {
  if (at.getTime() > Date.now() + maxAheadMs)
    throw new Fault("invalid", "Cannot publish so late: choose a time within a year", {
      errors: [{ pointer: "/at", detail: "is more than a year ahead" }],
    });
  await getPackAs({ db }, { slug, caller, role: "publisher" });
  const { row } = await getVersion({ db }, { caller, slug, version });
  await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    const scheduled = { id: row.id, at, userId: caller.userId, expiresSeconds: config.DRAFT_EXPIRES_SECONDS };
    if ((await schedulePublishing(tx, scheduled)) === 0)
      throw new Fault("conflict", `Cannot publish version "${version}" later: it is no draft any more`);
    await requireComplete(tx, row);
  });
  return at.toISOString();
}

/** Takes that back: the version stays a draft. */
export async function unschedule({ db }: Versions, { caller, slug, version }: Asked): Promise<void> {
  await getPackAs({ db }, { slug, caller, role: "publisher" });
  const { row } = await getVersion({ db }, { caller, slug, version });
  await db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    if ((await cancelPublishing(tx, row.id)) === 0)
      throw new Fault("conflict", `Version "${version}" is not waiting to be published`);
  });
}

async function requireComplete(db: Db, row: VersionRow): Promise<void> {
  const { missing, blocked, unmirrored } = await findObstacles(db, row.id);
  if (missing.length > 0) {
    const errors = missing.slice(0, 50).map(({ paths, state, reason }) => ({
      detail: `${paths[0]}: ${state === "verifying" ? "is still being verified" : state === "rejected" ? `was rejected: ${reason}` : "was not uploaded"}`,
    }));
    throw new Fault(
      "conflict",
      `Cannot publish version "${row.version}": ${missing.length} files are missing or not verified`,
      {
        errors,
        extra: {
          missing: missing.map(({ sha256, sizeBytes, state }) => ({
            sha256,
            size: sizeBytes,
            state: state ?? "missing",
          })),
        },
      },
    );
  }
  if (blocked.length > 0)
    throw new Fault(
      "conflict",
      `Cannot publish version "${row.version}": ${blocked.length} of its files are blocked on this server`,
      { errors: blocked.map(({ path }) => ({ detail: path })) },
    );
  if (unmirrored.length > 0) {
    const errors = unmirrored.slice(0, 50).map(({ path, mirror, mirrorReason }) => ({
      detail: `${path}: ${mirror === "wanted" ? "is still being mirrored" : mirrorReason}`,
    }));
    throw new Fault(
      "conflict",
      `Cannot publish version "${row.version}": ${unmirrored.length} references are not mirrored. Wait, mend them, or declare the version without mirror`,
      { errors },
    );
  }
}
