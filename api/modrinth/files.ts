import { type FoundFile, type FoundVersion, listMrpacks } from "../../db/modrinth.ts";
import { Fault } from "../../fault.ts";
import { type ModrinthFile, mrpackAddress } from "../../formats/modrinth.ts";
import type { Api } from "../api.ts";
import { goesInside, renderMrpack } from "../launchers/mrpack.ts";
import type { Caller } from "../tokens.ts";

type Archive = { sha1: string; sha512: string; sizeBytes: number };

/** Tells the mrpack of each of these versions, where its bytes are known. */
export type Mrpacks = (
  caller: Caller | null,
  versions: FoundVersion[],
) => Promise<(version: FoundVersion) => ModrinthFile | undefined>;

const mostRemembered = 2_000;

/**
 * Finds mrpacks: those that are made when they are asked for are made to be measured, once; those with their files inside are
 * known once somebody has had them built.
 */
export function openMrpacks(api: Api): Mrpacks {
  const measured = new Map<string, Archive | null>();
  const measure = async (caller: Caller | null, { id, slug, version }: FoundVersion): Promise<Archive | null> => {
    const known = measured.get(id);
    if (known !== undefined) return known;
    const asked = { caller, link: null, slug, ref: version, side: "both", root: "" } as const;
    const made = await renderMrpack(api, asked).catch((error: unknown) => {
      if (error === goesInside || error instanceof Fault) return null;
      throw error;
    });
    const archive = made && measureBytes(await made.body.bytes());
    if (measured.size >= mostRemembered) measured.clear();
    measured.set(id, archive);
    return archive;
  };
  return async (caller, versions) => {
    const publicUrl = api.publicUrl();
    const found = new Map<string, Archive>();
    const unmade: { base: string; id: string }[] = [];
    for (const version of versions) {
      const listed = publicUrl.startsWith("https://") && version.visibility !== "private";
      const archive = listed ? await measure(caller, version) : null;
      if (archive) found.set(version.id, archive);
      else unmade.push({ base: listed ? publicUrl : "", id: version.id });
    }
    for (const [base, group] of Map.groupBy(unmade, ({ base }) => base)) {
      const built = await listMrpacks(api.db, { versionIds: group.map(({ id }) => id), base });
      for (const { versionId, ...archive } of built) found.set(versionId, archive);
    }
    return (version) => {
      const archive = found.get(version.id);
      const filename = `${version.slug}-${version.version}.mrpack`;
      return archive && { ...archive, url: mrpackAddress(publicUrl, version), filename, primary: true };
    };
  };
}

function measureBytes(bytes: Uint8Array): Archive {
  const hash = (algorithm: "sha1" | "sha512") => new Bun.CryptoHasher(algorithm).update(bytes).digest("hex");
  return { sha1: hash("sha1"), sha512: hash("sha512"), sizeBytes: bytes.byteLength };
}

/** A file of a version by which it was found, or its mrpack (undefined: that is told anyway). */
export function describeFoundFile(
  { path, sha1, sha512, sha256, sizeBytes, url }: FoundFile,
  publicUrl: string,
): ModrinthFile | undefined {
  if (path === null) return undefined;
  const address = sha256 === null ? url : `${publicUrl}/v1/blobs/${sha256}`;
  const filename = path.slice(path.lastIndexOf("/") + 1);
  return address === null ? undefined : { url: address, filename, sha1, sha512, sizeBytes, primary: false };
}
