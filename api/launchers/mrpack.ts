import { findJob } from "../../db/job.ts";
import { Fault } from "../../fault.ts";
import { layOutMrpack } from "../../formats/mrpack.ts";
import { zipStream } from "../../zip.ts";
import type { Api } from "../api.ts";
import { type Download, describeDownload, type FoundArchive, findOrBuild } from "../versions/archives.ts";
import { makeBody } from "../versions/give.ts";
import type { Looked } from "../versions/public-answers.ts";
import { type Asker, getRelease, isForAll } from "./releases.ts";

type Asked = Asker & { slug: string; ref: string; side: "both" | "server"; root: string };

/** So long a launcher waits for its archive; most are built in less. */
const patienceMs = 5_000;
const lookEveryMs = 100;

/** Says that files have to travel inside: the archive is one of storage. */
export const goesInside = new Error("the files of this mrpack travel inside");

/**
 * An mrpack whose files are fetched by their addresses: a few kilobytes, made here. Throws `goesInside` where that cannot be:
 * launchers want https, and have no token for a private pack.
 */
export async function renderMrpack(api: Api, { ref, side, root, slug, ...asker }: Asked): Promise<Looked> {
  const release = await getRelease(api, { slug, ref, ...asker });
  const { pack, manifest } = release;
  const blobs = asker.link ? `${root}/blobs` : `${api.publicUrl()}/v1/blobs`;
  if (!blobs.startsWith("https://") || (!asker.link && pack.visibility === "private")) throw goesInside;
  const { index, inside } = layOutMrpack(manifest, { blobs, side });
  if (inside.length > 0) throw goesInside;
  const bytes = Buffer.from(index);
  const entry = {
    path: "modrinth.index.json",
    sizeBytes: bytes.byteLength,
    crc32: Bun.hash.crc32(bytes),
    open: () => once(bytes),
  };
  const zip = new Uint8Array(Buffer.concat(await Array.fromAsync(zipStream([entry]))));
  return {
    ...makeBody(zip, "application/x-modrinth-modpack+zip"),
    isPublic: isForAll({ pack, link: asker.link }),
    download: describeDownload(release, "mrpack"),
  };
}

async function* once(bytes: Uint8Array) {
  yield bytes;
}

/** Signed address of the built archive. Asks for it where there is none yet, and waits a moment. Throws `unavailable` when that was too short. */
export async function locateMrpack(
  api: Api,
  { slug, ref, side, method = "GET", ...asker }: Omit<Asked, "root"> & { method?: "GET" | "HEAD" },
): Promise<{ url: string; download: Download }> {
  const { pack, row } = await getRelease(api, { slug, ref, ...asker });
  const isListed = !asker.link && pack.visibility !== "private" && api.publicUrl().startsWith("https://");
  const base = isListed ? api.publicUrl() : "";
  const wanted = { pack, row, side, base, ownerId: asker.caller?.userId ?? null, method };
  const first = await findOrBuild(api, wanted);
  if ("url" in first) return first;
  await waitForArchive(api, first.jobId);
  const built: FoundArchive = await findOrBuild(api, wanted);
  if ("url" in built) return built;
  throw new Fault("unavailable", `The archive of version "${row.version}" is being built: ask again in a moment`);
}

async function waitForArchive({ db }: Pick<Api, "db">, jobId: string): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (performance.now() < deadline) {
    const job = await findJob(db, jobId);
    if (job?.state === "failed")
      throw new Fault("conflict", `Cannot give the archive: ${job.problem?.detail ?? "it cannot be built"}`);
    if (job?.state === "completed") return;
    await Bun.sleep(lookEveryMs);
  }
}
