import { Fault } from "./fault.ts";

/** Size of a header, and what contents are filled up to (POSIX.1-2017, pax, "ustar Interchange Format"). */
const blockBytes = 512;

/** What ends an archive: two blocks of zeros. */
export const tarEnd: Uint8Array = new Uint8Array(2 * blockBytes);

/** A regular file, 0644, of the first second of 1980: the same bytes for the same file. Names are ASCII, at most 100 bytes. */
export function tarFile(name: string, bytes: Uint8Array): Uint8Array[] {
  const header = Buffer.alloc(blockBytes);
  if (!/^[\x20-\x7e]{1,100}$/.test(name))
    throw new Fault("invalid", `Cannot write the archive: ${JSON.stringify(name)} cannot be a name in it`);
  const octal = (value: number, at: number, digits: number) =>
    header.write(`${value.toString(8).padStart(digits, "0")}\0`, at);
  header.write(name, 0);
  octal(0o644, 100, 7);
  octal(0, 108, 7); // owner
  octal(0, 116, 7); // group
  octal(bytes.byteLength, 124, 11);
  octal(315_532_800, 136, 11);
  header.write("        ", 148); // counts as spaces in its own sum
  header.write("0", 156);
  header.write("ustar\x0000", 257, "latin1");
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    6,
  );
  const padding = (blockBytes - (bytes.byteLength % blockBytes)) % blockBytes;
  return padding === 0 ? [header, bytes] : [header, bytes, new Uint8Array(padding)];
}

/**
 * The regular files of an archive as they come, each whole and in memory: for archives of small files. Throws `unavailable`
 * when it is cut off, `invalid` when it is no such archive or a file is larger than `maxFileBytes`.
 */
export async function* readTar(
  chunks: AsyncIterable<Uint8Array>,
  { maxFileBytes }: { maxFileBytes: number },
): AsyncGenerator<{ name: string; bytes: Uint8Array }, void, undefined> {
  const wrong = (state: string) => new Fault("invalid", `Cannot read the archive: ${state}`);
  let rest: Uint8Array = new Uint8Array(0);
  let open: { name: string; sizeBytes: number } | undefined;
  for await (const chunk of chunks) {
    rest = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (;;) {
      if (open === undefined) {
        if (rest.byteLength < blockBytes) break;
        const header = Buffer.from(rest.buffer, rest.byteOffset, blockBytes);
        if (header.every((byte) => byte === 0)) return;
        open = readHeader(header, wrong);
        if (open.sizeBytes > maxFileBytes) throw wrong(`"${open.name}" has ${open.sizeBytes} bytes`);
        rest = rest.subarray(blockBytes);
      }
      const filled = Math.ceil(open.sizeBytes / blockBytes) * blockBytes;
      if (rest.byteLength < filled) break;
      yield { name: open.name, bytes: rest.subarray(0, open.sizeBytes) };
      rest = rest.subarray(filled);
      open = undefined;
    }
  }
  throw new Fault("unavailable", "Cannot read the archive: it ends too early");
}

function readHeader(header: Buffer, wrong: (state: string) => Fault): { name: string; sizeBytes: number } {
  const text = (from: number, to: number) => header.toString("latin1", from, to).replace(/\0.*$/s, "").trim();
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  if (text(257, 263) !== "ustar" || Number.parseInt(text(148, 156), 8) !== sum) throw wrong("a header is damaged");
  const size = text(124, 136);
  if (!/^[0-7]{1,11}$/.test(size) || !/^0?$/.test(text(156, 157))) throw wrong("it holds more than regular files");
  return { name: text(0, 100), sizeBytes: Number.parseInt(size, 8) };
}
