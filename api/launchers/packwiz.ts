import { listChangedPaths } from "../../db/release-file.ts";
import { listVersions } from "../../db/version.ts";
import { Fault } from "../../fault.ts";
import type { Manifest, ManifestFile } from "../../formats/manifest.ts";
import { type Packwiz, renderPackwiz } from "../../formats/packwiz.ts";
import type { Api } from "../api.ts";
import { type Asker, getRelease, isChannel, type Release } from "./releases.ts";

type Parts = Pick<Api, "db" | "manifests">;
type Asked = Asker & {
  slug: string;
  /** A channel, a version, or undefined: the newest. */
  ref?: string | undefined;
  /** Address of what is served of the pack. */
  root: string;
};
type Found = { release: Release; rendered: Packwiz };

export type PackwizReader = {
  /** A version as packwiz reads it beneath an address: of a head, or pinned to a version. */
  read: (asked: Asked) => Promise<Found>;
  /** The same as a head shows it, whatever is the newest: who has begun with it goes on. */
  readIndexed: (asked: Asked & { ref: string }) => Promise<Found>;
  /** What a head's or a version's address means with that path: the text of a metafile, or a file. */
  find: (asked: Asked & { path: string }) => Promise<{ release: Release; metafile: string } | { file: ManifestFile }>;
};

/** So long somebody may still be installing the version that was newest before. */
const installMs = 10 * 60_000;
/** Of one version, for several share links. */
const mostRendered = 4;
/** So far back is looked for the version that was newest before. */
const lookedBack = 20;

/** Renders versions for packwiz, each once while its manifest is remembered. */
export function openPackwiz(parts: Parts): PackwizReader {
  const changes = new WeakMap<Manifest, Promise<Set<string>>>();
  const kept = new WeakMap<Manifest, Map<string, Packwiz>>();
  const findChanged = ({ manifest, row }: Release) => {
    const known = changes.get(manifest) ?? listChangedPaths(parts.db, { ...row, number: row.number ?? 0 });
    changes.set(manifest, known);
    known.catch(() => changes.delete(manifest));
    return known;
  };
  const render = async (release: Release, { root, pinned }: { root: string; pinned: boolean }): Promise<Found> => {
    const { manifest } = release;
    const versions = kept.get(manifest) ?? new Map<string, Packwiz>();
    kept.set(manifest, versions);
    const key = `${pinned} ${root}`;
    const changed = pinned ? new Set<string>() : await findChanged(release);
    const indexName = pinned ? "index.toml" : `index-${manifest.version}.toml`;
    const rendered = versions.get(key) ?? renderPackwiz(manifest, { root, indexName, changed });
    versions.set(key, rendered);
    for (const oldest of versions.keys()) {
      if (versions.size <= mostRendered) break;
      versions.delete(oldest);
    }
    return { release, rendered };
  };
  /** The version of that channel that was published last, or last before this one. */
  const findPrevious = async ({ pack, row, manifest }: Release, root: string): Promise<Found | undefined> => {
    const rows = await listVersions(parts.db, { packId: row.packId, before: null, limit: lookedBack });
    const before = rows.find(({ id, channel }) => channel === manifest.channel && id !== row.id);
    return before && render({ pack, row: before, ...(await parts.manifests.get(before)) }, { root, pinned: false });
  };
  return {
    read: async ({ root, ...asked }) => render(await getRelease(parts, asked), { root, pinned: !isHead(asked.ref) }),
    readIndexed: async ({ root, ...asked }) => render(await getRelease(parts, asked), { root, pinned: false }),
    find: async ({ root, path, ...asked }) => {
      const pinned = !isHead(asked.ref);
      const { release, rendered } = await render(await getRelease(parts, asked), { root, pinned });
      const now = look({ release, rendered }, path);
      if (now && ("metafile" in now || rendered.raw.has(path) || pinned)) return now;
      const previous = pinned ? undefined : await findPrevious(release, root);
      const earlier = previous && look(previous, path);
      const isYoung = Date.now() - (release.row.publishedAt?.getTime() ?? 0) < installMs;
      const stillAsked = earlier && ("metafile" in earlier || !now || (isYoung && previous.rendered.raw.has(path)));
      const answer = stillAsked ? earlier : now;
      if (!answer) throw new Fault("not-found", `There is no file "${path}" in version "${release.row.version}"`);
      return answer;
    },
  };
}

/** Whether an address without a version in it is meant, which says something else after the next publishing. */
export const isHead = (ref: string | undefined) => ref === undefined || ref === "latest" || isChannel(ref);

function look({ release, rendered }: Found, path: string) {
  const metafile = rendered.metafiles.get(path);
  if (metafile !== undefined) return { release, metafile };
  const file = release.manifest.files.find((known) => known.path === path);
  return file && { file };
}
