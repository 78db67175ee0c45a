import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { Fault, hasCode } from "../fault.ts";
import { type Sealing, sealedSize } from "./sealing.ts";
import type { BackupStore, Objects } from "./store.ts";

export type Digest = { sha256: string; sizeBytes: number };
type Bytes = AsyncIterable<Uint8Array>;

/** Packs a stream, seals it where the backup is encrypted, and stores it. Answers with the digest of what was given. */
export async function writePart(
  { objects }: BackupStore,
  name: string,
  { bytes, sealing, signal }: { bytes: Bytes; sealing: Sealing | undefined; signal: AbortSignal },
): Promise<Digest> {
  const { counted, digest } = countBytes(bytes);
  const packed = pack(counted);
  await objects.write(name, sealing ? sealing.close(packed, name) : packed, { signal });
  return digest();
}

/** The stream again. Throws `Fault("invalid")`, at its end at the latest, when it is not what was given. */
export async function* readPart(
  { objects }: { objects: Pick<Objects, "read"> },
  name: string,
  { sealing, sha256, signal }: { sealing: Sealing | undefined; sha256?: string; signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const stored = await objects.read(name, { signal });
  const { counted, digest } = countBytes(unpack(sealing ? sealing.open(stored, name) : stored, name));
  yield* counted;
  if (sha256 !== undefined && digest().sha256 !== sha256)
    throw new Fault("invalid", `Cannot read ${name}: its digest is not that of the manifest`);
}

/** Where an object is kept: under its digest, which an encrypted backup does not tell. All backups of one place share it. */
export function objectName(sha256: string, sealing: Sealing | undefined): string {
  const name = sealing ? sealing.sign(sha256) : sha256;
  return `${sealing ? "sealed" : "objects"}/${name.slice(0, 2)}/${name}`;
}

/** How many bytes an object takes. */
export const objectSize = (sizeBytes: number, sealing: Sealing | undefined) =>
  sealing ? sealedSize(sizeBytes) : sizeBytes;

/** The bytes of a kept object. Throws `Fault("invalid")` when they are not those of the digest. */
export async function* readObject(
  { objects }: BackupStore,
  { sha256, sizeBytes }: Digest,
  { sealing, signal }: { sealing: Sealing | undefined; signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const name = objectName(sha256, sealing);
  const stored = await objects.read(name, { signal });
  yield* requireDigest(sealing ? sealing.open(stored, name) : stored, { sha256, sizeBytes });
}

/** Passes bytes on. Throws `Fault("invalid")` at their end when they are others. */
export async function* requireDigest(bytes: Bytes, wanted: Digest): AsyncGenerator<Uint8Array> {
  const { counted, digest } = countBytes(bytes);
  yield* counted;
  const found = digest();
  if (found.sha256 !== wanted.sha256)
    throw new Fault(
      "invalid",
      `Cannot use these bytes: they are ${found.sizeBytes} of ${found.sha256}, not ${wanted.sha256}`,
    );
}

function countBytes(bytes: Bytes): { counted: AsyncGenerator<Uint8Array>; digest: () => Digest } {
  const hasher = new Bun.CryptoHasher("sha256");
  let sizeBytes = 0;
  const counted = (async function* () {
    for await (const piece of bytes) {
      hasher.update(piece);
      sizeBytes += piece.byteLength;
      yield piece;
    }
  })();
  return { counted, digest: () => ({ sha256: hasher.digest("hex"), sizeBytes }) };
}

async function* pack(bytes: Bytes): AsyncGenerator<Uint8Array> {
  const gzip = createGzip();
  const feeding = pipeline(Readable.from(bytes), gzip);
  feeding.catch(() => undefined); // the loop throws it
  yield* gzip;
  await feeding;
}

async function* unpack(bytes: Bytes, name: string): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  const feeding = pipeline(Readable.from(bytes), gunzip);
  feeding.catch(() => undefined);
  try {
    yield* gunzip;
    await feeding;
  } catch (cause) {
    if (!hasCode(cause, "Z_DATA_ERROR", "Z_BUF_ERROR")) throw cause;
    throw new Fault("invalid", `Cannot read ${name}: it is damaged`, { cause });
  }
}
