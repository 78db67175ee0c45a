import { Fault } from "../../fault.ts";
import { backoffMs, retryAfterSeconds, userAgent, waitFor } from "../call.ts";
import type { PackSource } from "../source/index.ts";
import type { Manifest, ManifestFile } from "./manifest.ts";

const tries = 5;
/** So long a host that says when to come back is believed: it may be packing an archive. */
const patienceMs = 120_000;

type Fetching<Result> = {
  /** What is fetched, in messages: an address may hold a secret, so it is never told. */
  what: string;
  headers?: Record<string, string>;
  /** For one try, the body included. */
  limitMs: number;
  signal: AbortSignal;
  /** Reads an answer below 400; a failure in it is another try. */
  read(response: Response): Promise<Result>;
};

/** Fetches something of a pack from a host that need not be a Sunduk. Faults: not-found, not-allowed, unavailable. */
export async function fetchElsewhere<Result>(address: string, fetching: Fetching<Result>): Promise<Result> {
  const { what, headers = {}, limitMs, signal, read } = fetching;
  const { host } = new URL(address);
  const startedAt = performance.now();
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    let seconds: number | undefined;
    let failure: Fault;
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
      const response = await fetch(address, { headers: { "user-agent": userAgent, ...headers }, signal: limit });
      if (response.status < 400) return await read(response);
      await response.body?.cancel();
      seconds = retryAfterSeconds(response.headers);
      failure = toFault(response.status, `Cannot fetch ${what}: ${host} answered ${response.status}`);
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof Fault) throw cause;
      failure = new Fault("unavailable", `Cannot fetch ${what}: ${host} cannot be reached, or broke off`, { cause });
    }
    const asked = seconds !== undefined && performance.now() - startedAt < patienceMs;
    if (!failure.mayRetry || (attempt >= tries && !asked)) throw failure;
    await waitFor(Math.min(backoffMs(asked ? 1 : attempt, seconds), 60_000), signal);
  }
}

function toFault(status: number, message: string): Fault {
  if (status === 401 || status === 403) return new Fault("not-allowed", message);
  if (status === 404 || status === 410) return new Fault("not-found", message);
  return new Fault(status === 429 || status >= 500 ? "unavailable" : "invalid", message);
}

/** The body of an answer, at most `maxBytes`. Faults: too-large. */
export async function readBytes(response: Response, { what, maxBytes }: { what: string; maxBytes: number }) {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > maxBytes) throw new Fault("too-large", `Cannot fetch ${what}: it is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return new Blob([Buffer.concat(chunks)]);
}

/** What is kept of a pack of another form: a manifest in the native one, in which everything lies elsewhere, or inside the pack. */
export function toManifest(
  source: PackSource,
  { version, sha256s }: { version: string; sha256s: Map<string, string> },
) {
  const files = source.files.map((file): ManifestFile => {
    const { path, side, optional = false, recommended = false, preserve = false } = file;
    const common = { path, side, optional, ...(recommended && { recommended }), preserve };
    if (file.local)
      return {
        ...common,
        size: file.local.sizeBytes,
        digests: { sha256: sha256s.get(path) ?? null },
        url: `inside:${path}`,
      };
    const { url, others, digests, sizeBytes } = file.reference;
    const { sha256 = null, sha512 = null, sha1 = null, md5 = null } = digests;
    const known = { sha256, sha512, sha1, md5 };
    return { ...common, size: sizeBytes ?? null, digests: known, reference: true, url, ...(others && { others }) };
  });
  const { name, channel } = source;
  const manifest: Manifest = { formatVersion: 1, pack: { slug: name, name }, version, channel, files };
  return manifest;
}
