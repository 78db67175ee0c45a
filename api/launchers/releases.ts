import type { GoodLink } from "../../db/link.ts";
import { findLinkedPack, type PackRow } from "../../db/pack.ts";
import { type Channel, findLatest, findManifest, findVersion, type VersionRow } from "../../db/version.ts";
import type { Deps } from "../../deps.ts";
import { Fault } from "../../fault.ts";
import { type Manifest, parseManifest } from "../../formats/manifest.ts";
import { getPack } from "../packs/service.ts";
import type { Caller } from "../tokens.ts";

/** Who asks for a pack: a caller (or nobody in particular), or whoever has a link to it. */
export type Asker = { caller: Caller | null; link: GoodLink | null };

/** A published version as the formats see it; `sha256` is of the manifest's bytes. */
export type Release = { pack: PackRow; row: VersionRow; manifest: Manifest; sha256: string };

export type Manifests = {
  get: (row: Pick<VersionRow, "id" | "version">) => Promise<{ manifest: Manifest; sha256: string }>;
};

const channels: readonly string[] = ["release", "beta", "alpha"];

export function isChannel(text: string): text is Channel {
  return channels.includes(text);
}

/** Whether everybody gets the same: caches may keep it. */
export const isForAll = ({ pack, link }: { pack: PackRow; link: GoodLink | null }) =>
  link === null && pack.visibility === "public" && pack.role === null;

/** A pack that the asker may see. A link is for its own pack alone. */
export async function getAskedPack({ db }: Pick<Deps, "db">, { caller, link, slug }: Asker & { slug: string }) {
  if (link === null) return getPack({ db }, { slug, caller });
  const pack = link.slug === slug ? await findLinkedPack(db, link.packId) : undefined;
  if (!pack) throw new Fault("not-found", `This link is not for "${slug}"`);
  return pack;
}

type Asked = Asker & {
  slug: string;
  /** A channel (its newest version), a version, or undefined: the newest of `release`, or of the link's channel. */
  ref?: string | undefined;
};

/**
 * A published version that the asker may read. Throws `not-found`, and `gone` when it was withdrawn. A link for one channel
 * shows versions of that channel only.
 */
export async function getRelease(
  { db, manifests }: Pick<Deps, "db"> & { manifests: Manifests },
  { slug, ref, ...asker }: Asked,
): Promise<Release> {
  const pack = await getAskedPack({ db }, { slug, ...asker });
  const wanted = ref === undefined || ref === "latest" ? (asker.link?.channel ?? "release") : ref;
  const row = isChannel(wanted)
    ? await findLatest(db, { packId: pack.id, channel: wanted })
    : await findVersion(db, { packId: pack.id, version: wanted });
  const shown = row?.state === "published" || row?.state === "withdrawn";
  if (!row || !shown || (asker.link?.channel && asker.link.channel !== row.channel))
    throw new Fault(
      "not-found",
      isChannel(wanted)
        ? `"${slug}" has no version in the channel ${wanted}`
        : `There is no version "${wanted}" of "${slug}"`,
    );
  if (row.state === "withdrawn")
    throw new Fault("gone", `Version "${row.version}" of "${slug}" was withdrawn: ${row.withdrawnReason}`);
  return { pack, row, ...(await manifests.get(row)) };
}

/** Remembers parsed manifests, which never change: the least lately used go when their bytes are over `maxBytes` in all. */
export function openManifests({ db, maxBytes = 32 * 1024 ** 2 }: Pick<Deps, "db"> & { maxBytes?: number }): Manifests {
  const kept = new Map<string, { manifest: Manifest; sha256: string; sizeBytes: number }>();
  let keptBytes = 0;
  return {
    get: async (row) => {
      const known = kept.get(row.id);
      if (known) {
        kept.delete(row.id);
        kept.set(row.id, known);
        return known;
      }
      const found = await findManifest(db, row.id);
      if (!found) throw new Fault("gone", `Version "${row.version}" was withdrawn`);
      const entry = {
        manifest: parseManifest(found.manifest),
        sha256: found.sha256,
        sizeBytes: found.manifest.byteLength,
      };
      keptBytes += entry.sizeBytes - (kept.get(row.id)?.sizeBytes ?? 0);
      kept.set(row.id, entry);
      for (const [oldest, { sizeBytes }] of kept) {
        if (keptBytes <= maxBytes) break;
        kept.delete(oldest);
        keptBytes -= sizeBytes;
      }
      return entry;
    },
  };
}
