import { readChunks } from "./digest.ts";
import { Fault } from "./fault.ts";

/** One file of an archive, its size in bytes and CRC-32 known beforehand. `open` is called once, up to eight entries ahead. */
export type ZipEntry = {
  path: string;
  sizeBytes: number;
  crc32: number;
  open: () => Promise<AsyncIterable<Uint8Array>> | AsyncIterable<Uint8Array>;
};

const outputBytes = 256 * 1024;
const entriesAhead = 8;

/** From these values on a field moves into a ZIP64 record (APPNOTE 6.3.10, 4.4.1.4). */
const max16 = 0xffff;
const max32 = 0xffffffff;

/** 2.0, or 4.5 with ZIP64 (4.4.3.2); bit 11, the name is UTF-8 (4.4.4); 1980-01-01 00:00 in MS-DOS form (4.4.6). */
const version = { plain: 20, zip64: 45 } as const;
const utf8Flag = 0x0800;
const dosDate = (1 << 5) | 1;

/** Made on UNIX (4.4.2), so that the upper half of the external attributes is a mode (4.4.15): a regular file, 0644. */
const madeOnUnix = 3 << 8;
const fileMode = 0o100644;

const noBytes = new Uint8Array(0);

type Place = { entry: ZipEntry; name: Uint8Array; offset: number };
type Layout = { places: Place[]; centralOffset: number; centralBytes: number; zip64: boolean; totalBytes: number };

/** The exact size, in bytes, of what `zipStream` writes for these entries. Throws the same faults for bad entries. */
export function zipSize(entries: Iterable<ZipEntry>): number {
  return layOut(entries).totalBytes;
}

/**
 * Writes a ZIP that is the same bytes for the same entries in any order: stored, sorted by path (bytes of UTF-8), one
 * fixed time, ZIP64 only where it is needed (PKWARE APPNOTE 6.3.10, 4.3.6 to 4.3.16 and 4.5.3). Comes in pieces of about
 * 256 KiB. Throws `internal` when a stream does not give the declared bytes: what was written so far is then no archive.
 */
