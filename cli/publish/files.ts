import { digestStream } from "../../digest.ts";
import { Fault } from "../../fault.ts";
import type { Output } from "../output.ts";
import { runParallel } from "../parallel.ts";
import type { PackSource, ReferenceDigests, Side } from "../source/source.ts";
import type { Manifest } from "./answers.ts";

type Terms = { path: string; side: Side; optional?: true; preserve?: true; group?: string };

/** A file as a version of a pack names it; sizes in bytes. */
export type VersionFile = Terms &
  ({ sha256: string; size: number } | { url: string; digests: ReferenceDigests; size?: number });

/** Where the bytes of a digest lie on this disk. */
export type LocalBytes = { diskPath: string; path: string; sizeBytes: number };

export type HashedPack = { files: VersionFile[]; bytes: Map<string, LocalBytes> };

/** Hashes the local files of a pack (sha256). Throws Fault("conflict") when one changes meanwhile. */
export async function hashFiles(
  source: PackSource,
  { output, signal }: { output: Output; signal: AbortSignal },
): Promise<HashedPack> {
  const local = source.files.flatMap((file) => (file.local ? [{ path: file.path, ...file.local }] : []));
  const total = local.reduce((sum, file) => sum + file.sizeBytes, 0);
  const bar = output.progress(output.text.hashing, { total, unit: "bytes" });
  const digests = new Map<string, string>();
  const bytes = new Map<string, LocalBytes>();
  try {
    await runParallel(local, {
      limit: 4,
      async work({ path, diskPath, sizeBytes }) {
        let before = 0;
        const onBytes = (totalBytes: number) => {
          bar.advance(totalBytes - before);
          before = totalBytes;
        };
        const stream = Bun.file(diskPath).stream();
        const found = await digestStream(stream, { sha256Only: true, signal, onBytes });
        if (found.sizeBytes !== sizeBytes) {
          throw new Fault("conflict", `Hash ${path}: it changed while it was read; publish again`);
        }
        digests.set(path, found.sha256);
        bytes.set(found.sha256, { diskPath, path, sizeBytes });
      },
    });
  } finally {
    bar.finish();
  }
  const files = source.files.map((file): VersionFile => {
    const terms: Terms = {
      path: file.path,
      side: file.side,
      ...(file.optional ? { optional: true } : {}),
      ...(file.preserve ? { preserve: true } : {}),
      ...(file.group === undefined ? {} : { group: file.group }),
    };
    if (file.local) return { ...terms, sha256: digests.get(file.path) ?? "", size: file.local.sizeBytes };
    const { url, digests: known, sizeBytes } = file.reference;
    return { ...terms, url, digests: known, ...(sizeBytes === undefined ? {} : { size: sizeBytes }) };
  });
  return { files, bytes };
}

export type Changes = { added: string[]; changed: string[]; removed: string[] };

/** What differs from an earlier version's manifest, by path and by every digest that both sides know. */
export function compareWithManifest(files: VersionFile[], manifest: Manifest): Changes {
  const earlier = new Map(manifest.files.map((file) => [file.path, file.digests]));
  const changes: Changes = { added: [], changed: [], removed: [] };
  for (const file of files) {
    const before = earlier.get(file.path);
    earlier.delete(file.path);
    if (before === undefined) changes.added.push(file.path);
    else if (!sameBytes("sha256" in file ? { sha256: file.sha256 } : file.digests, before))
      changes.changed.push(file.path);
  }
  changes.removed.push(...earlier.keys());
  return changes;
}

// Nothing in common to compare by (an author who went from sha1 to sha512) counts as a change.
function sameBytes(ours: ReferenceDigests, theirs: Manifest["files"][number]["digests"]): boolean {
  const common = Object.entries(ours).filter(([name]) => theirs[name] !== undefined && theirs[name] !== null);
  return common.length > 0 && common.every(([name, digest]) => String(theirs[name]) === digest);
}
