import type { VersionFileRow } from "../db/version-file.ts";

/** A file whose bytes lie in storage. */
export type StoredFile = VersionFileRow & {
  blobId: string;
  sha256: string;
  sizeBytes: number;
  key: string;
  crc32: number;
};

/** Whether the bytes of a file are here. */
export function isStored(file: VersionFileRow): file is StoredFile {
  return (
    file.blobId !== null && file.key !== null && file.crc32 !== null && file.sizeBytes !== null && file.sha256 !== null
  );
}
