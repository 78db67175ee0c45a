import { timingSafeEqual } from "node:crypto";

/** Largest file that gets a murmur2, in bytes: its seed holds the filtered length, so the filtered bytes are kept until the end. */
export const murmurLimitBytes = 64 * 1024 * 1024;

/** What is known of some bytes. Hashes are lowercase hex; `crc32` (as in ZIP) and `murmur2` (CurseForge's) are uint32. */
export type Digests = {
  sizeBytes: number;
  sha1: string;
  sha256: string;
  sha512: string;
  md5: string;
  murmur2: number | null;
  crc32: number;
};

type DigestOptions = {
  signal?: AbortSignal | undefined;
  /** Told after each chunk how many bytes have passed in all. */
  onBytes?: ((totalBytes: number) => void) | undefined;
  /** How many bytes are said to come: above `murmurLimitBytes` no murmur2 is begun, which is a sixth of the work. */
  announcedBytes?: number | undefined;
};

/**
 * Computes every digest in one pass over the bytes, in flat memory apart from murmur2's buffer (`murmurLimitBytes`).
 * `sha256Only` leaves the others out. Rejects with the stream's error, or the signal's reason.
 */
export function digestStream(
  bytes: AsyncIterable<Uint8Array>,
  options: DigestOptions & { sha256Only: true },
): Promise<Pick<Digests, "sizeBytes" | "sha256">>;
export function digestStream(
  bytes: AsyncIterable<Uint8Array>,
  options?: DigestOptions & { sha256Only?: false | undefined },
): Promise<Digests>;
export async function digestStream(
  bytes: AsyncIterable<Uint8Array>,
  options: DigestOptions & { sha256Only?: boolean | undefined } = {},
): Promise<Digests | Pick<Digests, "sizeBytes" | "sha256">> {
  const running = options.sha256Only ? startSha256() : startDigests(options);
  let sizeBytes = 0;
  for await (const chunk of readChunks(bytes, options.signal)) {
    sizeBytes += chunk.byteLength;
    running.update(chunk);
    options.onBytes?.(sizeBytes);
  }
  return running.finish();
}

/** Every digest of bytes that go elsewhere at the same time: told chunk by chunk, in flat memory apart from murmur2's buffer. */
export function startDigests(options: Pick<DigestOptions, "announcedBytes"> = {}) {
  const first = startSha256();
  const others = startOthers(options);
  return {
    update(chunk: Uint8Array): void {
      first.update(chunk);
      others.update(chunk);
    },
    finish: (): Digests => ({ ...first.finish(), ...others.finish() }),
  };
}

function startSha256() {
  const sha256 = new Bun.CryptoHasher("sha256");
  let sizeBytes = 0;
  return {
    update(chunk: Uint8Array): void {
      sizeBytes += chunk.byteLength;
      sha256.update(chunk);
    },
    finish: () => ({ sizeBytes, sha256: sha256.digest("hex") }),
  };
}

function startOthers({ announcedBytes = 0 }: Pick<DigestOptions, "announcedBytes">) {
  const sha1 = new Bun.CryptoHasher("sha1");
  const sha512 = new Bun.CryptoHasher("sha512");
  const md5 = new Bun.CryptoHasher("md5");
  const murmur2 = announcedBytes > murmurLimitBytes ? undefined : startMurmur2();
  let crc32 = 0;
  return {
    update(chunk: Uint8Array): void {
      sha1.update(chunk);
      sha512.update(chunk);
      md5.update(chunk);
      murmur2?.update(chunk);
      crc32 = Bun.hash.crc32(chunk, crc32);
    },
    finish: () => ({
      sha1: sha1.digest("hex"),
      sha512: sha512.digest("hex"),
      md5: md5.digest("hex"),
      murmur2: murmur2?.finish() ?? null,
      crc32,
    }),
  };
}

/** 1 for a byte that counts, 0 for tab, line feed, carriage return and space. */
const counts = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === 9 || byte === 10 || byte === 13 || byte === 32 ? 0 : 1,
);

/** Bytes of one block of the murmur2 buffer: whole words, and blocks instead of one growing buffer, so nothing is copied. */
const blockBytes = 256 * 1024;