export async function* zipStream(
  entries: Iterable<ZipEntry>,
  options: { signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  let output = Buffer.allocUnsafeSlow(outputBytes);
  let used = 0;
  for await (const part of writeParts(layOut(entries), options.signal)) {
    let rest = part;
    while (rest.byteLength > 0) {
      if (used === 0 && rest.byteLength >= outputBytes) {
        yield rest;
        break;
      }
      const fits = rest.subarray(0, outputBytes - used);
      output.set(fits, used);
      used += fits.byteLength;
      rest = rest.subarray(fits.byteLength);
      if (used === outputBytes) {
        yield output;
        output = Buffer.allocUnsafeSlow(outputBytes);
        used = 0;
      }
    }
  }
  if (used > 0) yield output.subarray(0, used);
}

function layOut(entries: Iterable<ZipEntry>): Layout {
  const named = Array.from(entries, (entry) => ({ entry, name: Buffer.from(entry.path) }));
  named.sort((a, b) => Buffer.compare(a.name, b.name));
  const places: Place[] = [];
  let offset = 0;
  let centralBytes = 0;
  let before: string | undefined;
  for (const { entry, name } of named) {
    checkEntry(entry, name, before);
    const place = { entry, name, offset };
    places.push(place);
    offset += 30 + name.byteLength + localExtra(entry).byteLength + entry.sizeBytes;
    centralBytes += 46 + name.byteLength + centralExtra(place).byteLength;
    before = entry.path;
  }
  const zip64 = places.length >= max16 || centralBytes >= max32 || offset >= max32;
  const totalBytes = offset + centralBytes + (zip64 ? 56 + 20 : 0) + 22;
  return { places, centralOffset: offset, centralBytes, zip64, totalBytes };
}

function checkEntry({ path, sizeBytes, crc32 }: ZipEntry, name: Uint8Array, before: string | undefined): void {
  const refuse = (state: string) => new Fault("invalid", `Cannot write the archive: ${JSON.stringify(path)} ${state}`);
  if (name.byteLength === 0 || name.byteLength > max16) throw refuse(`has a name of ${name.byteLength} bytes`);
  if (!path.isWellFormed()) throw refuse("is not well-formed Unicode");
  if (path === before) throw refuse("is listed twice");
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw refuse(`has the size ${sizeBytes}`);
  if (!Number.isInteger(crc32) || crc32 < 0 || crc32 > max32) throw refuse(`has the CRC-32 ${crc32}, not a uint32`);
}

/** Headers and contents as they follow each other, uncoalesced. */
async function* writeParts(layout: Layout, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const { places } = layout;
  const ahead: Reading[] = [];
  let opened = 0;
  try {
    for (const place of places) {
      for (; opened < places.length && ahead.length < entriesAhead; opened += 1) {
        const next = places[opened];
        if (next !== undefined) ahead.push(startReading(next.entry, signal));
      }
      yield localHeader(place);
      const reading = ahead[0];
      if (reading !== undefined) yield* readExactly(place.entry, reading);
      ahead.shift();
    }
    for (const place of places) yield centralHeader(place);
    yield endRecords(layout);
  } finally {
    // Queued behind the read in flight and not awaited: a stream that hangs must not hold whoever leaves.
    for (const reading of ahead) void reading.chunks.return(undefined).catch(() => {});
  }
}

type Reading = { chunks: AsyncGenerator<Uint8Array>; first: Promise<IteratorResult<Uint8Array>> };

/** Opens the entry and asks for its first chunk, so that both round trips pass while earlier entries are written. */
function startReading(entry: ZipEntry, signal: AbortSignal | undefined): Reading {
  const chunks = readChunks(openEntry(entry), signal);
  const first = chunks.next();
  // Thrown where the entry's turn comes, which may be never.
  first.catch(() => {});
  return { chunks, first };
}

async function* openEntry(entry: ZipEntry): AsyncGenerator<Uint8Array> {
  yield* await entry.open();
}

async function* readExactly({ path, sizeBytes, crc32 }: ZipEntry, reading: Reading): AsyncGenerator<Uint8Array> {
  const refuse = (state: string) => new Fault("internal", `Cannot write the archive: ${JSON.stringify(path)} ${state}`);
  let givenBytes = 0;
  let given32 = 0;
  for (let next = await reading.first; next.done !== true; next = await reading.chunks.next()) {
    givenBytes += next.value.byteLength;
    if (givenBytes > sizeBytes) throw refuse(`gave more than its ${sizeBytes} bytes`);
    given32 = Bun.hash.crc32(next.value, given32);
    yield next.value;
  }
  if (givenBytes < sizeBytes) throw refuse(`gave ${givenBytes} of its ${sizeBytes} bytes`);
  if (given32 !== crc32) throw refuse(`gave bytes with CRC-32 ${given32}, not ${crc32}`);
}

/** Local file header (4.3.7) with its name and, from 4 GiB on, both sizes in a ZIP64 field (4.5.3). */
function localHeader({ entry, name }: Place): Uint8Array {
  const extra = localExtra(entry);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  writeCommon(header.subarray(4), { entry, name, extra });
  return Buffer.concat([header, name, extra]);
}

/** Central directory header (4.3.12). */
function centralHeader(place: Place): Uint8Array {
  const extra = centralExtra(place);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(madeOnUnix | (extra.byteLength > 0 ? version.zip64 : version.plain), 4);
  writeCommon(header.subarray(6), { entry: place.entry, name: place.name, extra });
  header.writeUInt32LE((fileMode << 16) >>> 0, 38);
  header.writeUInt32LE(Math.min(place.offset, max32), 42);
  return Buffer.concat([header, place.name, extra]);
}

/** The fields that both headers hold in the same order: version needed to extra length; stored, so method 0. */
function writeCommon(
  at: Buffer,
  { entry, name, extra }: { entry: ZipEntry; name: Uint8Array; extra: Uint8Array },
): void {
  at.writeUInt16LE(extra.byteLength > 0 ? version.zip64 : version.plain, 0);
  at.writeUInt16LE(utf8Flag, 2);
  at.writeUInt16LE(dosDate, 8);
  at.writeUInt32LE(entry.crc32, 10);
  at.writeUInt32LE(Math.min(entry.sizeBytes, max32), 14);
  at.writeUInt32LE(Math.min(entry.sizeBytes, max32), 18);
  at.writeUInt16LE(name.byteLength, 22);
  at.writeUInt16LE(extra.byteLength, 24);
}

function localExtra({ sizeBytes }: ZipEntry): Uint8Array {
  return sizeBytes >= max32 ? zip64Extra([sizeBytes, sizeBytes]) : noBytes;
}

function centralExtra({ entry, offset }: Place): Uint8Array {
  const values = entry.sizeBytes >= max32 ? [entry.sizeBytes, entry.sizeBytes] : [];
  if (offset >= max32) values.push(offset);
  return values.length > 0 ? zip64Extra(values) : noBytes;
}

/** ZIP64 extended information (4.5.3): only the fields that overflowed, in this order: sizes, offset. */
function zip64Extra(values: number[]): Uint8Array {
  const extra = Buffer.alloc(4 + 8 * values.length);
  extra.writeUInt16LE(0x0001, 0);
  extra.writeUInt16LE(8 * values.length, 2);
  for (const [index, value] of values.entries()) extra.writeBigUInt64LE(BigInt(value), 4 + 8 * index);
  return extra;
}

/** End of central directory (4.3.16), after the ZIP64 record (4.3.14) and its locator (4.3.15) where they are needed. */
function endRecords({ places, centralOffset, centralBytes, zip64 }: Layout): Uint8Array {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Math.min(places.length, max16), 8);
  end.writeUInt16LE(Math.min(places.length, max16), 10);
  end.writeUInt32LE(Math.min(centralBytes, max32), 12);
  end.writeUInt32LE(Math.min(centralOffset, max32), 16);
  if (!zip64) return end;

  const record = Buffer.alloc(56 + 20);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(BigInt(56 - 12), 4);
  record.writeUInt16LE(madeOnUnix | version.zip64, 12);
  record.writeUInt16LE(version.zip64, 14);
  record.writeBigUInt64LE(BigInt(places.length), 24);
  record.writeBigUInt64LE(BigInt(places.length), 32);
  record.writeBigUInt64LE(BigInt(centralBytes), 40);
  record.writeBigUInt64LE(BigInt(centralOffset), 48);
  record.writeUInt32LE(0x07064b50, 56);
  record.writeBigUInt64LE(BigInt(centralOffset + centralBytes), 64);
  record.writeUInt32LE(1, 72);
  return Buffer.concat([record, end]);
}
