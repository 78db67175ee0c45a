import type { ReadableBlob } from "../../db/blob.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { tarEnd, tarFile } from "../../tar.ts";

/** What one bundle may hold; what is larger, or more, is left out and named. */
const bundleLimits = { fileBytes: 1024 ** 2, totalBytes: 64 * 1024 ** 2 };

const atOnce = 32;
const atOnceForOne = 4;
/** Read before their turn, so that the storage's round trips pass while earlier files are on their way. */
const filesAhead = 32;
const bytesAhead = 2 * 1024 ** 2;
const pieceBytes = 128 * 1024;
const longestMs = 300_000;
const busyRetrySeconds = 2;

type Parts = Pick<Deps, "log"> & { storage: Pick<Deps["storage"], "read"> };
type Asked = {
  sha256: string[];
  /** Of these, those that the caller may read. */
  blobs: ReadableBlob[];
  /** Who asks: so many at once for each. */
  who: string;
};

export type Bundles = {
  /** Throws `unavailable` or `too-many` with Retry-After when there are too many at once, in all or for this one. */
  give: (asked: Asked, signal: AbortSignal) => Response;
};

/**
 * Many small files as one answer, a tar that begins with `index.json`: the one case in which bytes go through the API, since
 * for small files the round trips cost more than their bytes. So it is bounded: in its size, in how many there are at once,
 * and in how long a reader may take over it.
 */
export function openBundles({ storage, log, patienceMs = 20_000 }: Parts & { patienceMs?: number }): Bundles {
  const running = new Map<string, number>();
  let all = 0;
  const begin = (who: string) => {
    const own = running.get(who) ?? 0;
    const wait = { retryAfterSeconds: busyRetrySeconds };
    if (own >= atOnceForOne) throw new Fault("too-many", `You already fetch ${own} bundles: wait for one to end`, wait);
    if (all >= atOnce) throw new Fault("unavailable", "Cannot bundle: too many others are at it", wait);
    running.set(who, own + 1);
    all += 1;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      all -= 1;
      const left = (running.get(who) ?? 1) - 1;
      if (left === 0) running.delete(who);
      else running.set(who, left);
    };
  };
  return {
    give: ({ sha256, blobs, who }, signal) => {
      const end = begin(who);
      const stop = new AbortController();
      const pieces = writeBundle({ storage, log, signal: AbortSignal.any([signal, stop.signal]) }, { sha256, blobs });
      const body = toStream(pieces, { end, cut: () => stop.abort(), patienceMs });
      return new Response(body, {
        headers: {
          "content-type": "application/x-tar",
          "cache-control": "private, no-store",
          "x-content-type-options": "nosniff",
          // nginx hands it on as it comes: what waits for a slow reader waits here, and little of it.
          "x-accel-buffering": "no",
        },
      });
    },
  };
}

type Sources = Parts & { signal: AbortSignal };

async function* writeBundle(sources: Sources, { sha256, blobs }: Pick<Asked, "sha256" | "blobs">) {
  const { files, index } = choose(sha256, blobs);
  let piece: Uint8Array[] = tarFile("index.json", new TextEncoder().encode(JSON.stringify(index)));
  let waitingBytes = 0;
  for await (const { name, bytes } of readFiles(sources, files)) {
    piece.push(...tarFile(name, bytes));
    waitingBytes += bytes.byteLength;
    if (waitingBytes < pieceBytes) continue;
    yield Buffer.concat(piece);
    piece = [];
    waitingBytes = 0;
  }
  yield Buffer.concat([...piece, tarEnd]);
}

/** In the order that they were asked for: those that come, those that are larger or more than a bundle holds, and those that are not there. */
function choose(sha256: string[], blobs: ReadableBlob[]) {
  const known = new Map(blobs.map((blob) => [blob.sha256, blob]));
  const files: ReadableBlob[] = [];
  const leftOut: string[] = [];
  const missing: string[] = [];
  let totalBytes = 0;
  for (const digest of new Set(sha256)) {
    const blob = known.get(digest);
    if (!blob) missing.push(digest);
    else if (blob.sizeBytes > bundleLimits.fileBytes || totalBytes + blob.sizeBytes > bundleLimits.totalBytes)
      leftOut.push(digest);
    else {
      totalBytes += blob.sizeBytes;
      files.push(blob);
    }
  }
  return { files, index: { files: files.map((blob) => blob.sha256), leftOut, missing } };
}

/** The bytes of small blobs in order, a few read ahead; one that cannot be read, or is not what it should be, is left out. */
async function* readFiles({ storage, log, signal }: Sources, files: ReadableBlob[]) {
  const ahead: { blob: ReadableBlob; bytes: Promise<Uint8Array | undefined> }[] = [];
  let opened = 0;
  let openedBytes = 0;
  const read = async ({ key, sha256, sizeBytes }: ReadableBlob) => {
    try {
      const chunks: Uint8Array[] = [];
      let given = 0;
      for await (const chunk of await storage.read(key, { signal })) {
        given += chunk.byteLength;
        if (given > sizeBytes) break;
        chunks.push(chunk);
      }
      const bytes = Buffer.concat(chunks);
      if (given === sizeBytes && new Bun.CryptoHasher("sha256").update(bytes).digest("hex") === sha256) return bytes;
      log.error({ sha256 }, "a stored file is not what it was: it was left out of a bundle");
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error, sha256 }, "a stored file could not be read for a bundle");
    }
    return undefined;
  };
  const openMore = () => {
    for (let next = files[opened]; next !== undefined; next = files[opened]) {
      const full = ahead.length >= filesAhead || openedBytes + next.sizeBytes > bytesAhead;
      if (full && ahead.length > 0) return;
      ahead.push({ blob: next, bytes: read(next) });
      opened += 1;
      openedBytes += next.sizeBytes;
    }
  };
  openMore();
  for (let first = ahead[0]; first !== undefined; first = ahead[0]) {
    const bytes = await first.bytes;
    if (signal.aborted) return;
    if (bytes !== undefined) yield { name: first.blob.sha256, bytes };
    ahead.shift();
    openedBytes -= first.blob.sizeBytes;
    openMore();
  }
}

type Reading = { end: () => void; cut: () => void; patienceMs: number };

/** A stream that makes a piece when the one before was taken, and ends without an end of the tar when none is for too long. */
function toStream(pieces: AsyncGenerator<Uint8Array>, { end, cut, patienceMs }: Reading) {
  let controls: ReadableStreamDefaultController<Uint8Array> | undefined;
  const finish = () => {
    clearTimeout(patience);
    clearTimeout(longest);
    cut();
    end();
  };
  let closed = false;
  const close = () => {
    finish();
    if (!closed) controls?.close();
    closed = true;
  };
  const longest = setTimeout(close, longestMs);
  let patience = setTimeout(close, patienceMs);
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        controls = controller;
      },
      pull: async (controller) => {
        clearTimeout(patience);
        const { value } = await pieces.next();
        if (closed) return;
        if (value === undefined) return close();
        controller.enqueue(value);
        patience = setTimeout(close, patienceMs);
      },
      cancel: () => {
        closed = true;
        finish();
      },
    },
    { highWaterMark: 0 },
  );
}
