/** A request that somebody without our keys may send once it is signed: method, address and the exact headers. */
export type SignedRequest = { method: "PUT"; url: string; headers: Record<string, string> };

/** A part of a large upload that has arrived: numbers start at 1. */
export type Part = { number: number; sizeBytes: number; etag: string };

/** A large upload at the storage that nobody has completed. */
export type OpenParts = { key: string; partsId: string; startedAt: Date };

export type StoredObject = { key: string; sizeBytes: number; modifiedAt: Date };

export type SignPut = { key: string; sizeBytes: number; sha256: string; expiresSeconds: number };
export type SignPart = { key: string; partsId: string; number: number; sizeBytes: number; expiresSeconds: number };
/**
 * Types under which bytes may be shown by a browser: of what this server has made itself, and of packs' icons that begin as such
 * a picture. All else is a download.
 */
export const shownTypes = ["image/webp", "image/avif", "image/png", "image/jpeg", "image/gif"] as const;
export type ShownType = (typeof shownTypes)[number];

export type SignGet = {
  key: string;
  method: "GET" | "HEAD";
  /** Name in Content-Disposition (RFC 6266); none when not given. */
  fileName?: string;
  shownAs?: ShownType;
  cacheControl: string;
  expiresSeconds: number;
  /** Time of signing, when it is to repeat. */
  signedAt?: Date;
};

/**
 * Where bytes are kept: objects under keys, written once and read many times. Every call has a time limit of its own and
 * throws a `Fault` ("unavailable", "storage-full") when the storage does not do its part.
 */
export type Storage = {
  kind: "disk" | "s3";
  signPut: (options: SignPut) => Promise<SignedRequest>;
  signGet: (options: SignGet) => Promise<string>;
  openParts: (key: string) => Promise<string>;
  signPart: (options: SignPart) => Promise<SignedRequest>;
  listParts: (key: string, partsId: string) => Promise<Part[]>;
  /** Makes one object of the parts, in order of their numbers; their URLs are dead afterwards. */
  completeParts: (key: string, partsId: string) => Promise<void>;
  abortParts: (key: string, partsId: string) => Promise<void>;
  listOpenParts: () => AsyncIterable<OpenParts>;
  /** Gives an object a second key without sending its bytes through us. `from` stays. */
  copy: (from: string, to: string) => Promise<void>;
  stat: (key: string) => Promise<StoredObject | undefined>;
  /** Throws `Fault("not-found")` when there is no such object. */
  read: (key: string, options: { signal: AbortSignal }) => Promise<AsyncIterable<Uint8Array>>;
  /**
   * Writes an object of exactly `sizeBytes` bytes; nothing is visible under the key before all are there. `sparing` holds as
   * few of them in memory as the storage allows, at the price of more requests: for where many write at once.
   */
  write: (
    key: string,
    bytes: AsyncIterable<Uint8Array>,
    options: { sizeBytes?: number; sparing?: boolean; signal: AbortSignal },
  ) => Promise<void>;
  /** Missing keys are no error. */
  remove: (keys: string[]) => Promise<void>;
  list: (prefix: string) => AsyncIterable<StoredObject>;
  /** Writes, reads and removes a probe. */
  check: () => Promise<void>;
};

const maxNameCharacters = 200;

/** `attachment; filename="…"; filename*=UTF-8''…` (RFC 6266, RFC 8187): control characters and overrides of direction left out. */
export function contentDisposition(fileName: string, kind: "attachment" | "inline" = "attachment"): string {
  // By whole characters: half of a surrogate pair cannot be encoded. A long name keeps its extension.
  const characters = [...fileName.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, "")];
  const extension = [...(/\.[^.]{1,16}$/u.exec(characters.join(""))?.[0] ?? "")];
  const clean =
    characters.length <= maxNameCharacters
      ? characters.join("") || "file"
      : [...characters.slice(0, maxNameCharacters - extension.length), ...extension].join("");
  const ascii = clean.replace(/[^\x20-\x7e]/g, "_").replace(/["\\%]/g, "_");
  const encoded = encodeURIComponent(clean).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${kind}; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
