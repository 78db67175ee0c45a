import { Readable } from "node:stream";
import type { Client } from "minio";
import { Fault } from "../fault.ts";

type Write = {
  bucket: string;
  key: string;
  bytes: AsyncIterable<Uint8Array>;
  sizeBytes: number | undefined;
  /** Up to so many bytes go in one request, more in parts of this size. */
  partBytes: number;
  signal: AbortSignal;
};

/**
 * Writes a stream to an S3 server: at most one part is held in memory. Throws what the stream throws, `Fault("invalid")`
 * for another size than `sizeBytes`, the signal's reason, and the client's errors as they are.
 */
export async function writeObject(
  client: Client,
  { bucket, key, bytes, sizeBytes, partBytes, signal }: Write,
): Promise<void> {
  const chunks = sizeBytes === undefined ? bytes : requireSize(bytes, sizeBytes);
  const reader = chunks[Symbol.asyncIterator]();
  const start: Uint8Array[] = [];
  let startBytes = 0;
  let ended = false;
  while (!ended && startBytes <= partBytes) {
    const next = await reader.next();
    if (next.done === true) ended = true;
    else {
      start.push(next.value);
      startBytes += next.value.byteLength;
    }
  }
  // The client takes no signal, and pipes without hearing the source's error: it would wait for the rest for ever.
  const { promise: broken, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  // Whole, also because an upload in parts that turns out to have none is refused.
  const source = ended
    ? Buffer.concat(start)
    : Readable.from(goOn(start, reader), { objectMode: false, highWaterMark: 1024 ** 2 }).once("error", reject);
  const put = client.putObject(bucket, key, source, ended ? startBytes : sizeBytes);
  try {
    await Promise.race([put, broken]);
  } catch (error) {
    put.catch(() => undefined); // told already
    if (source instanceof Readable) source.destroy();
    await client.removeIncompleteUpload(bucket, key).catch(() => undefined); // else swept later
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function* goOn(start: Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    for (let chunk = start.shift(); chunk !== undefined; chunk = start.shift()) yield chunk;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** A last part that is too short would otherwise make an object like any other. */
async function* requireSize(bytes: AsyncIterable<Uint8Array>, sizeBytes: number): AsyncGenerator<Uint8Array> {
  let total = 0;
  for await (const chunk of bytes) {
    total += chunk.byteLength;
    if (total > sizeBytes) break;
    yield chunk;
  }
  if (total !== sizeBytes) {
    const found = total > sizeBytes ? `more than ${sizeBytes}` : String(total);
    throw new Fault("invalid", `Cannot take these bytes: ${found} arrived, ${sizeBytes} were announced`);
  }
}
