import { Type as t } from "@sinclair/typebox";
import { lockBlobs } from "../../db/blob.ts";
import {
  deleteFile,
  type FileRow,
  findFile,
  findFileAccess,
  insertFile,
  listFiles,
  replaceFileAccess,
  updateFile,
} from "../../db/file.ts";
import type { Db } from "../../db/query.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { signBlob } from "../blobs/service.ts";
import { toReader } from "../caller.ts";
import { changedMeanwhile, findReadableBlob, requireUsers } from "../packs/service.ts";
import { CursorId, readCursor, writeCursor } from "../pages.ts";
import type { Caller } from "../tokens.ts";
import type { File, FileChange, NewFile } from "./model.ts";

const Cursor = t.Tuple([CursorId]);
type Access = NonNullable<NewFile["access"]>;
type Stored = { file: File; revision: number };

/** A file that the caller may read. For everybody else it does not exist. */
export async function getFile(db: Db, { caller, id }: { caller: Caller | null; id: string }): Promise<FileRow> {
  const row = await findFile(db, { id, reader: toReader(caller) });
  if (!row) throw new Fault("not-found", "There is no such file that you may read");
  return row;
}

/** Names bytes that the caller may read already: 422 when he may not, whether they are here or not. */
export async function createFile(
  { db }: Pick<Deps, "db">,
  { caller, sha256, name, visibility = "private", access }: NewFile & { caller: Caller },
): Promise<Stored> {
  const id = Bun.randomUUIDv7();
  await db.transaction(async (tx) => {
    const blobId = await findReadableBlob(tx, { sha256, caller });
    // The collector waits, or was first: then the bytes have to be sent again.
    if ((await lockBlobs(tx, [blobId])).length === 0)
      throw new Fault("invalid", `There are no bytes ${sha256} that you may read: upload them first`);
    await insertFile(tx, { id, ownerId: caller.userId, name, blobId, visibility });
    if (access) await setAccess(tx, { fileId: id, access });
  });
  return describeStored(db, { caller, row: await getFile(db, { caller, id }) });
}

/** Changes what is given; 412 when somebody was first. */
export async function changeFile(
  { db }: Pick<Deps, "db">,
  { caller, id, revision, change }: { caller: Caller; id: string; revision: number; change: FileChange },
): Promise<Stored> {
  const row = await getOwnFile(db, { caller, id });
  await db.transaction(async (tx) => {
    const { name, visibility, access } = change;
    if ((await updateFile(tx, { id, revision, name, visibility })) === 0) throw changedMeanwhile(row.name);
    if (access) await setAccess(tx, { fileId: id, access });
  });
  return describeStored(db, { caller, row: await getFile(db, { caller, id }) });
}

/** Forgets a file; its bytes stay as long as anything else names them. */
export async function removeFile(
  { db }: Pick<Deps, "db">,
  { caller, id, revision }: { caller: Caller; id: string; revision: number | undefined },
): Promise<void> {
  const row = await getOwnFile(db, { caller, id });
  if ((await deleteFile(db, { id, revision })) === 0) throw changedMeanwhile(row.name);
}

type Search = { caller: Caller | null; query?: string; limit?: number; cursor?: string };

/** Files that the caller may read, newest first. */
export async function searchFiles(
  { db }: Pick<Deps, "db">,
  { caller, query, limit = 50, cursor }: Search,
): Promise<{ items: File[]; nextCursor: string | null }> {
  const rows = await listFiles(db, {
    reader: toReader(caller),
    query: query ? `%${query.replace(/[\\%_]/g, "\\$&")}%` : null,
    before: readCursor(cursor, Cursor)?.[0] ?? null,
    limit: limit + 1,
  });
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  return {
    items: rows.slice(0, limit).map((row) => describeFile(row)),
    nextCursor: last ? writeCursor([last.id]) : null,
  };
}

/** Signed address of a file's bytes, under the file's own name. 410 when they are blocked, 503 when they are missing or changed. */
export async function signFile(
  { db, storage }: Pick<Deps, "db" | "storage">,
  { caller, id, method }: { caller: Caller | null; id: string; method: "GET" | "HEAD" },
): Promise<string> {
  const { key, name, blockedReason, isBroken } = await getFile(db, { caller, id });
  if (blockedReason !== null) throw new Fault("gone", `These bytes are blocked on this server: ${blockedReason}`);
  if (isBroken)
    throw new Fault("unavailable", "The file is damaged on this server: send its bytes again to mend it", {
      retryAfterSeconds: 3_600,
    });
  return signBlob({ storage, blob: { key, access: "private" }, method, fileName: name });
}

/** A file as the API shows it, with its readers for those who decide about them. */
export async function describeStored(
  db: Db,
  { caller, row }: { caller: Caller | null; row: FileRow },
): Promise<Stored> {
  const { revision } = row;
  if (!isOwner(row, caller)) return { file: describeFile(row), revision };
  return { file: { ...describeFile(row), access: await findFileAccess(db, row.id) }, revision };
}

async function getOwnFile(db: Db, { caller, id }: { caller: Caller; id: string }): Promise<FileRow> {
  const row = await getFile(db, { caller, id });
  if (!isOwner(row, caller)) throw new Fault("not-allowed", `Not allowed: "${row.name}" belongs to ${row.ownerLogin}`);
  return row;
}

function isOwner(row: FileRow, caller: Caller | null): boolean {
  return caller !== null && (row.ownerId === caller.userId || caller.roles.includes("admin"));
}

async function setAccess(tx: Db, { fileId, access }: { fileId: string; access: Access }): Promise<void> {
  const userIds = await requireUsers(tx, access.users);
  await replaceFileAccess(tx, { fileId, userIds, roles: [...new Set(access.roles)] });
}

function describeFile(row: FileRow): File {
  const { id, name, sha256, sizeBytes, visibility, ownerLogin } = row;
  const times = { createdAt: row.createdAt.toISOString(), updatedAt: row.updatedAt.toISOString() };
  return {
    id,
    name,
    sha256,
    size: sizeBytes,
    visibility,
    owner: ownerLogin,
    content: `/v1/files/${id}/content`,
    ...times,
  };
}
