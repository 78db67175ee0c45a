import { findBlocked } from "../db/blob.ts";
import { findJobBySubject } from "../db/job.ts";
import {
  findFile,
  lockWantedFile,
  settleMirrored,
  settleUnmirrored,
  sumFiles,
  type VersionFileRow,
} from "../db/version-file.ts";
import type { Deps } from "../deps.ts";
import type { Digests } from "../digest.ts";
import { Fault } from "../fault.ts";
import { hostMatches, parseHostPatterns, parseOutboundAllow } from "../outbound.ts";
import type { Handle } from "../queues/actor.ts";
import { type MirrorReference, mirrorReference } from "../queues/mirror-reference.ts";
import { fetchResumable } from "./fetch-resumable.ts";
import { settleAttempt } from "./settle-blob.ts";
import { storeBytes } from "./store-bytes.ts";

type Needs = "db" | "storage" | "config";
type Wanted = VersionFileRow & { url: string };
type Target = { versionId: string; path: string; url: string };

/** So many runs later a host that fails for now is told to the author as one that fails: he decides what to do. */
const maxRuns = 8;

const minTimeoutMs = 60_000;
/** Below the actor's own limit, so that the failure has a name. */
const maxTimeoutMs = 25 * 60_000;
const slowestBytesPerSecond = 256 * 1024;

/**
 * Fetches the bytes of a reference and keeps them when they are what its author says they are. Whatever goes wrong for
 * good is no failure of the job: it is written where the author looks, beside the reference, with the reason.
 */
export const handle: Handle<MirrorReference, Needs> = async ({ payload, deps, signal, progress, log }) => {
  const { db, config } = deps;
  const file = await findFile(db, payload);
  if (file?.mirror !== "wanted" || file.url === null) return { state: file?.blobId ? "stored" : "gone" };
  const wanted: Wanted = { ...file, url: file.url };
  const target: Target = { ...payload, url: file.url };
  try {
    const maxBytes = await findLimit(wanted, { db, config, versionId: payload.versionId });
    return await mirror(wanted, { target, deps, signal, progress, log, maxBytes });
  } catch (error) {
    if (signal.aborted || !(error instanceof Fault)) throw error;
    if (error.mayRetry && (await countRuns(deps, payload)) < maxRuns) throw error;
    log.info({ err: error, cause: error.cause }, "a reference is not mirrored");
    return refuse(deps, { target, reason: error.message });
  }
};

type Mirror = Pick<Parameters<typeof handle>[0], "deps" | "signal" | "progress" | "log"> & {
  target: Target;
  maxBytes: number;
};

async function mirror(
  file: Wanted,
  { target, deps, signal, progress, log, maxBytes }: Mirror,
): Promise<Record<string, unknown>> {
  const fetched = await fetchResumable(file.url, {
    allow: parseOutboundAllow(deps.config.OUTBOUND_ALLOW),
    maxBytes,
    timeoutMs: findTimeout(file.sizeBytes),
    signal,
  });
  const expectedBytes = fetched.sizeBytes ?? file.sizeBytes ?? maxBytes;
  try {
    if (file.sizeBytes !== null && expectedBytes !== file.sizeBytes)
      return await refuse(deps, { target, reason: wrongSize(expectedBytes, file.sizeBytes) });
    const { bytes, sizeBytes } = fetched;
    const onBytes = (total: number) => progress(total / Math.max(1, expectedBytes));
    const stored = await storeBytes(deps, { bytes, sizeBytes, signal, log, onBytes });
    const blocked = await findBlocked(deps.db, stored.digests.sha256);
    const reason = blocked
      ? `these bytes are blocked on this server: ${blocked.reason}`
      : findFlaw(file, stored.digests);
    const settled = await settleAttempt(deps, {
      ...stored,
      settle: async (tx, makeBlob) => {
        if (!(await lockWantedFile(tx, target))) return false; // the draft says something else by now
        if (reason) {
          await settleUnmirrored(tx, { ...target, reason });
          return false;
        }
        const blob = await makeBlob();
        return (await settleMirrored(tx, { ...target, blobId: blob.id })) > 0;
      },
    });
    if (reason) return { state: "refused", reason };
    return settled ? { state: "stored", sha256: stored.digests.sha256 } : { state: "gone" };
  } finally {
    fetched.close();
  }
}

/** How many bytes may come. Throws `not-allowed` or `too-large` when none may. */
async function findLimit(
  file: Wanted,
  { db, config, versionId }: Pick<Deps, "db" | "config"> & { versionId: string },
): Promise<number> {
  const { hostname } = new URL(file.url);
  if (!hostMatches(hostname, parseHostPatterns(config.MIRROR_HOSTS.join(","))))
    throw new Fault("not-allowed", `the operator does not allow mirroring from ${hostname}`);
  const blocked = file.sha256 === null ? undefined : await findBlocked(db, file.sha256);
  if (blocked) throw new Fault("not-allowed", `these bytes are blocked on this server: ${blocked.reason}`);
  if (file.sizeBytes === null) {
    const left = config.LIMIT_PACK_BYTES - (await sumFiles(db, versionId));
    if (left > 0) return Math.min(config.LIMIT_FILE_BYTES, left);
    throw new Fault("too-large", `the version has more than ${config.LIMIT_PACK_BYTES} bytes without this file`);
  }
  if (file.sizeBytes <= config.LIMIT_FILE_BYTES) return file.sizeBytes;
  throw new Fault("too-large", `it has ${file.sizeBytes} bytes, this server takes up to ${config.LIMIT_FILE_BYTES}`);
}

function findTimeout(sizeBytes: number | null): number {
  if (sizeBytes === null) return maxTimeoutMs;
  return Math.min(maxTimeoutMs, minTimeoutMs + (sizeBytes / slowestBytesPerSecond) * 1000);
}

/** What is wrong with the bytes that came, compared with everything that the author says of them. */
function findFlaw({ sizeBytes, digests: said }: Wanted, found: Digests): string | undefined {
  if (sizeBytes !== null && found.sizeBytes !== sizeBytes) return wrongSize(found.sizeBytes, sizeBytes);
  const entries = Object.entries(said ?? {});
  const checked = entries.filter(([name]) => name !== "murmur2" || found.murmur2 !== null);
  if (checked.length === 0) return "none of its digests can be checked: give sha256 or sha512";
  const known: Record<string, unknown> = found;
  for (const [name, value] of checked) {
    const came = String(known[name]);
    if (came !== value.toLowerCase()) return `its ${name} is ${came}, ${value} was declared`;
  }
  return undefined;
}

const wrongSize = (found: number, declared: number) => `its size is ${found}, ${declared} was declared`;

async function refuse(
  { db }: Pick<Deps, "db">,
  refused: { target: Target; reason: string },
): Promise<Record<string, unknown>> {
  const settled = await settleUnmirrored(db, { ...refused.target, reason: refused.reason });
  return settled > 0 ? { state: "refused", reason: refused.reason } : { state: "gone" };
}

async function countRuns({ db }: Pick<Deps, "db">, payload: MirrorReference): Promise<number> {
  const { name: actor, subject } = mirrorReference;
  const job = await findJobBySubject(db, { actor, subject: subject(payload) });
  return job?.attempts ?? 0;
}
