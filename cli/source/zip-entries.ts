import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { BlobReader, type Entry, type FileEntry, ZipReader } from "@zip.js/zip.js";
import { sourceFault } from "./source.ts";

/** What an archive from elsewhere may cost at most; bytes are counted as they come out, whatever the headers declare. */
export const zipLimits = {
  entries: 20_000,
  directoryBytes: 16 * 1024 * 1024,
  totalBytes: 16 * 1024 ** 3,
  /** Unpacked to packed; real packs stay below 30. Looked at from 1 MiB on, because tiny files may be mere repetition. */
  ratio: 200,
  ratioFromBytes: 1024 * 1024,
};

// 6.3, the newest that the note defines (4.4.3.2).
const newestVersion = 63;
const endSignature = 0x06054b50;
const endBytes = 22;
const zip64LocatorSignature = 0x07064b50;
const zip64LocatorBytes = 20;
const zip64EndBytes = 56;

export type OpenedZip = {
  entries: FileEntry[];
  /** Unpacks an entry into a new file; answers its size in bytes. Throws Fault("invalid") naming the entry. */
  unpack(entry: FileEntry, diskPath: string): Promise<number>;
  close(): Promise<void>;
};

/**
 * Opens a zip (PKWARE APPNOTE 6.3.10) so that every other reader would see the same entries, or not at all: ambiguous
 * ends, overlapping, encrypted, duplicate or special entries and differing headers throw Fault("invalid").
 */
export async function openZip(
  file: Blob,
  { where, signal }: { where: string; signal?: AbortSignal | undefined },
): Promise<OpenedZip> {
  await checkEnd(file, where);
  const reader = new ZipReader(new BlobReader(file), {
    strictness: "strict",
    checkOverlappingEntry: true,
    checkCrc32: true,
    useWebWorkers: false,
    ...(signal ? { signal } : {}),
  });
  const entries: FileEntry[] = [];
  let declaredBytes = 0;
  try {
    for await (const entry of reader.getEntriesGenerator()) {
      const named = JSON.stringify(entry.filename);
      if (!hasOneName(entry))
        throw sourceFault(where, `the name ${named} is not marked as UTF-8, or is something else`);
      if (entry.encrypted) throw sourceFault(where, `${named} is encrypted`);
      if (entry.symlink || isSpecial(entry.unixMode)) throw sourceFault(where, `${named} is a link or a special file`);
      if (entry.directory !== entry.filename.endsWith("/")) throw sourceFault(where, `${named} is half a folder`);
      if (entry.version > newestVersion) throw sourceFault(where, `${named} needs a newer way of unpacking`);
      if (entry.directory) continue;
      declaredBytes += entry.uncompressedSize;
      if (declaredBytes > zipLimits.totalBytes) throw sourceFault(where, "it holds more bytes than are allowed");
      if (entry.uncompressedSize > zipLimits.ratioFromBytes) checkRatio(entry, entry.uncompressedSize, where);
      entries.push(entry);
    }
  } catch (cause) {
    throw readFault(where, cause);
  }
  checkOverlaps(entries, where);
  let totalBytes = 0;
  return {
    entries,
    async unpack(entry, diskPath) {
      await mkdir(dirname(diskPath), { recursive: true });
      const sink = Bun.file(diskPath).writer();
      let sizeBytes = 0;
      const target = new WritableStream<Uint8Array>({
        async write(chunk) {
          sizeBytes += chunk.byteLength;
          totalBytes += chunk.byteLength;
          if (sizeBytes > entry.uncompressedSize) throw sourceFault(where, `${entry.filename} is bigger than declared`);
          if (sizeBytes > zipLimits.ratioFromBytes) checkRatio(entry, sizeBytes, where);
          if (totalBytes > zipLimits.totalBytes) throw sourceFault(where, "it holds more bytes than are allowed");
          sink.write(chunk);
          await sink.flush();
        },
      });
      try {
        await entry.getData(target);
      } catch (cause) {
        throw readFault(`${where}, ${JSON.stringify(entry.filename)}`, cause);
      } finally {
        await sink.end();
      }
      if (sizeBytes !== entry.uncompressedSize) throw sourceFault(where, `${entry.filename} is shorter than declared`);
      return sizeBytes;
    },
    async close() {
      await reader.close();
    },
  };
}

