import { closeSync, fdatasync, ftruncateSync, openSync, writeSync } from "node:fs";
import { promisify } from "node:util";
import { algorithmOf, createDigester, type Digest, digestFile } from "./digest.ts";

/** Bytes that are on their way into the folder: complete and checked, under a name made of their digest. */
export type Staged = { file: string; digests: Digest[]; sizeBytes: number };

const syncData = promisify(fdatasync);

/** Names the file that the bytes of a digest are gathered in. */
export function partialName(digest: Digest): string {
  return digest.startsWith("sha256:") ? digest.slice("sha256:".length) : digest.replace(":", "-");
}

/**
 * Opens the gathering place of one content. What an earlier run left there is read once, so that the digest can go on
 * from its end.
 */
export async function openPartial(file: string, options: { digest: Digest; resume: boolean; signal: AbortSignal }) {
  const { digest, signal } = options;
  // A fresh file is made when its first bytes arrive, so that the requests for many do not wait for the disk.
  let opened: number | undefined;
  const open = () => {
    opened ??= openSync(file, options.resume ? "r+" : "w+");
    return opened;
  };
  const fresh = () => createDigester([algorithmOf(digest)]);
  let digester = fresh();
  let sizeBytes = 0;
  if (options.resume) sizeBytes = await digestFile(file, { digester, signal });
  return {
    get sizeBytes() {
      return sizeBytes;
    },
    append(chunk: Uint8Array) {
      const handle = open();
      digester.update(chunk);
      for (let offset = 0; offset < chunk.length; ) {
        offset += writeSync(handle, chunk, offset, chunk.length - offset, sizeBytes + offset);
      }
      sizeBytes += chunk.length;
    },
    /** Throws away what was gathered. */
    restart() {
      ftruncateSync(open(), 0);
      digester = fresh();
      sizeBytes = 0;
    },
    /** Whether the bytes gathered so far are the wanted ones. */
    matches(): boolean {
      return digester.digests().includes(digest);
    },
    /** What the bytes gathered so far are known by. */
    staged(): Staged {
      return { file, digests: digester.digests(), sizeBytes };
    },
    /** Brings the bytes to the disk, not only into its cache, so that a power cut leaves no empty file behind. */
    sync: () => syncData(open()),
    close() {
      if (opened !== undefined) closeSync(opened);
    },
  };
}

export type Partial = Awaited<ReturnType<typeof openPartial>>;
