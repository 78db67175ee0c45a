import { type FoundFile, type FoundVersion, listMrpacks } from "../../db/modrinth.ts";
import { Fault } from "../../fault.ts";
import { type ModrinthFile, mrpackAddress } from "../../formats/modrinth.ts";
import type { Api } from "../api.ts";
import { goesInside, locateMrpack, renderMrpack } from "../launchers/mrpack.ts";
import type { Caller } from "../tokens.ts";

type Archive = { sha1: string; sha512: string; sizeBytes: number };

/** Tells the mrpack of each of these versions, where its bytes are known. */
export type Mrpacks = (
  caller: Caller | null,
  versions: FoundVersion[],
) => Promise<(version: FoundVersion) => ModrinthFile | undefined>;

const mostRemembered = 2_000;
/** So many are measured, and so many built, for one answer. */
const mostMeasured = 100;
const mostBuilt = 3;
/** One that could not be built in time is waited for again only then. */
const buildAgainMs = 60_000;

/**
 * Finds mrpacks. Those that are made when they are asked for are made to be measured, once. Those with their files inside are
 * known when they are built: the first ones that are not are asked for, and waited for a moment, since clients expect a file.
 */
export function openMrpacks(api: Api): Mrpacks {
  const measured = new Map<string, Archive | null>();
  const triedAt = new Map<string, number>();
  const ask = (caller: Caller | null, { slug, version }: FoundVersion) =>
    ({ caller, link: null, slug, ref: version, side: "both", root: "" }) as const;

  const measure = async (caller: Caller | null, version: FoundVersion): Promise<Archive | null> => {
    const made = await renderMrpack(api, ask(caller, version)).catch((error: unknown) => {
      if (error === goesInside || error instanceof Fault) return null;
      throw error;
    });
    const archive = made && measureBytes(await made.body.bytes());
    remember(measured, version.id, archive);
    return archive;
  };
  const build = async (caller: Caller | null, versions: FoundVersion[]): Promise<boolean> => {
    const now = performance.now();
    const due = versions.filter(({ id }) => now - (triedAt.get(id) ?? Number.NEGATIVE_INFINITY) > buildAgainMs);
    const wanted = due.slice(0, mostBuilt);
    for (const { id } of wanted) remember(triedAt, id, now);
    // What cannot be packed, or not in time, is an answer without it.
    await Promise.allSettled(wanted.map((version) => locateMrpack(api, ask(caller, version))));
    return wanted.length > 0;
  };

  return async (caller, versions) => {
    const publicUrl = api.publicUrl();
    const isMade = (version: FoundVersion) => publicUrl.startsWith("https://") && version.visibility !== "private";
    const found = new Map<string, Archive>();
    let left = mostMeasured;
    for (const version of versions.filter(isMade)) {
      const known = measured.get(version.id);
      const archive = known !== undefined ? known : left-- > 0 ? await measure(caller, version) : null;
      if (archive) found.set(version.id, archive);
    }
    const missing = () => versions.filter(({ id }) => !found.has(id));
    const list = async () => {
      for (const base of ["", publicUrl]) {
        const versionIds = missing()
          .filter((version) => isMade(version) === (base !== ""))
          .map(({ id }) => id);
        const built = versionIds.length > 0 ? await listMrpacks(api.db, { versionIds, base }) : [];
        for (const { versionId, ...archive } of built) found.set(versionId, archive);
      }
    };
    await list();
    if (await build(caller, missing())) await list();
    return (version) => {
      const archive = found.get(version.id);
      const filename = `${version.slug}-${version.version}.mrpack`;
      return archive && { ...archive, url: mrpackAddress(publicUrl, version), filename, primary: true };
    };
  };
}

function remember<Value>(kept: Map<string, Value>, id: string, value: Value): void {
  if (kept.size >= mostRemembered) kept.clear();
  kept.set(id, value);
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
