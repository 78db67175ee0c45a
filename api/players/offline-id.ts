/**
 * The UUID that servers in offline mode give a name: version 3 (RFC 9562, 5.3) of the MD5 of `OfflinePlayer:NAME`, without
 * a name space. Upper and lower case make another one.
 */
export function makeOfflineId(name: string): string {
  const bytes = new Bun.CryptoHasher("md5").update(`OfflinePlayer:${name}`).digest();
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x30;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return toUuid(bytes.toString("hex"));
}

/** Whether a player has the UUID of a name, not a random one. */
export const isOfflineId = (id: string) => id[14] === "3";

/** A UUID with its hyphens, whether it came with or without them; undefined for what is none. */
export function readUuid(text: string): string | undefined {
  const plain = text.toLowerCase();
  return /^[0-9a-f]{32}$/.test(plain)
    ? toUuid(plain)
    : /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(plain)
      ? plain
      : undefined;
}

const toUuid = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
