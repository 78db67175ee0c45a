import { closeSync, openSync, readSync } from "node:fs";

/** The digests that a file of a manifest may be checked with, best first: sha256 before sha512 because it is as unbroken and twice as fast. */
export const algorithms = ["sha256", "sha512", "sha1", "md5"] as const;

export type Algorithm = (typeof algorithms)[number];

/** A digest as one word, `sha256:<hex>`: what bytes are known by on the launcher side. */
export type Digest = `${Algorithm}:${string}`;

/** Says which algorithm a digest was made with. */
export function algorithmOf(digest: Digest): Algorithm {
  return algorithms.find((algorithm) => digest.startsWith(`${algorithm}:`)) ?? "sha256";
}

/** Feeds several digests from one pass over the bytes; sha256 is always among them. */
export function createDigester(wanted: Iterable<Algorithm>) {
  const hashers = [...new Set<Algorithm>(["sha256", ...wanted])].map((algorithm) => ({
    algorithm,
    hasher: new Bun.CryptoHasher(algorithm),
  }));
  return {
    update(chunk: Uint8Array) {
      for (const { hasher } of hashers) hasher.update(chunk);
    },
    digests(): Digest[] {
      return hashers.map(({ algorithm, hasher }): Digest => `${algorithm}:${hasher.copy().digest("hex")}`);
    },
  };
}

export type Digester = ReturnType<typeof createDigester>;

const chunkBytes = 1024 * 1024;

/** Reads a file once into a digester, giving other work a turn every few megabytes; answers its size in bytes. */
export async function digestFile(path: string, options: { digester: Digester; signal?: AbortSignal }): Promise<number> {
  const handle = openSync(path, "r");
  try {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    let sizeBytes = 0;
    for (let turn = 1; ; turn++) {
      const count = readSync(handle, buffer, 0, chunkBytes, null);
      if (count === 0) return sizeBytes;
      options.digester.update(buffer.subarray(0, count));
      sizeBytes += count;
      if (turn % 8 === 0) {
        options.signal?.throwIfAborted();
        await Bun.sleep(0);
      }
    }
  } finally {
    closeSync(handle);
  }
}
