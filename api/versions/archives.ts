import { findArchive } from "../../db/archive.ts";
import { listBrokenFiles } from "../../db/integrity.ts";
import { findJobBySubject, type JobRow } from "../../db/job.ts";
import type { PackRow } from "../../db/pack.ts";
import type { VersionRow } from "../../db/version.ts";
import { listFiles, type Side } from "../../db/version-file.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { isForSide, openDefault } from "../../formats/default-files.ts";
import { type BuildArchive, buildArchive } from "../../queues/build-archive.ts";
import { want } from "../../queues/mailbox.ts";
import type { Noticed } from "../analytics/recorder.ts";
import { signBlob } from "../blobs/service.ts";
import { type Asked, getPublished } from "./service.ts";

/** So long a build that failed for good is the answer. */
const failedAnswerMs = 60_000;
/** So many damaged files are looked through for one that would be packed. */
const mostBroken = 1_000;
type Versions = Pick<Deps, "db" | "mailbox" | "storage" | "publicUrl">;

/** What analytics are told of a download. */
export type Download = Pick<Noticed, "kind" | "subject" | "version" | "channel" | "format">;

export function describeDownload({ pack, row }: { pack: { id: string }; row: VersionRow }, format: string): Download {
  return {
    kind: "download",
    subject: { kind: "pack", id: pack.id },
    version: row.version,
    channel: row.channel,
    format,
  };
}

type Shape = { format?: "mrpack" | "zip" | undefined; side?: Side | undefined };
export type FoundArchive = { url: string; download: Download } | { jobId: string };

/** Address of an archive, or the job that builds it. */
export async function getArchive(versions: Versions, { format, side, ...asked }: Asked & Shape): Promise<FoundArchive> {
  const { pack, row } = await getPublished(versions, asked);
  const { publicUrl } = versions;
  const base =
    format !== "zip" && pack.visibility !== "private" && publicUrl().startsWith("https://") ? publicUrl() : "";
  return findOrBuild(versions, { pack, row, format, side, base, ownerId: asked.caller?.userId ?? null });
}

type Wanted = Shape & {
  pack: Pick<PackRow, "id" | "slug" | "visibility">;
  row: VersionRow;
  /** Public address that the file addresses inside begin with; empty when it holds none. */
  base: string;
  ownerId: string | null;
  /** What the address is signed for. */
  method?: "GET" | "HEAD";
};

/** The same of a published version that the asker may read. */
export async function findOrBuild(
  versions: Versions,
  { pack, row, format = "mrpack", side = "both", base, ownerId, method = "GET" }: Wanted,
): Promise<FoundArchive> {
  const { db, storage, mailbox } = versions;
  const payload: BuildArchive = { versionId: row.id, format, side, base };
  const archive = await findArchive(db, payload);
  if (archive) {
    const fileName = `${pack.slug}-${row.version}${side === "both" ? "" : `-${side}`}.${format}`;
    const access = pack.visibility === "public" ? "public" : "private";
    const url = await signBlob({ storage, blob: { key: archive.key, access }, method, fileName });
    return { url, download: describeDownload({ pack, row }, format) };
  }
  await requirePackable(versions, { row, format, side, base });
  const running = await findJobBySubject(db, { actor: buildArchive.name, subject: buildArchive.subject(payload) });
  if (running && isAnswer(running)) return { jobId: running.id };
  const message = await want(db, buildArchive, { payload, ownerId });
  await mailbox.send(buildArchive.name, message);
  return { jobId: message.jobId };
}

/** Whether a job answers who asks for the same: it is under way or has just failed. Asking often must not make us try often. */
export function isAnswer({ done, wanted, state, updatedAt }: JobRow): boolean {
  return done < wanted || (state === "failed" && Date.now() - updatedAt.getTime() < failedAnswerMs);
}

async function requirePackable(
  { db }: Pick<Versions, "db">,
  { row, format, side, base }: { row: VersionRow; format: "mrpack" | "zip"; side: Side; base: string },
): Promise<void> {
  const isTaken = openDefault(row.groups ?? [], side);
  const files = (await listFiles(db, row.id)).filter((file) =>
    format === "zip" ? isTaken({ ...file, group: file.groupId }) : isForSide(file, side),
  );
  if (row.brokenCount > 0 && base === "") {
    const broken = new Set(
      (await listBrokenFiles(db, { versionId: row.id, most: mostBroken })).map(({ path }) => path),
    );
    if (files.some((file) => broken.has(file.path) && isTaken({ ...file, group: file.groupId })))
      throw new Fault(
        "unavailable",
        `Cannot pack version "${row.version}": files of it are damaged on this server, and who works on the pack was told`,
        { retryAfterSeconds: 3_600 },
      );
  }
  const unfit = files.filter(
    ({ blobId, digests, sizeBytes }) =>
      blobId === null && !(format === "mrpack" && digests?.sha1 && digests.sha512 && sizeBytes !== null),
  );
  if (unfit.length === 0) return;
  const needs = format === "mrpack" ? "sha1, sha512 and the size of a reference" : "the bytes of every file";
  throw new Fault(
    "conflict",
    `Cannot pack version "${row.version}": ${format} needs ${needs}, and ${unfit.length} references have not got them. Publish with mirroring`,
    { errors: unfit.slice(0, 100).map(({ path }) => ({ detail: path })) },
  );
}
