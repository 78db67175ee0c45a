import type { Reader } from "./blob.ts";
import { type Db, many, one, run } from "./query.ts";

export type FileVisibility = "private" | "public";

export type FileRow = {
  id: string;
  name: string;
  visibility: FileVisibility;
  ownerId: string;
  ownerLogin: string;
  revision: number;
  sha256: string;
  sizeBytes: number;
  key: string;
  /** Why its bytes are blocked on this server, when they are. */
  blockedReason: string | null;
  /** Its bytes are missing or changed. */
  isBroken: boolean;
  createdAt: Date;
  updatedAt: Date;
};

const columns = `f.id, f.name, f.visibility, f.owner_id as "ownerId", u.login as "ownerLogin", f.revision, b.sha256, b.size_bytes as "sizeBytes", b.key,
  (select x.reason from blob.blocked x where x.sha256 = b.sha256) as "blockedReason", b.broken is not null as "isBroken", f.created_at as "createdAt", f.updated_at as "updatedAt"`;

/** A file that this reader may read. */
export function findFile(db: Db, { id, reader }: { id: string; reader: Reader }): Promise<FileRow | undefined> {
  return one<FileRow>(db, {
    name: "file_find",
    text: `select ${columns} from file.file f join blob.blob b on b.id = f.blob_id join account."user" u on u.id = f.owner_id
      where f.id = $1 and file.can_read(f, $2, $3)`,
    values: [id, reader.userId, reader.roles],
  });
}

/** Files that the reader may read, newest first; `query` is a LIKE pattern for the name, `before` the id that the page before ended with. */
export function listFiles(
  db: Db,
  { reader, query, before, limit }: { reader: Reader; query: string | null; before: string | null; limit: number },
): Promise<FileRow[]> {
  return many<FileRow>(db, {
    name: "file_list",
    text: `select ${columns} from file.file f join blob.blob b on b.id = f.blob_id join account."user" u on u.id = f.owner_id
      where file.can_read(f, $1, $2) and ($3::text is null or f.name ilike $3) and ($4::uuid is null or f.id < $4)
      order by f.id desc limit $5`,
    values: [reader.userId, reader.roles, query, before, limit],
  });
}

type NewFile = { id: string; ownerId: string; name: string; blobId: string; visibility: FileVisibility };

export function insertFile(tx: Db, file: NewFile): Promise<number> {
  return run(tx, {
    name: "file_insert",
    text: `insert into file.file (id, owner_id, name, blob_id, visibility) values ($1, $2, $3, $4, $5)`,
    values: [file.id, file.ownerId, file.name, file.blobId, file.visibility],
  });
}

/** Changes what is given, when the revision is still that one: 0 when it is not. */
export function updateFile(
  tx: Db,
  {
    id,
    revision,
    name,
    visibility,
  }: { id: string; revision: number; name?: string | undefined; visibility?: FileVisibility | undefined },
): Promise<number> {
  return run(tx, {
    name: "file_update",
    text: `update file.file set name = coalesce($3, name), visibility = coalesce($4, visibility), revision = revision + 1, updated_at = now()
      where id = $1 and revision = $2`,
    values: [id, revision, name ?? null, visibility ?? null],
  });
}

/** Removes the entry, at any revision when none is given; its bytes are left to the sweep. */
export function deleteFile(db: Db, { id, revision }: { id: string; revision: number | undefined }): Promise<number> {
  return run(db, {
    name: "file_delete",
    text: `delete from file.file where id = $1 and ($2::integer is null or revision = $2)`,
    values: [id, revision ?? null],
  });
}

export async function findFileAccess(db: Db, fileId: string): Promise<{ users: string[]; roles: string[] }> {
  const row = await one<{ users: string[]; roles: string[] }>(db, {
    name: "file_access_find",
    text: `select array(select u.login from file.reader_user r join account."user" u on u.id = r.user_id where r.file_id = $1 and u.deleted_at is null order by 1) as users,
      array(select role from file.reader_role where file_id = $1 order by 1) as roles`,
    values: [fileId],
  });
  return row ?? { users: [], roles: [] };
}

/** Replaces the list of readers, in the caller's transaction. */
export async function replaceFileAccess(
  tx: Db,
  { fileId, userIds, roles }: { fileId: string; userIds: string[]; roles: string[] },
): Promise<void> {
  await run(tx, {
    name: "file_access_delete_users",
    text: `delete from file.reader_user where file_id = $1`,
    values: [fileId],
  });
  await run(tx, {
    name: "file_access_delete_roles",
    text: `delete from file.reader_role where file_id = $1`,
    values: [fileId],
  });
  await run(tx, {
    name: "file_access_insert_users",
    text: `insert into file.reader_user (file_id, user_id) select $1, unnest($2::uuid[])`,
    values: [fileId, userIds],
  });
  await run(tx, {
    name: "file_access_insert_roles",
    text: `insert into file.reader_role (file_id, role) select $1, unnest($2::text[])`,
    values: [fileId, roles],
  });
}
