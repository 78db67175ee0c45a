import { deleteDraft, insertVersion, lockVersion, updateDraft } from "../../db/draft.ts";
import { type Db, isDuplicate } from "../../db/query.ts";
import { findVersion, type VersionRow } from "../../db/version.ts";
import { type DeclaredFile, listDeclared, listFiles, listMissing, updateMirroring } from "../../db/version-file.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { changedMeanwhile, getPackAs } from "../packs/service.ts";
import { confirmCaller } from "../sessions/service.ts";
import type { Caller } from "../tokens.ts";
import { type Content, changeContent, digestContent, readContent } from "./content.ts";
import { readDeclared } from "./declare.ts";
import { describeVersion } from "./describe.ts";
import { fillDraft, linkReadable, sendMirroring, wantMirroring } from "./draft-files.ts";
import type { NewVersion, Version, VersionChange } from "./model.ts";

type Drafts = Pick<Deps, "db" | "config" | "mailbox">;
type Named = { caller: Caller; slug: string };
/** What stands in the place of a version in the addresses of launcher formats. */
const reserved = ["latest", "release", "beta", "alpha", "blobs", "manifest", "hmcl", "helios", "solder"];
const reservedEnds = /(-server|\.mrpack|\.toml|\.json)$/;

/** Makes a draft, or finds the one that says the same, or replaces what another draft of this version said. */
export async function declareVersion(
  drafts: Drafts,
  { caller, slug, body }: Named & { body: NewVersion },
): Promise<{ created: boolean; version: Version }> {
  const { db, config } = drafts;
  const pack = await getPackAs(drafts, { slug, caller, role: "publisher" });
  if (reserved.includes(body.version) || reservedEnds.test(body.version)) {
    throw new Fault(
      "invalid",
      `Cannot use "${body.version}" as a version: ${reserved.join(", ")} and names ending in -server, .mrpack, .toml or .json mean something else here`,
      { errors: [{ pointer: "/version", detail: "is reserved" }] },
    );
  }
  const content = readContent(body);
  const files = readDeclared(body.files, { config, mirror: body.mirror, groups: content.groups });
  const contentDigest = digestContent(content, files);
  const known = await findVersion(db, { packId: pack.id, version: body.version });
  if (!known) {
    const id = Bun.randomUUIDv7();
    try {
      const messages = await db.transaction(async (tx) => {
        await insertVersion(tx, {
          id,
          packId: pack.id,
          version: body.version,
          ...content,
          contentDigest,
          createdBy: caller.userId,
          expiresSeconds: config.DRAFT_EXPIRES_SECONDS,
        });
        await fillDraft(tx, { versionId: id, files, caller });
        return wantMirroring(tx, { versionId: id, files, caller });
      });
      await sendMirroring(drafts, messages);
    } catch (error) {
      if (isDuplicate(error, "version_pack_id_version_key")) return declareVersion(drafts, { caller, slug, body }); // somebody was first: look at theirs
      throw error;
    }
    return {
      created: true,
      version: await describeDraft(db, slug, await requireRow(db, { packId: pack.id, version: body.version })),
    };
  }
  if (known.state !== "draft") {
    if (known.contentDigest === contentDigest && known.state !== "withdrawn")
      return { created: false, version: await describeDraft(db, slug, known) };
    throw new Fault(
      "conflict",
      `Cannot change version "${body.version}": it is ${known.state} with other files. Publish them under a new version`,
    );
  }
  await rewrite(drafts, { known, content, contentDigest, files, caller, revision: null });
  return {
    created: false,
    version: await describeDraft(db, slug, await requireRow(db, { packId: pack.id, version: body.version })),
  };
}

/** Changes a draft; what is not given stays. */
export async function changeDraft(
  drafts: Drafts,
  { caller, slug, version, revision, change }: Named & { version: string; revision: number; change: VersionChange },
): Promise<VersionRow> {
  const { db, config } = drafts;
  const known = await findDraft(drafts, { caller, slug, version });
  if (known.revision !== revision) throw changedMeanwhile(version);
  const content = changeContent(known, change);
  if (change.groups && !change.files)
    throw new Fault("invalid", "Cannot change the groups alone: say the files too, which name them", {
      errors: [{ pointer: "/files", detail: "is missing" }],
    });
  const files = change.files
    ? readDeclared(change.files, { config, mirror: change.mirror, groups: content.groups })
    : await listDeclared(db, known.id);
  await rewrite(drafts, {
    known,
    content,
    contentDigest: digestContent(content, files),
    files: change.files ? files : undefined,
    caller,
    revision,
  });
  return requireRow(db, { packId: known.packId, version });
}

