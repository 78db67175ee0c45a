import { insertActivity } from "../db/activity.ts";
import { lockBlobs } from "../db/blob.ts";
import { claimLoaders } from "../db/loader.ts";
import { insertFact } from "../db/outbox.ts";
import { type LockedPack, lockPack, notePublished } from "../db/pack.ts";
import type { Db } from "../db/query.ts";
import { isSolderPack } from "../db/solder.ts";
import { findVersionById, settlePublished, stopPublishing, type VersionRow } from "../db/version.ts";
import { listFiles, listMissing, listPreviousDigests } from "../db/version-file.ts";
import type { Deps } from "../deps.ts";
import { Fault } from "../fault.ts";
import { findLoaderKey } from "../formats/loaders.ts";
import { findMeta } from "../loader-profile.ts";
import type { Handle } from "../queues/actor.ts";
import { buildSolder } from "../queues/build-solder.ts";
import { fetchLoader } from "../queues/fetch-loader.ts";
import { want } from "../queues/mailbox.ts";
import type { PublishVersion } from "../queues/publish-version.ts";
import { renderManifest } from "./render-manifest.ts";

/**
 * Freezes a version in one transaction: locks its pack (versions are numbered one after the other) and its blobs (the
 * collector waits), renders the manifest, and makes the version visible.
 */
export const handle: Handle<PublishVersion, "db" | "bus" | "mailbox" | "config"> = async ({ payload, deps }) => {
  const { db, bus, mailbox, config } = deps;
  const version = await findVersionById(db, payload.versionId);
  if (version?.state !== "publishing") return { state: version?.state ?? "gone" };
  const done = await db.transaction(async (tx) => {
    const pack = await lockPack(tx, version.packId);
    const now = await findVersionById(tx, version.id);
    if (!pack || now?.state !== "publishing") return undefined;
    if (await freeze(tx, { version: now, pack })) {
      const solder = await isSolderPack(tx, version.packId);
      const packing = solder ? await want(tx, buildSolder, { payload: { versionId: version.id } }) : undefined;
      return { slug: pack.slug, packing, fetching: await wantLoader(tx, { version: now, config }) };
    }
    await stopPublishing(tx, version.id);
    const payload = { packId: version.packId, versionId: version.id };
    await insertFact(tx, { kind: "version.publish-failed", payload });
    return null;
  });
  if (done === null) {
    throw new Fault(
      "conflict",
      `Cannot publish version "${version.version}": files went missing meanwhile. Declare it again to see which`,
    );
  }
  if (done === undefined) return { state: "gone" };
  const { slug, packing, fetching } = done;
  bus.publish("pack.changed", slug);
  if (packing) await mailbox.send(buildSolder.name, packing);
  if (fetching) await mailbox.send(fetchLoader.name, fetching);
  return {
    state: "published",
    version: version.version,
    manifest: `/v1/packs/${slug}/versions/${version.version}/manifest`,
  };
};

/** Launchers that take loaders as files only need its profile. */
async function wantLoader(tx: Db, { version, config }: { version: VersionRow } & Pick<Deps, "config">) {
  const { minecraft, loaderName: name, loaderVersion } = version;
  const key = findLoaderKey({ minecraft, loader: name === null ? null : { name, version: loaderVersion ?? "" } });
  if (!key || findMeta(config, key.name) === undefined) return undefined;
  const [payload] = await claimLoaders(tx, [key]);
  return payload && (await want(tx, fetchLoader, { payload }));
}

type Freeze = { version: VersionRow; pack: LockedPack };

async function freeze(tx: Db, { version, pack }: Freeze): Promise<boolean> {
  const files = await listFiles(tx, version.id);
  const blobIds = [...new Set(files.flatMap(({ blobId }) => blobId ?? []))];
  const locked = await lockBlobs(tx, blobIds);
  if (locked.length !== blobIds.length || (await listMissing(tx, version.id)).length > 0) return false;
  const { channel, minecraft, loaderName, loaderVersion } = version;
  const publishedAt = new Date();
  const settings = {
    java: version.java ?? pack.java,
    memoryMb: version.memoryMb ?? pack.memoryMb,
    serverAddress: version.serverAddress ?? pack.serverAddress,
  };
  const manifest = renderManifest({
    pack: { slug: pack.slug, name: pack.name },
    version: version.version,
    channel,
    publishedAt: publishedAt.toISOString(),
    minecraft,
    loader: loaderName === null ? null : { name: loaderName, version: loaderVersion ?? "" },
    ...settings,
    groups: version.groups,
    files,
    previous: await listPreviousDigests(tx, version.packId),
  });
  const manifestSha256 = new Bun.CryptoHasher("sha256").update(manifest).digest("hex");
  const settled = await settlePublished(tx, {
    id: version.id,
    number: pack.publishedCount + 1,
    publishedAt,
    manifest,
    manifestSha256,
    ...settings,
  });
  if (settled > 0) {
    await notePublished(tx, { id: version.packId, minecraft, loader: loaderName });
    const subject = `${pack.slug} ${version.version}`;
    await insertActivity(tx, { userId: version.createdBy, kind: "published", subject });
    await insertFact(tx, {
      kind: "version.published",
      payload: { packId: version.packId, versionId: version.id },
    });
  }
  return settled > 0;
}
