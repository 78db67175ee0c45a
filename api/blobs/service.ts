import { listReadableBlobs, type ReadableBlob, type Reader } from "../../db/blob.ts";
import type { Db } from "../../db/query.ts";
import { findWithdrawnFile } from "../../db/version-file.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import type { ShownType } from "../../storage/index.ts";
import type { KnownBlobs, Location } from "./known-blobs.ts";

const privateSeconds = 300;
const publicSeconds = 900;
const roundMs = 300_000;

export const cacheControl = {
  public: "public, max-age=31536000, immutable, no-transform",
  private: "private, no-store",
} as const;

type Signing = {
  storage: Deps["storage"];
  blob: Pick<ReadableBlob, "key" | "access">;
  method: "GET" | "HEAD";
  fileName?: string;
  /** Of bytes that this server has made to be shown by browsers. */
  shownAs?: ShownType;
};

/**
 * Signs the address of an object: 5 minutes, or for public bytes 15 from a time rounded to 5, so that addresses repeat and
 * caches hit.
 */
export function signBlob({ storage, blob, method, fileName, shownAs }: Signing): Promise<string> {
  const name = { ...(fileName !== undefined && { fileName }), ...(shownAs && { shownAs }) };
  if (blob.access === "private")
    return storage.signGet({
      key: blob.key,
      method,
      cacheControl: cacheControl.private,
      expiresSeconds: privateSeconds,
      ...name,
    });
  const signedAt = new Date(Math.floor(Date.now() / roundMs) * roundMs);
  return storage.signGet({
    key: blob.key,
    method,
    cacheControl: cacheControl.public,
    expiresSeconds: publicSeconds,
    signedAt,
    ...name,
  });
}

/**
 * Address of a blob for a reader who may read it; 410 when the only version that showed it to him was withdrawn; 404 for
 * everybody else, whether it is here or not.
 */
export async function signReadable(
  { db, storage, knownBlobs }: Pick<Deps, "db" | "storage"> & { knownBlobs: KnownBlobs },
  { sha256, reader, method }: { sha256: string; reader: Reader; method: "GET" | "HEAD" },
): Promise<string> {
  const look = () => locateReadable(db, { sha256, reader });
  const location = reader.userId === null ? await knownBlobs.ask(sha256, look) : await look();
  return signLocation(storage, { location, method });
}

/** The address of bytes wherever they are. */
export async function signLocation(
  storage: Deps["storage"],
  { location, method }: { location: Location; method: "GET" | "HEAD" },
): Promise<string> {
  return "url" in location ? location.url : signBlob({ storage, blob: location, method });
}

async function locateReadable(db: Db, { sha256, reader }: { sha256: string; reader: Reader }): Promise<ReadableBlob> {
  const [blob] = await listReadableBlobs(db, { sha256: [sha256], reader });
  if (blob) return blob;
  const withdrawn = await findWithdrawnFile(db, { sha256, reader });
  if (withdrawn) throw new Fault("gone", `The version with this file was withdrawn: ${withdrawn.reason}`);
  throw new Fault("not-found", "There is no such file that you may read");
}

/** Addresses of many blobs, each checked. Those that the reader may not read are left out. */
export async function signMany(
  { db, storage }: Pick<Deps, "db" | "storage">,
  { sha256, reader }: { sha256: string[]; reader: Reader },
): Promise<Record<string, string>> {
  return signAll(storage, await listReadableBlobs(db, { sha256, reader }));
}

/** Addresses by digest. */
export async function signAll(storage: Deps["storage"], blobs: ReadableBlob[]): Promise<Record<string, string>> {
  const signed = await Promise.all(
    blobs.map(async (blob) => [blob.sha256, await signBlob({ storage, blob, method: "GET" })] as const),
  );
  return Object.fromEntries(signed);
}
