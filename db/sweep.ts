import { type Db, one } from "./query.ts";

/** Bytes that are kept, and bytes that wait to be removed. */
export async function sumStorage(db: Db): Promise<{ liveBytes: number; doomedBytes: number; blobs: number }> {
  const row = await one<{ liveBytes: number; doomedBytes: number; blobs: number }>(db, {
    name: "storage_sum",
    text: `select (select coalesce(sum(size_bytes), 0)::bigint from blob.blob) as "liveBytes", (select count(*) from blob.blob) as blobs,
      (select coalesce(sum(size_bytes), 0)::bigint from blob.doomed) as "doomedBytes"`,
  });
  return row ?? { liveBytes: 0, doomedBytes: 0, blobs: 0 };
}
