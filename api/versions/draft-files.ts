import { keepBlobs, listReadableBlobs } from "../../db/blob.ts";
import type { Db } from "../../db/query.ts";
import { type DeclaredFile, linkFiles, replaceFiles } from "../../db/version-file.ts";
import type { Deps } from "../../deps.ts";
import type { Message } from "../../queues/actor.ts";
import { wantAll } from "../../queues/mailbox.ts";
import { mirrorReference } from "../../queues/mirror-reference.ts";
import { toReader } from "../caller.ts";
import type { Caller } from "../tokens.ts";

const sentAtOnce = 100;

/** Replaces the files of a draft that the caller has locked, and links those whose bytes are here for their author. */
export async function fillDraft(
  tx: Db,
  { versionId, files, caller }: { versionId: string; files: DeclaredFile[]; caller: Caller },
): Promise<void> {
  await replaceFiles(tx, { versionId, files });
  await linkReadable(tx, {
    versionId,
    caller,
    sha256: files.flatMap(({ url, sha256 }) => (url === null && sha256 !== null ? [sha256] : [])),
  });
}

/** Gives a draft the bytes that its author may read already; others he has to send, which proves that he has them. */
export async function linkReadable(
  tx: Db,
  { versionId, caller, sha256 }: { versionId: string; caller: Caller; sha256: string[] },
): Promise<void> {
  const readable = await listReadableBlobs(tx, { sha256, reader: toReader(caller) });
  const kept = await keepBlobs(
    tx,
    readable.map((blob) => blob.sha256),
  );
  await linkFiles(tx, { versionId, sha256: kept });
}

/** Asks for the references of a draft that are to be mirrored. Send the messages after the commit. */
export async function wantMirroring(
  tx: Db,
  { versionId, files, caller }: { versionId: string; files: DeclaredFile[]; caller: Caller },
): Promise<Message[]> {
  const payloads = files.filter(({ mirror }) => mirror === "wanted").map(({ path }) => ({ versionId, path }));
  return payloads.length === 0 ? [] : wantAll(tx, mirrorReference, { payloads, ownerId: caller.userId });
}

/** Sends what `wantMirroring` has asked for. */
export async function sendMirroring({ mailbox }: Pick<Deps, "mailbox">, messages: Message[]): Promise<void> {
  for (let start = 0; start < messages.length; start += sentAtOnce)
    await Promise.all(
      messages.slice(start, start + sentAtOnce).map((message) => mailbox.send(mirrorReference.name, message)),
    );
}
