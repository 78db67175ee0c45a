import { Readable } from "node:stream";
import { Client, S3Error } from "minio";
import { Fault } from "../fault.ts";
import { contentDisposition, type Part, type Storage } from "./index.ts";
import { openSigner } from "./s3-signer.ts";
import { writeObject } from "./s3-write.ts";

export type S3Options = {
  /** As our processes reach it, and as clients do: URLs are signed for the second. */
  endpoint: string;
  publicEndpoint: string;
  bucket: string;
  region: string;
  accessKey: string;
  secretKey: string;
};

const callTimeoutMs = 15_000;
/** A server-side copy or the joining of parts takes the storage longer than a look. */
const copyTimeoutMs = 120_000;
const writePartBytes = 16 * 1024 ** 2;
/** S3 takes no smaller one, except for the last. */
const leastPartBytes = 5 * 1024 ** 2;

/** The client keeps `listParts` to its family. */
class PartsClient extends Client {
  listUploadParts(bucket: string, key: string, partsId: string) {
    return this.listParts(bucket, key, partsId);
  }
}

/** Objects on any S3 server through the `minio` client; addresses signed with Signature Version 4 by `aws4fetch`. */
export function openS3Storage(options: S3Options): Storage {
  const { bucket, region } = options;
  const client = openClient(options);
  const sparingClient = openClient(options, leastPartBytes);
  const sign = openSigner(options);
  const listParts = async (key: string, partsId: string): Promise<Part[]> => {
    const parts = await within(client.listUploadParts(bucket, key, partsId), callTimeoutMs);
    return parts.map(({ part, size, etag }) => ({ number: part, sizeBytes: size, etag }));
  };
  const remove = async (keys: string[]) => {
    for (let start = 0; start < keys.length; start += 1000) {
      const refused = await within(client.removeObjects(bucket, keys.slice(start, start + 1000)), copyTimeoutMs);
      if (refused.length > 0)
        throw new Fault("unavailable", "Cannot remove objects: the storage refuses some", { cause: refused[0] });
    }
  };
  const write: Storage["write"] = async (key, bytes, { sizeBytes, sparing = false, signal }) => {
    const partBytes = sparing ? leastPartBytes : writePartBytes;
    try {
      const writer = sparing ? sparingClient : client;
      await translate(writeObject(writer, { bucket, key, bytes, sizeBytes, partBytes, signal }));
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  };
  return {
    kind: "s3",
    signPut: ({ key, sizeBytes, sha256, expiresSeconds }) =>
      sign({
        method: "PUT",
        key,
        query: {},
        headers: { "content-length": String(sizeBytes), "x-amz-content-sha256": sha256 },
        expiresSeconds,
      }),
    signGet: async ({ key, method, fileName, shownAs, cacheControl, expiresSeconds, signedAt }) => {
      const query: Record<string, string> = {
        "response-cache-control": cacheControl,
        "response-content-type": shownAs ?? "application/octet-stream",
      };
      if (fileName) query["response-content-disposition"] = contentDisposition(fileName, shownAs && "inline");
      const { url } = await sign({ method, key, query, headers: {}, expiresSeconds, ...(signedAt && { signedAt }) });
      return url;
    },
    openParts: (key) => within(client.initiateNewMultipartUpload(bucket, key, {}), callTimeoutMs),
    signPart: ({ key, partsId, number, sizeBytes, expiresSeconds }) =>
      sign({
        method: "PUT",
        key,
        query: { partNumber: String(number), uploadId: partsId },
        headers: { "content-length": String(sizeBytes) },
        expiresSeconds,
      }),
    listParts,
    completeParts: async (key, partsId) => {
      const parts = await listParts(key, partsId);
      const etags = parts.map(({ number, etag }) => ({ part: number, etag }));
      await within(client.completeMultipartUpload(bucket, key, partsId, etags), copyTimeoutMs);
    },
    abortParts: (key, partsId) =>
      within(client.abortMultipartUpload(bucket, key, partsId), callTimeoutMs).catch(ignoreMissing),
    listOpenParts: async function* () {
      for await (const item of eachInTime(client.listIncompleteUploads(bucket, "", true))) {
        if (item.key) yield { key: item.key, partsId: item.uploadId, startedAt: item.initiated };
      }
    },
    copy: async (from, to) => {
      await within(client.copyObject(bucket, to, `/${bucket}/${encodeURI(from)}`), copyTimeoutMs);
    },
    stat: async (key) => {
      const found = await within(client.statObject(bucket, key), callTimeoutMs).catch(ignoreMissing);
      return found && { key, sizeBytes: found.size, modifiedAt: found.lastModified };
    },
    read: async (key, { signal }) => {
      const stream = await within(client.getObject(bucket, key), callTimeoutMs);
      const stop = () => stream.destroy(new Error("aborted"));
      signal.addEventListener("abort", stop, { once: true });
      if (signal.aborted) stop();
      return stream.once("close", () => signal.removeEventListener("abort", stop)); // a run may read thousands
    },
    write,
    remove,
    list: async function* (prefix) {
      for await (const { name, size, lastModified } of eachInTime(client.listObjectsV2(bucket, prefix, true))) {
        if (name && lastModified) yield { key: name, sizeBytes: size, modifiedAt: lastModified };
      }
    },
    check: async () => {
      const key = `probe/${Bun.randomUUIDv7()}`;
      const probe = Buffer.from("probe");
      await within(client.putObject(bucket, key, probe), callTimeoutMs);
      const stream = await within(client.getObject(bucket, key), callTimeoutMs);
      const bytes = await new Response(Readable.toWeb(stream)).text();
      await remove([key]);
      if (bytes !== "probe" || region === "")
        throw new Fault("unavailable", "Cannot use the storage: a probe came back changed");
    },
  };
}

/** Makes the bucket, private to its owner, when there is none. */
export async function createBucket(options: S3Options): Promise<boolean> {
  const client = openClient(options);
  if (await within(client.bucketExists(options.bucket), callTimeoutMs)) return false;
  await within(client.makeBucket(options.bucket, options.region), callTimeoutMs);
  return true;
}

function openClient(
  { endpoint, accessKey, secretKey, region }: S3Options,
  partBytes: number = writePartBytes,
): PartsClient {
  const { hostname, port, protocol } = new URL(endpoint);
  const useSSL = protocol === "https:";
  return new PartsClient({
    endPoint: hostname,
    port: Number(port) || (useSSL ? 443 : 80),
    useSSL,
    accessKey,
    secretKey,
    region,
    pathStyle: true,
    partSize: partBytes,
  });
}

async function within<T>(call: Promise<T>, limitMs: number): Promise<T> {
  let timer: Timer | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new Fault("unavailable", "Cannot reach the storage: it does not answer in time", { retryAfterSeconds: 5 }),
        ),
      limitMs,
    );
  });
  try {
    return await translate(Promise.race([call, limit]));
  } finally {
    clearTimeout(timer);
  }
}

/** The items of a listing, each of which has to come in time. */
async function* eachInTime<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
  const reader = items[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await within(reader.next(), callTimeoutMs);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // Not waited for: a listing that hangs would not end either.
    void Promise.resolve(reader.return?.()).catch(() => undefined);
  }
}

const missing = ["NoSuchKey", "NotFound", "NoSuchUpload"];

async function translate<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    if (cause instanceof S3Error && missing.includes(cause.code ?? ""))
      throw new Fault("not-found", "There is no such object", { cause });
    if (cause instanceof S3Error && cause.code === "QuotaExceeded")
      throw new Fault("storage-full", "The storage is full: ask the operator for room", { cause });
    throw new Fault("unavailable", "Cannot use the storage: it refuses or does not answer", {
      cause,
      retryAfterSeconds: 5,
    });
  }
}

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Fault && error.code === "not-found") return undefined;
  throw error;
}
