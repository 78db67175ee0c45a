import { Fault } from "../../fault.ts";
import { waitFor } from "../call.ts";
import { type Client, readAnswer } from "../client.ts";
import type { Output } from "../output.ts";
import { runParallel } from "../parallel.ts";
import { type Missing, Upload } from "./answers.ts";
import type { LocalBytes } from "./files.ts";

type UploadOptions = { missing: Missing[]; bytes: Map<string, LocalBytes>; output: Output; signal: AbortSignal };
type Target = { url: string; method: string; headers: Record<string, string> };
type Sending = { signal: AbortSignal; advance: (sizeBytes: number) => void };

const filesAtOnce = 8;
const partsAtOnce = 4;
const rounds = 4;
/** The slowest line worth waiting for; a stalled connection is cut by it in the end. */
const slowestBytesPerSecond = 16 * 1024;

/**
 * Sends every missing file straight to storage, in parallel, and asks for its verification. Answers how many bytes went
 * over the line: what the server already had from this caller is not sent again.
 */
export async function uploadMissing(client: Client, options: UploadOptions): Promise<number> {
  const { missing, output, signal } = options;
  const total = missing.reduce((sum, file) => sum + file.size, 0);
  const bar = output.progress(output.text.uploading, { total, unit: "bytes" });
  let sentBytes = 0;
  try {
    // Big files first: a small one at the end keeps no line waiting.
    await runParallel(
      missing.toSorted((one, other) => other.size - one.size),
      {
        limit: filesAtOnce,
        async work(file) {
          const local = options.bytes.get(file.sha256);
          if (!local) {
            throw new Fault("internal", `Upload: the server asks for ${file.sha256}, which is not in this pack`);
          }
          bar.note(local.path);
          let advanced = 0;
          const advance = (sizeBytes: number) => {
            advanced += sizeBytes;
            bar.advance(sizeBytes);
          };
          const fileBytes = await uploadFile(client, { sha256: file.sha256, local, signal, advance });
          sentBytes += fileBytes;
          advance(file.size - advanced);
        },
      },
    );
  } finally {
    bar.finish();
  }
  return sentBytes;
}

async function uploadFile(
  client: Client,
  { sha256, local, signal, advance }: Sending & { sha256: string; local: LocalBytes },
): Promise<number> {
  const name = local.path.split("/").at(-1) ?? local.path;
  const body = { sha256, size: local.sizeBytes, name };
  for (let round = 1; ; round += 1) {
    // A fresh answer in each round: URLs expire, and parts that arrived are not listed again.
    const answer = await client.request("POST", "/v1/uploads", { body, signal, repeatable: true });
    const upload = readAnswer(Upload, answer.json);
    if (upload.state === "verified" || upload.state === "verifying") return 0;
    if (upload.id === undefined) throw new Fault("internal", `Upload ${local.path}: the server named no upload`);
    const failure = await send(client, { id: upload.id, upload, local, sending: { signal, advance } });
    if (failure === undefined) {
      await client.request("POST", `/v1/uploads/${upload.id}/complete`, { signal, repeatable: true });
      return local.sizeBytes;
    }
    if (round >= rounds || !failure.mayRetry) throw failure;
    await waitFor(300 * 2 ** round * (0.5 + Math.random()), signal);
  }
}

type SendOptions = { id: string; upload: Upload; local: LocalBytes; sending: Sending };

async function send(client: Client, { id, upload, local, sending }: SendOptions): Promise<Fault | undefined> {
  const file = Bun.file(local.diskPath);
  if (upload.parts === undefined) {
    if (upload.url === undefined) return new Fault("internal", `Upload ${local.path}: the server gave no address`);
    const target = { url: upload.url, method: upload.method ?? "PUT", headers: upload.headers ?? {} };
    return put(file, { target, path: local.path, sizeBytes: local.sizeBytes, signal: sending.signal });
  }
  let parts = upload.parts;
  for (let round = 1; parts.length > 0; round += 1) {
    let failure: Fault | undefined;
    await runParallel(parts, {
      limit: partsAtOnce,
      async work(part) {
        const target = { url: part.url, method: "PUT", headers: part.headers ?? {} };
        const bytes = file.slice(part.offset, part.offset + part.sizeBytes);
        const outcome = await put(bytes, {
          target,
          path: `${local.path}, part ${part.number}`,
          sizeBytes: part.sizeBytes,
          signal: sending.signal,
        });
        if (outcome === undefined) sending.advance(part.sizeBytes);
        failure ??= outcome;
      },
    });
    if (failure === undefined) return undefined;
    if (round >= rounds || !failure.mayRetry) return failure;
    await waitFor(300 * 2 ** round * (0.5 + Math.random()), sending.signal);
    const left = await client.request("GET", `/v1/uploads/${id}`, { signal: sending.signal });
    parts = readAnswer(Upload, left.json).parts ?? [];
  }
  return undefined;
}

type PutOptions = { target: Target; path: string; sizeBytes: number; signal: AbortSignal };

// Storage gets exactly the signed headers and never our token.
async function put(body: Blob, { target, path, sizeBytes, signal }: PutOptions): Promise<Fault | undefined> {
  // A file as the body would be read into memory whole over https; its stream is not, and needs the length told.
  const headers = new Headers(target.headers);
  headers.set("content-length", String(sizeBytes));
  if (!headers.has("content-type")) headers.set("content-type", "application/octet-stream");
  const limit = AbortSignal.timeout(60_000 + (sizeBytes / slowestBytesPerSecond) * 1000);
  try {
    const response = await fetch(target.url, {
      method: target.method,
      headers,
      body: body.stream(),
      redirect: "error",
      signal: AbortSignal.any([limit, signal]),
    });
    const told = await response.text();
    if (response.ok) return undefined;
    // 400 and 403: an address that expired, or bytes that changed; a fresh address in the next round tells.
    const passing = response.status >= 500 || [400, 403, 408, 429].includes(response.status);
    return new Fault(passing ? "unavailable" : "invalid", `Upload ${path}: storage answered ${response.status}`, {
      cause: told.slice(0, 500),
    });
  } catch (cause) {
    signal.throwIfAborted();
    return new Fault("unavailable", `Upload ${path}: the connection to storage failed`, { cause });
  }
}