export async function removeDraft(drafts: Drafts, named: Named & { version: string }): Promise<void> {
  const known = await findDraft(drafts, named);
  await drafts.db.transaction(async (tx) => {
    await confirmCaller(tx, named.caller);
    if ((await deleteDraft(tx, known.id)) === 0) throw changedMeanwhile(named.version);
  });
}

/** A draft with what it still lacks. */
export async function describeDraft(db: Db, slug: string, row: VersionRow): Promise<Version> {
  const described = describeVersion(slug, row);
  if (row.state === "withdrawn") return { ...described, missing: [] };
  // Of a published version: what has to be sent again, since it is missing or changed in the storage.
  const missing = (await listMissing(db, row.id)).map(({ sha256, sizeBytes, state, reason }) => ({
    sha256,
    size: sizeBytes,
    ...(state !== null && { state }),
    ...(reason !== null && { reason }),
  }));
  const references = (await listFiles(db, row.id)).filter((file) => file.url !== null);
  const mirroring = references.flatMap(({ path, url, blobId, mirror, mirrorReason }) => {
    const state =
      blobId !== null ? "stored" : mirror === "wanted" ? "waiting" : mirror === "refused" ? "rejected" : "reference";
    return state === "reference" && mirrorReason === null
      ? []
      : [{ path, url: url ?? "", state, ...(mirrorReason !== null && { reason: mirrorReason }) }];
  });
  return { ...described, missing, ...(mirroring.length > 0 && { mirroring }) };
}

async function findDraft(drafts: Drafts, { caller, slug, version }: Named & { version: string }): Promise<VersionRow> {
  const pack = await getPackAs(drafts, { slug, caller, role: "publisher" });
  const known = await requireRow(drafts.db, { packId: pack.id, version });
  if (known.state !== "draft") throw isNoDraft(version, known.state);
  return known;
}

function isNoDraft(version: string, state: string): Fault {
  return new Fault("conflict", `Cannot change version "${version}": it is ${state}`);
}

async function requireRow(db: Db, wanted: { packId: string; version: string }): Promise<VersionRow> {
  const row = await findVersion(db, wanted);
  if (!row) throw new Fault("not-found", `There is no version "${wanted.version}"`);
  return row;
}

type Rewrite = {
  known: VersionRow;
  content: Content;
  contentDigest: string;
  files: DeclaredFile[] | undefined;
  caller: Caller;
  revision: number | null;
};

async function rewrite(
  drafts: Drafts,
  { known, content, contentDigest, files, caller, revision }: Rewrite,
): Promise<void> {
  const { db, config } = drafts;
  const messages = await db.transaction(async (tx) => {
    const now = await lockVersion(tx, known.id);
    if (!now || (revision !== null && now.revision !== revision)) throw changedMeanwhile(known.version);
    if (now.state !== "draft") throw isNoDraft(known.version, now.state);
    // Who declares files fills them with his own bytes; others who work on the pack cannot make him do it for theirs.
    const createdBy = files ? caller.userId : now.createdBy;
    await updateDraft(tx, {
      id: known.id,
      ...content,
      contentDigest,
      createdBy,
      expiresSeconds: config.DRAFT_EXPIRES_SECONDS,
    });
    if (files && now.contentDigest !== contentDigest) await fillDraft(tx, { versionId: known.id, files, caller });
    else {
      // Mirroring is not part of what the version is: it may be asked for again, or no longer.
      if (files) await updateMirroring(tx, { versionId: known.id, files });
      const sha256 = (await listMissing(tx, known.id)).map((file) => file.sha256);
      if (createdBy === caller.userId) await linkReadable(tx, { versionId: known.id, caller, sha256 });
    }
    return files ? wantMirroring(tx, { versionId: known.id, files, caller }) : [];
  });
  await sendMirroring(drafts, messages);
}
