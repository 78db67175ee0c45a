import { crc32, deflateRawSync } from "node:zlib";

/** An entry as an attacker may write it: every field of both headers can lie. */
export type CraftedEntry = {
  name: string;
  data?: Uint8Array | string;
  deflate?: boolean;
  localName?: string;
  flags?: number;
  localFlags?: number;
  declaredBytes?: number;
  crc?: number;
  unixMode?: number;
  /** Points at the local header of an earlier entry instead of writing one. */
  sameDataAs?: number;
};

/** Writes a zip from entries that may lie; `before` is put in front of it, `comment` behind its end. */
export function craftZip(
  entries: CraftedEntry[],
  options: { before?: Uint8Array; comment?: Uint8Array; declaredEntries?: number } = {},
): Uint8Array {
  const parts: Buffer[] = [Buffer.from(options.before ?? [])];
  let at = parts[0]?.length ?? 0;
  const central: Buffer[] = [];
  const offsets: number[] = [];
  for (const entry of entries) {
    const raw = Buffer.from(entry.data ?? "");
    const body = entry.deflate ? deflateRawSync(raw, { level: 9 }) : raw;
    const fields = Buffer.alloc(22);
    fields.writeUInt16LE(entry.deflate ? 8 : 0, 4);
    fields.writeUInt16LE(0, 6);
    fields.writeUInt16LE(33, 8);
    fields.writeUInt32LE(entry.crc ?? crc32(raw), 10);
    fields.writeUInt32LE(body.length, 14);
    fields.writeUInt32LE(entry.declaredBytes ?? raw.length, 18);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    fields.copy(local, 4);
    local.writeUInt16LE(20, 4);
    local.writeUInt16LE(entry.localFlags ?? entry.flags ?? 0x800, 6);
    local.writeUInt16LE(entry.deflate ? 8 : 0, 8);
    local.writeUInt16LE(0, 10);
    local.writeUInt16LE(33, 12);
    fields.copy(local, 14, 10, 22);
    const localName = Buffer.from(entry.localName ?? entry.name);
    local.writeUInt16LE(localName.length, 26);
    const name = Buffer.from(entry.name);
    const header = Buffer.alloc(46);
    header.writeUInt32LE(0x02014b50, 0);
    header.writeUInt16LE((entry.unixMode === undefined ? 0 : 3 << 8) | 20, 4);
    header.writeUInt16LE(20, 6);
    header.writeUInt16LE(entry.flags ?? 0x800, 8);
    header.writeUInt16LE(entry.deflate ? 8 : 0, 10);
    header.writeUInt16LE(33, 14);
    fields.copy(header, 16, 10, 22);
    header.writeUInt16LE(name.length, 28);
    header.writeUInt32LE(((entry.unixMode ?? 0) << 16) >>> 0, 38);
    const shared = entry.sameDataAs === undefined ? undefined : offsets[entry.sameDataAs];
    header.writeUInt32LE(shared ?? at, 42);
    offsets.push(shared ?? at);
    central.push(header, name);
    if (shared !== undefined) continue;
    parts.push(local, localName, body);
    at += local.length + localName.length + body.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(options.declaredEntries ?? entries.length, 8);
  end.writeUInt16LE(options.declaredEntries ?? entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(at, 16);
  end.writeUInt16LE(options.comment?.length ?? 0, 20);
  return Buffer.concat([...parts, directory, end, Buffer.from(options.comment ?? [])]);
}

/** The index of a small, valid mrpack, as the entry that belongs into each one. */
export function mrpackIndex(files: object[] = [], more: object = {}): CraftedEntry {
  return {
    name: "modrinth.index.json",
    deflate: true,
    data: JSON.stringify({
      formatVersion: 1,
      game: "minecraft",
      versionId: "1.2.0",
      name: "Crafted",
      files,
      dependencies: { minecraft: "1.21.11", "fabric-loader": "0.19.2" },
      ...more,
    }),
  };
}