// Before anything is parsed: one end record, at the very end, and a directory of bearable size.
async function checkEnd(file: Blob, where: string): Promise<void> {
  const tailBytes = Math.min(file.size, 0xffff + endBytes + zip64LocatorBytes + zip64EndBytes);
  const tail = Buffer.from(await file.slice(file.size - tailBytes).arrayBuffer());
  const signature = Buffer.alloc(4);
  signature.writeUInt32LE(endSignature);
  const at = tail.lastIndexOf(signature);
  if (at < 0 || at + endBytes > tail.length) throw sourceFault(where, "it is not a zip, or it is cut short");
  if (at + endBytes + tail.readUInt16LE(at + 20) !== tail.length) throw sourceFault(where, "its end is ambiguous");
  const plain = { entries: tail.readUInt16LE(at + 10), bytes: tail.readUInt32LE(at + 12) };
  // A comment may hold another end record; which of the two counts depends on the reader.
  for (let other = tail.indexOf(signature); other < at && other >= 0; other = tail.indexOf(signature, other + 1)) {
    if (other + endBytes + tail.readUInt16LE(other + 20) === tail.length)
      throw sourceFault(where, "its end is ambiguous");
  }
  const found = readZip64End(tail, at) ?? plain;
  if (found.entries > zipLimits.entries) throw sourceFault(where, `it holds more than ${zipLimits.entries} entries`);
  if (found.bytes > zipLimits.directoryBytes) throw sourceFault(where, "its list of entries is too long");
}

function readZip64End(tail: Buffer, endAt: number): { entries: number; bytes: number } | undefined {
  const locatorAt = endAt - zip64LocatorBytes;
  const recordAt = locatorAt - zip64EndBytes;
  if (recordAt < 0 || tail.readUInt32LE(locatorAt) !== zip64LocatorSignature) return undefined;
  return {
    entries: Number(tail.readBigUInt64LE(recordAt + 32)),
    bytes: Number(tail.readBigUInt64LE(recordAt + 40)),
  };
}

function checkRatio(entry: FileEntry, sizeBytes: number, where: string): void {
  if (sizeBytes <= entry.compressedSize * zipLimits.ratio) return;
  throw sourceFault(where, `${JSON.stringify(entry.filename)} unpacks to over ${zipLimits.ratio} times its size`);
}

// The reader looks at this again while unpacking; here it costs nothing and comes before the first byte is written.
function checkOverlaps(entries: FileEntry[], where: string): void {
  let endsAt = 0;
  for (const entry of entries.toSorted((one, other) => one.offset - other.offset)) {
    if (entry.offset < endsAt) throw sourceFault(where, `${JSON.stringify(entry.filename)} overlaps another entry`);
    endsAt = entry.offset + 30 + entry.rawFilename.byteLength + entry.compressedSize;
  }
}

// Other readers take CP437 for names without the UTF-8 mark, and some heed an extra field with another name.
function hasOneName({ rawFilename, filename, bitFlag }: Entry): boolean {
  if (!bitFlag?.languageEncodingFlag && rawFilename.some((byte) => byte > 0x7e)) return false;
  return Buffer.compare(Buffer.from(filename), rawFilename) === 0;
}

function isSpecial(unixMode: number | undefined): boolean {
  const type = (unixMode ?? 0) & 0o170000;
  return type !== 0 && type !== 0o100000 && type !== 0o040000;
}

function readFault(where: string, cause: unknown): unknown {
  // What the reader was interrupted with, or what the checks above said, is already in words.
  if (cause instanceof Error && (cause.name === "Fault" || cause.name === "AbortError")) return cause;
  return sourceFault(where, cause instanceof Error ? cause.message : String(cause), { cause });
}
