import type { Channel, VersionRow } from "../../db/version.ts";
import type { DeclaredFile } from "../../db/version-file.ts";
import { writeGroup } from "../../formats/groups.ts";
import type { ManifestGroup } from "../../formats/manifest.ts";
import type { NewVersion, VersionChange } from "./model.ts";

/** What a draft says, besides its files. */
export type Content = {
  channel: Channel;
  minecraft: string;
  loaderName: string | null;
  loaderVersion: string | null;
  changelog: string;
  java: string | null;
  memoryMb: number | null;
  serverAddress: string | null;
  groups: ManifestGroup[] | null;
};

/** What an author declares. */
export function readContent({ channel, minecraft, changelog = "", ...body }: NewVersion): Content {
  return {
    channel,
    minecraft,
    ...readLoader(body.loader),
    changelog,
    java: body.java ?? null,
    memoryMb: body.memoryMb ?? null,
    serverAddress: body.serverAddress ?? null,
    groups: readGroups(body.groups ?? []),
  };
}

/** What a draft says after a change; what is not given stays. */
export function changeContent(known: VersionRow, change: VersionChange): Content {
  const { channel, minecraft, changelog, java, memoryMb, serverAddress, groups } = change;
  return {
    channel: channel ?? known.channel,
    minecraft: minecraft ?? known.minecraft,
    ...(change.loader === undefined
      ? { loaderName: known.loaderName, loaderVersion: known.loaderVersion }
      : readLoader(change.loader)),
    changelog: changelog ?? known.changelog,
    java: java === undefined ? known.java : java,
    memoryMb: memoryMb === undefined ? known.memoryMb : memoryMb,
    serverAddress: serverAddress === undefined ? known.serverAddress : serverAddress,
    groups: groups === undefined ? known.groups : readGroups(groups),
  };
}

const readLoader = (loader: NewVersion["loader"]) => ({
  loaderName: loader?.name ?? null,
  loaderVersion: loader?.version ?? null,
});

const readGroups = (groups: NonNullable<NewVersion["groups"]>) => (groups.length > 0 ? groups.map(writeGroup) : null);

/**
 * Digest of all that must be equal for "the same version again": everything but the changelog, files in order of their paths.
 * What is not given is not part of it, so that versions of before stay the same.
 */
export function digestContent(content: Content, files: DeclaredFile[]): string {
  const { channel, minecraft, loaderName, loaderVersion, java, memoryMb, serverAddress, groups } = content;
  const more = {
    ...(java !== null && { java }),
    ...(memoryMb !== null && { memoryMb }),
    ...(serverAddress !== null && { serverAddress }),
    ...(groups !== null && { groups: groups.map(writeGroup) }),
  };
  const terms = [channel, minecraft, loaderName, loaderVersion, ...(Object.keys(more).length > 0 ? [more] : [])];
  const lines = files
    .map(({ path, side, optional, preserve, sha256, sizeBytes, url, digests, groupId }) =>
      JSON.stringify([
        path,
        side,
        optional,
        preserve,
        sha256,
        sizeBytes,
        url,
        digests && Object.entries(digests).sort(),
        ...(groupId == null ? [] : [groupId]),
      ]),
    )
    .sort();
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(terms)).update(lines.join("\n")).digest("hex");
}
