import { join } from "node:path";
import { readConfig } from "../config.ts";
import { readS3Options } from "../deps.ts";
import { openDiskStorage } from "../storage/disk.ts";
import { openDiskSigner } from "../storage/disk-signer.ts";
import type { Storage } from "../storage/index.ts";
import { openS3Storage } from "../storage/s3.ts";
import type { System } from "./harness.ts";

/** The storage of a running system, opened beside it. */
export function openStorageOf({ environment, url }: Pick<System, "environment" | "url">): Storage {
  const config = readConfig({ environment });
  if (config.S3_ENDPOINT) return openS3Storage(readS3Options(config));
  const signer = openDiskSigner({ base: () => url, secret: config.STORAGE_SECRET ?? "" });
  return openDiskStorage({ folder: join(config.DATA, "objects"), signer });
}

/** Everything that a request may leave behind: rows by table, objects by key, open multipart uploads. */
export type Traces = { rows: Record<string, number>; objects: string[]; openParts: string[] };

/** Reads what lies in the database and the storage of a system now. */
export async function readTraces(system: System): Promise<Traces> {
  const storage = openStorageOf(system);
  const objects: string[] = [];
  for await (const { key } of storage.list("")) if (!key.startsWith("probe/")) objects.push(key);
  const openParts: string[] = [];
  for await (const { partsId } of storage.listOpenParts()) openParts.push(partsId);
  const { rows } = await system.db.query({
    name: "test_traces",
    text: `select (select count(*) from blob.upload) as uploads, (select count(*) from blob.blob) as blobs,
      (select count(*) from blob.attempt) as attempts, (select count(*) from blob.doomed) as doomed,
      (select coalesce(sum(uploads), 0)::bigint from blob.quota) as "quotaUploads",
      (select coalesce(sum(size_bytes), 0)::bigint from blob.quota) as "quotaBytes",
      (select count(*) from pack.pack) as packs, (select count(*) from pack.version) as versions,
      (select count(*) from pack.version where state = 'draft') as drafts, (select count(*) from pack.version_file) as "versionFiles",
      (select count(*) from file.file) as files, (select count(*) from api.idempotency) as keys,
      (select count(*) from account."user") as users, (select count(*) from account.session) as sessions,
      (select count(*) from job.job where owner_id is not null) as jobs`,
    values: [],
  });
  const [row] = rows;
  return { rows: row as Record<string, number>, objects: objects.sort(), openParts: openParts.sort() };
}
