import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { Fault, hasCode } from "../fault.ts";

type Receive = {
  bytes: AsyncIterable<Uint8Array>;
  sizeBytes?: number;
  temporary: string;
  path: string;
  makeFolder?: boolean;
  /** Whether a loss of power may take it back; for what is written once more, and synced then. */
  passing?: boolean;
};

/** Small chunks are gathered to this size before they are written. */
const gatherBytes = 512 * 1024;

/**
 * Writes a stream to `temporary`, syncs it and renames it to `path`: complete and durable, or not there at all.
 * Throws `Fault("invalid")` for another size than `sizeBytes`, `Fault("storage-full")` when the disk is full.
 */
export async function receiveFile({
  bytes,
  sizeBytes,
  temporary,
  path,
  makeFolder = true,
  passing = false,
}: Receive): Promise<void> {
  await mkdir(dirname(temporary), { recursive: true });
  const handle = await open(temporary, "wx");
  try {
    let total = 0;
    let gathered: Uint8Array[] = [];
    let gatheredBytes = 0;
    const flush = async () => {
      if (gatheredBytes === 0) return;
      const { bytesWritten } = await handle.writev(gathered);
      // On a disk that is nearly full not all is written, and only the next write fails.
      if (bytesWritten < gatheredBytes) await handle.writeFile(Buffer.concat(gathered).subarray(bytesWritten));
      gathered = [];
      gatheredBytes = 0;
    };
    for await (const chunk of bytes) {
      total += chunk.byteLength;
      if (sizeBytes !== undefined && total > sizeBytes) throw wrongSize(`more than ${sizeBytes}`, sizeBytes);
      gathered.push(chunk);
      gatheredBytes += chunk.byteLength;
      if (gatheredBytes >= gatherBytes) await flush();
    }
    await flush();
    if (sizeBytes !== undefined && total !== sizeBytes) throw wrongSize(String(total), sizeBytes);
    if (!passing) await handle.datasync();
    await handle.close();
    if (makeFolder) await mkdir(dirname(path), { recursive: true });
    await rename(temporary, path);
    if (!passing) await syncFolder(dirname(path));
  } catch (cause) {
    await handle.close().catch(() => undefined); // already closed after a failed rename
    await rm(temporary, { force: true });
    if (hasCode(cause, "ENOSPC", "EDQUOT", "EFBIG"))
      throw new Fault("storage-full", "The storage is full: ask the operator for room", { cause });
    throw cause;
  }
}

/** Makes a rename or a link in that folder survive a loss of power. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function wrongSize(found: string, wanted: number): Fault {
  return new Fault("invalid", `Cannot take these bytes: ${found} arrived, ${wanted} were announced`);
}