/** CurseForge's variant: Appleby's MurmurHash2 (32 bits, seed 1) of the bytes without white space; null above the limit. */
function startMurmur2() {
  const blocks: Uint8Array<ArrayBuffer>[] = [];
  let usedBytes = blockBytes;
  let totalBytes = 0;
  return {
    update(chunk: Uint8Array): void {
      totalBytes += chunk.byteLength;
      if (totalBytes > murmurLimitBytes) {
        blocks.length = 0;
        return;
      }
      for (let start = 0; start < chunk.byteLength; ) {
        if (usedBytes === blockBytes) {
          blocks.push(new Uint8Array(blockBytes));
          usedBytes = 0;
        }
        const block = blocks.at(-1);
        if (block === undefined) return;
        const fits = chunk.subarray(start, start + blockBytes - usedBytes);
        usedBytes = keep(fits, block, usedBytes);
        start += fits.byteLength;
      }
    },
    finish(): number | null {
      if (totalBytes > murmurLimitBytes) return null;
      return murmur2(blocks, blocks.length * blockBytes - (blockBytes - usedBytes));
    },
  };
}

/** Copies what counts behind `end`; returns the new end. Each byte is written and only a counted one moves the end: no branches. */
function keep(chunk: Uint8Array, kept: Uint8Array, end: number): number {
  let at = end;
  for (let index = 0; index < chunk.byteLength; index += 1) {
    const byte = chunk[index] ?? 0;
    kept[at] = byte;
    at += counts[byte] ?? 0;
  }
  return at;
}

function murmur2(blocks: Uint8Array<ArrayBuffer>[], keptBytes: number): number {
  let hash = 1 ^ keptBytes;
  let leftBytes = keptBytes;
  for (const block of blocks) {
    const sizeBytes = Math.min(leftBytes, blockBytes);
    // Words are little-endian in the format and on every machine that Bun runs on.
    hash = mixWords(hash, new Uint32Array(block.buffer, 0, sizeBytes >>> 2));
    leftBytes -= sizeBytes;
    const rest = block.subarray(sizeBytes & ~3, sizeBytes);
    // Only the last block can end inside a word.
    if (rest.byteLength > 0) {
      hash ^= (rest[0] ?? 0) | ((rest[1] ?? 0) << 8) | ((rest[2] ?? 0) << 16);
      hash = Math.imul(hash, murmurMix);
    }
  }
  hash = Math.imul(hash ^ (hash >>> 13), murmurMix);
  return (hash ^ (hash >>> 15)) >>> 0;
}

const murmurMix = 0x5bd1e995;

function mixWords(start: number, words: Uint32Array): number {
  let hash = start;
  for (let index = 0; index < words.length; index += 1) {
    let word = Math.imul(words[index] ?? 0, murmurMix);
    word ^= word >>> 24;
    hash = Math.imul(hash, murmurMix) ^ Math.imul(word, murmurMix);
  }
  return hash;
}

/**
 * The chunks of a stream; throws the signal's reason as soon as it is aborted, also while a read hangs. A stream that
 * is left early is told to close, but not waited for: give the signal to whoever opened it too.
 */
export async function* readChunks(
  bytes: AsyncIterable<Uint8Array>,
  signal?: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = bytes[Symbol.asyncIterator]();
  let ended = false;
  let stop = (_reason: unknown): void => {};
  const onAbort = (): void => stop(signal?.reason);
  signal?.addEventListener("abort", onAbort);
  try {
    for (;;) {
      signal?.throwIfAborted();
      // Not Promise.race: on one long-lived promise that leaves a reaction behind for every chunk.
      const next = await new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
        stop = reject;
        reader.next().then(resolve, reject);
      });
      if (next.done === true) {
        ended = true;
        return;
      }
      yield next.value;
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    if (!ended) reader.return?.().catch(() => {});
  }
}

/** SHA-256 of a token or code, as it is kept in its place: 64 hexadecimal digits. */
export function hashToken(token: string): string {
  return new Bun.CryptoHasher("sha256").update(token).digest("hex");
}

/** Whether two secrets are the same, in a time that does not depend on where they differ. */
export function isSameSecret(given: string, right: string): boolean {
  const [left, other] = [Buffer.from(given), Buffer.from(right)];
  return left.length === other.length && timingSafeEqual(left, other);
}
