import type { VersionRow } from "../../db/version.ts";
import { writeGroup } from "../../formats/groups.ts";
import type { Version } from "./model.ts";

/** A version as the API shows it. */
export function describeVersion(slug: string, row: VersionRow): Version {
  const { version, channel, minecraft, loaderName, loaderVersion, changelog, state } = row;
  const { java, memoryMb, serverAddress, groups } = row;
  return {
    pack: slug,
    version,
    channel,
    minecraft,
    loader: loaderName === null ? null : { name: loaderName, version: loaderVersion ?? "" },
    changelog,
    ...(java !== null && { java }),
    ...(memoryMb !== null && { memoryMb }),
    ...(serverAddress !== null && { serverAddress }),
    ...(groups !== null && { groups: groups.map(writeGroup) }),
    state,
    files: row.fileCount,
    ...(row.brokenCount > 0 && { broken: row.brokenCount }),
    sizeBytes: row.sizeBytes,
    createdAt: row.createdAt.toISOString(),
    ...(row.publishAt && { publishAt: row.publishAt.toISOString() }),
    ...(row.publishedAt && { publishedAt: row.publishedAt.toISOString() }),
    ...(row.yankedAt && { yankedAt: row.yankedAt.toISOString() }),
    ...(row.withdrawnReason !== null && { withdrawnReason: row.withdrawnReason }),
    ...(state === "published" && { manifest: `/v1/packs/${slug}/versions/${version}/manifest` }),
  };
}
