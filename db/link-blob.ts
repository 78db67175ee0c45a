import type { ReadableBlob } from "./blob.ts";
import { type Db, many } from "./query.ts";
import type { Channel } from "./version.ts";

/** Of these digests, those that published versions of a pack have, or those of one channel: what a share link opens. Blocked ones are nobody's. */
export function listLinkedBlobs(
  db: Db,
  { sha256, packId, channel }: { sha256: string[]; packId: string; channel: Channel | null },
): Promise<ReadableBlob[]> {
  return many<ReadableBlob>(db, {
    name: "blob_list_linked",
    text: `select b.sha256, b.key, b.size_bytes as "sizeBytes", 'private' as access from blob.blob b
      where b.sha256 = any ($1) and b.broken is null and not exists (select from blob.blocked x where x.sha256 = b.sha256)
        and exists (select from pack.version_file f join pack.version v on v.id = f.version_id
          where f.blob_id = b.id and v.pack_id = $2 and v.state = 'published' and ($3::text is null or v.channel = $3))`,
    values: [sha256, packId, channel],
  });
}
