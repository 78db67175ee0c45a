import type { Digests } from "../digest.ts";
import { replaceBroken } from "./integrity.ts";
import { type Db, many, one, run } from "./query.ts";

export type BlobRow = {
  id: string;
  sha256: string;
  key: string;
  sizeBytes: number;
  sha1: string;
  sha512: string;
  md5: string;
  murmur2: number | null;
  crc32: number;
};

/** Who asks: nobody (null) or a user with roles. */
export type Reader = { userId: string | null; roles: string[] };

export type ReadableBlob = { sha256: string; key: string; sizeBytes: number; access: "public" | "private" };

const columns = `id, sha256, key, size_bytes as "sizeBytes", sha1, sha512, md5, murmur2, crc32`;

export function findBlob(db: Db, sha256: string): Promise<BlobRow | undefined> {
  return one<BlobRow>(db, {
    name: "blob_find",
    text: `select ${columns} from blob.blob where sha256 = $1`,
    values: [sha256],
  });
}

/** Of these digests, those that this reader may read, through a pack, a file, or an upload of his own. Blocked and broken ones are nobody's. */
export function listReadableBlobs(
  db: Db,
  { sha256, reader }: { sha256: string[]; reader: Reader },
): Promise<ReadableBlob[]> {
  return many<ReadableBlob>(db, {
    name: "blob_list_readable",
    text: `select * from (
        select b.sha256, b.key, b.size_bytes as "sizeBytes", greatest(
            pack.blob_access(b.id, $2, $3), file.blob_access(b.id, $2, $3),
            (select 'private' from blob.upload u where u.blob_id = b.id and u.owner_id = $2 and u.state = 'verified' limit 1)) as access
          from blob.blob b where b.sha256 = any ($1) and b.broken is null and not exists (select from blob.blocked x where x.sha256 = b.sha256)
      ) found where access is not null`,
    values: [sha256, reader.userId, reader.roles],
  });
}

/** Keeps blobs from the collector until the transaction ends, in id order so that two publishers never wait for each other. */
export function lockBlobs(tx: Db, ids: string[]): Promise<{ id: string }[]> {
  return many<{ id: string }>(tx, {
    name: "blob_lock",
    text: `select id from blob.blob where id = any ($1::uuid[]) order by id for share`,
    values: [ids],
  });
}

/**
 * Keeps blobs from the collector until the transaction ends, and for the whole grace time from now on. Of these digests,
 * those that are still here. A row is written at most once an hour, so that asking often costs nothing.
 */
export async function keepBlobs(tx: Db, sha256: string[]): Promise<string[]> {
  await run(tx, {
    name: "blob_keep",
    text: `with stale as (
        select id from blob.blob where sha256 = any ($1) and touched_at < now() - interval '1 hour' order by id for no key update)
      update blob.blob b set touched_at = now() from stale where b.id = stale.id`,
    values: [sha256],
  });
  const kept = await many<{ sha256: string }>(tx, {
    name: "blob_lock_by_sha256",
    text: `select sha256 from blob.blob where sha256 = any ($1) order by id for share`,
    values: [sha256],
  });
  return kept.map((blob) => blob.sha256);
}

/**
 * Writes a blob's row, or finds the one that somebody else wrote meanwhile, locked either way until the transaction ends. Where that
 * one's bytes are missing or changed, these take their place.
 */
export async function settleBlob(
  tx: Db,
  { id, key, digests }: { id: string; key: string; digests: Digests },
): Promise<BlobRow> {
  for (;;) {
    const inserted = await one<BlobRow>(tx, {
      name: "blob_insert",
      text: `insert into blob.blob (id, key, sha256, size_bytes, sha1, sha512, md5, murmur2, crc32) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        on conflict (sha256) do nothing returning ${columns}`,
      values: [
        id,
        key,
        digests.sha256,
        digests.sizeBytes,
        digests.sha1,
        digests.sha512,
        digests.md5,
        digests.murmur2,
        digests.crc32,
      ],
    });
    if (inserted) return inserted;
    const found = await one<BlobRow & { broken: string | null }>(tx, {
      name: "blob_touch",
      text: `update blob.blob set touched_at = now() where sha256 = $1 returning ${columns}, broken`,
      values: [digests.sha256],
    });
    if (!found) continue; // the collector took it in between: insert again
    if (found.broken === null) return found;
    await replaceBroken(tx, { id: found.id, key, former: found });
    return { ...found, key };
  }
}

/** Says that bytes are about to be written under this key, so that a crash leaves a trace. */
export function insertAttempt(db: Db, { id, key }: { id: string; key: string }): Promise<number> {
  return run(db, {
    name: "attempt_insert",
    text: `insert into blob.attempt (id, key) values ($1, $2)`,
    values: [id, key],
  });
}

export function deleteAttempt(db: Db, id: string): Promise<number> {
  return run(db, { name: "attempt_delete", text: `delete from blob.attempt where id = $1`, values: [id] });
}

/** Leaves an object to the sweep. 0 when a blob lives under this key, or it is doomed already. */
export function insertDoomed(
  db: Db,
  doomed: { key: string; sizeBytes: number; reason: string; afterSeconds: number },
): Promise<number> {
  return run(db, {
    name: "doomed_insert",
    text: `insert into blob.doomed (key, size_bytes, reason, remove_after)
      select $1, $2::bigint, $3, now() + make_interval(secs => $4) where not exists (select from blob.blob where key = $1) on conflict do nothing`,
    values: [doomed.key, doomed.sizeBytes, doomed.reason, doomed.afterSeconds],
  });
}

/** Forgets doomed keys whose objects are gone. */
export function deleteDoomed(db: Db, keys: string[]): Promise<number> {
  return run(db, { name: "doomed_delete", text: `delete from blob.doomed where key = any ($1)`, values: [keys] });
}

export function findBlocked(db: Db, sha256: string): Promise<{ reason: string } | undefined> {
  return one<{ reason: string }>(db, {
    name: "blocked_find",
    text: `select reason from blob.blocked where sha256 = $1`,
    values: [sha256],
  });
}

/** Of these digests, those that are blocked on this server. */
export async function listBlocked(db: Db, sha256: string[]): Promise<string[]> {
  const rows = await many<{ sha256: string }>(db, {
    name: "blocked_list",
    text: `select sha256 from blob.blocked where sha256 = any ($1)`,
    values: [sha256],
  });
  return rows.map((row) => row.sha256);
}

export function insertBlocked(db: Db, { sha256, reason }: { sha256: string[]; reason: string }): Promise<number> {
  return run(db, {
    name: "blocked_insert",
    text: `insert into blob.blocked (sha256, reason) select unnest($1::text[]), $2 on conflict do nothing`,
    values: [sha256, reason],
  });
}
