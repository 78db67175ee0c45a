import { Type as t } from "@sinclair/typebox";
import { deleteArchivesHolding } from "../../db/archive.ts";
import { insertBlocked } from "../../db/blob.ts";
import { insertFact } from "../../db/outbox.ts";
import type { PackRow } from "../../db/pack.ts";
import {
  type Channel,
  findLatest,
  findManifest,
  findVersion,
  listUnpublished,
  listVersions,
  updateYanked,
  type VersionRow,
  withdrawVersion,
} from "../../db/version.ts";
import { listFiles } from "../../db/version-file.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import {
  type ManifestSignature,
  type ManifestSigner,
  signatureHeader,
  writeSignatureHeader,
} from "../../manifest-signature.ts";
import { noteAct } from "../audit.ts";
import { getPack, getPackAs } from "../packs/service.ts";
import { readCursor, writeCursor } from "../pages.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import { describeVersion } from "./describe.ts";
import type { Version } from "./model.ts";

/** The number of the version that the page before ended with. */
const Cursor = t.Tuple([t.Integer({ minimum: 0, maximum: 2 ** 31 - 1 })]);
type Versions = Pick<Deps, "db" | "config" | "mailbox" | "storage" | "publicUrl" | "bus">;
export type Asked = { caller: Caller | null; slug: string; version: string };
type Found = { pack: PackRow; row: VersionRow };

/** A version that the caller may see: drafts are for those who work on the pack, withdrawn ones are gone for everybody. */
export async function getVersion(versions: Pick<Versions, "db">, { caller, slug, version }: Asked): Promise<Found> {
  const pack = await getPack(versions, { slug, caller });
  const row = await findVersion(versions.db, { packId: pack.id, version });
  if (!row || (row.state !== "published" && row.state !== "withdrawn" && pack.role === null))
    throw new Fault("not-found", `There is no version "${version}" of "${slug}"`);
  if (row.state === "withdrawn")
    throw new Fault("gone", `Version "${version}" of "${slug}" was withdrawn: ${row.withdrawnReason}`);
  return { pack, row };
}

/** The same, published. */
export async function getPublished(versions: Pick<Versions, "db">, asked: Asked): Promise<Found> {
  const found = await getVersion(versions, asked);
  if (found.row.state !== "published") throw new Fault("conflict", `Version "${asked.version}" is not published yet`);
  return found;
}

export async function getLatest(
  versions: Pick<Versions, "db">,
  { caller, slug, channel = "release" }: { caller: Caller | null; slug: string; channel?: Channel },
): Promise<Found> {
  const pack = await getPack(versions, { slug, caller });
  const row = await findLatest(versions.db, { packId: pack.id, channel });
  if (!row) throw new Fault("not-found", `"${slug}" has no version in the channel ${channel}`);
  return { pack, row };
}

export async function pageVersions(
  { db }: Pick<Versions, "db">,
  { caller, slug, limit = 50, cursor }: { caller: Caller | null; slug: string; limit?: number; cursor?: string },
): Promise<{ pack: PackRow; items: Version[]; nextCursor: string | null }> {
  const pack = await getPack({ db }, { slug, caller });
  const before = readCursor(cursor, Cursor)?.[0];
  const rows = await listVersions(db, {
    packId: pack.id,
    before: before ?? null,
    limit: limit + 1,
  });
  const drafts = before === undefined && pack.role !== null ? await listUnpublished(db, pack.id) : [];
  const last = rows.length > limit ? rows[limit - 1] : undefined;
  // Groups may be long: they are told of one version at a time.
  const items = [...drafts, ...rows.slice(0, limit)].map((row) => describeVersion(slug, { ...row, groups: null }));
  return { pack, items, nextCursor: last?.number == null ? null : writeCursor([last.number]) };
}

/** The frozen manifest of a published version, with its strong ETag and who signed it. Gone when it was withdrawn at this moment. */
export async function readManifest(
  { db, manifestSigner }: Pick<Versions, "db"> & { manifestSigner: ManifestSigner },
  { row }: Pick<Found, "row">,
): Promise<{
  bytes: Uint8Array;
  etag: string;
  signatures: ManifestSignature[];
  headers: Record<string, string>;
}> {
  const found = await findManifest(db, row.id);
  if (!found) throw new Fault("gone", `Version "${row.version}" was withdrawn`);
  const { manifest: bytes, sha256 } = found;
  const signatures = manifestSigner.sign({ bytes, sha256 });
  const header = writeSignatureHeader(signatures);
  const headers: Record<string, string> = header === undefined ? {} : { [signatureHeader]: header };
  return { bytes, etag: `"${sha256}"`, signatures, headers };
}

export async function setYanked(
  versions: Versions,
  { caller, slug, version, yanked }: Asked & { caller: Caller; yanked: boolean },
): Promise<Version> {
  await getPackAs(versions, { slug, caller, role: "publisher" });
  const { row } = await getPublished(versions, { caller, slug, version });
  await versions.db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    await updateYanked(tx, { id: row.id, yanked });
    if (yanked && row.yankedAt === null)
      await insertFact(tx, { kind: "version.yanked", payload: { packId: row.packId, versionId: row.id } });
  });
  versions.bus.publish("pack.changed", slug);
  return describeVersion(slug, (await getVersion(versions, { caller, slug, version })).row);
}

type Withdrawing = { caller: Caller; request: Request; reason: string; block?: boolean };

/** Takes a published version away from everybody; an admin may block its bytes on the whole server. */
export async function withdraw(
  versions: Versions,
  { caller, request, slug, version, reason, block = false }: Asked & Withdrawing,
): Promise<void> {
  const pack = await getPackAs(versions, { slug, caller, role: "owner" });
  if (block && !caller.roles.includes("admin"))
    throw new Fault("not-allowed", "Cannot block digests: only an admin may");
  const known = await findVersion(versions.db, { packId: pack.id, version });
  // What its owner has withdrawn may still be blocked.
  const row =
    block && known?.state === "withdrawn" ? known : (await getPublished(versions, { caller, slug, version })).row;
  const files = await listFiles(versions.db, row.id);
  await versions.db.transaction(async (tx) => {
    await confirmCaller(tx, caller);
    if ((await withdrawVersion(tx, { id: row.id, reason })) > 0)
      await insertFact(tx, { kind: "version.withdrawn", payload: { packId: pack.id, versionId: row.id } });
    if (!block) return;
    const sha256 = files.flatMap((file) => file.sha256 ?? []);
    await insertBlocked(tx, { sha256, reason });
    const detail = { version, digests: sha256.length };
    await noteAct(tx, { caller, request }, { action: "digests.blocked", subject: slug, detail });
    await deleteArchivesHolding(tx, sha256); // also those of other packs
  });
  versions.bus.publish("pack.changed", slug);
}
