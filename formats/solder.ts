import { openNames, readJarName, toName, toVersion } from "./file-names.ts";
import { resolveGroups, selectFiles } from "./groups.ts";
import { isStoredHere, type Manifest, type StoredManifestFile } from "./manifest.ts";

/** A zip that a launcher extracts at the root of the pack. Name and version tell it from every other one. */
export type SolderZip = { name: string; version: string; files: { path: string; sha256: string }[] };

/** A zip that has been made. */
export type SolderMod = { name: string; version: string; md5: string; sizeBytes: number };

type Plan = {
  zips: SolderZip[];
  /** Paths of files whose bytes are kept elsewhere: no zip can hold them. */
  missing: string[];
};

/**
 * How a version is cut into zips: one for each jar of mods/, one for what lies in bin/ (the loader), one for all the rest. What
 * is for servers only is left out, and so is what a player takes only where he wants it, as nobody is asked here. A pure
 * function of the manifest: an unchanged jar is the same zip in every version.
 */
export function planSolder(manifest: Manifest): Plan {
  const files = selectFiles(manifest, {
    side: "client",
    groups: resolveGroups(manifest, {}),
    optional: false,
  });
  const stored = files.filter(isStoredHere);
  const isLoader = ({ path }: StoredManifestFile) => path.startsWith("bin/");
  const isMod = ({ path }: StoredManifestFile) => /^mods\/.*\.jar$/i.test(path);
  const name = openNames();
  const zips: SolderZip[] = [];
  const add = (names: string[], said: string, zipped: StoredManifestFile[]) => {
    if (zipped.length === 0) return;
    const taken = name(names);
    const entries = zipped.map(({ path, digests: { sha256 } }) => ({ path, sha256 }));
    zips.push({ name: taken, version: nameVersion(said, { name: taken, entries }), files: entries });
  };
  const { loader, pack } = manifest;
  add([loader?.name ?? "minecraft"], loader?.version ?? manifest.minecraft, stored.filter(isLoader));
  const rest = stored.filter((file) => !isLoader(file) && !isMod(file));
  add([`${pack.slug}-config`], "", rest);
  for (const file of stored.filter(isMod)) {
    const { stem, before, after } = readJarName(file.path);
    add([toName(before), toName(stem)], after, [file]);
  }
  return {
    zips: zips.sort((a, b) => natural.compare(a.name, b.name)),
    missing: files.filter((file) => !isStoredHere(file)).map(({ path }) => path),
  };
}

const natural = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** Half a SHA-256 of what is inside: long enough that nobody makes another zip of the same name and version. */
function nameVersion(said: string, inside: { name: string; entries: SolderZip["files"] }): string {
  const digest = new Bun.CryptoHasher("sha256").update(JSON.stringify(inside)).digest("hex").slice(0, 32);
  const text = toVersion(said);
  return text === "" ? digest : `${text}-${digest}`;
}

/** What follows the address of a mirror: as the launcher would put it together itself. */
export const zipPath = ({ name, version }: { name: string; version: string }) => `mods/${name}/${name}-${version}.zip`;

/** Solder numbers its rows. Ours have ids that are longer: a number of 31 bits that always belongs to the same text. */
export function toNumber(text: string): number {
  return new Bun.CryptoHasher("sha256").update(text).digest().readUInt32BE(0) & 0x7fffffff;
}

/** `sodium-fabric` is Sodium Fabric: what people are shown. */
export function prettyName(name: string): string {
  return name.replace(/(^|-)([a-z0-9])/g, (_all, dash: string, letter: string) =>
    dash === "" ? letter.toUpperCase() : ` ${letter.toUpperCase()}`,
  );
}

type Picture = { url: string; md5: string } | null;
export type SolderPack = {
  id: string;
  slug: string;
  name: string;
  url: string | null;
  icon: Picture;
  logo: Picture;
  background: Picture;
  /** Versions, oldest first. */
  builds: { version: string; channel: string }[];
  /** What is recommended is of this one. */
  channel: string;
};

/**
 * A modpack of Solder 1.1: `name` is the slug. `recommended` is the newest of the pack's channel and `latest` the newest of all,
 * empty where there is none: launchers refuse null.
 */
export function describePack({ id, slug, name, url, icon, logo, background, builds, channel }: SolderPack) {
  return {
    id: toNumber(id),
    name: slug,
    display_name: name,
    url,
    icon: icon?.url ?? null,
    icon_md5: icon?.md5 ?? null,
    logo: logo?.url ?? null,
    logo_md5: logo?.md5 ?? null,
    background: background?.url ?? null,
    background_md5: background?.md5 ?? null,
    recommended: builds.findLast((build) => build.channel === channel)?.version ?? "",
    latest: builds.at(-1)?.version ?? "",
    builds: builds.map(({ version }) => version),
  };
}

type Build = {
  /** Of the version: any text that is always the same. */
  id: string;
  mods: SolderMod[];
  /** What the addresses of the zips begin with: ends with a slash. */
  mirror: string;
  /** Whether more is told of each mod (`?include=mods`). */
  full: boolean;
};

/** A build of Solder 1.1. `memory` is in megabytes, 0 where the author says nothing. */
export function renderBuild(manifest: Manifest, { id, mods, mirror, full }: Build): string {
  return JSON.stringify({
    id: toNumber(id),
    minecraft: manifest.minecraft,
    java: manifest.java ?? null,
    memory: manifest.memoryMb ?? 0,
    forge: null,
    mods: mods.map((mod) => ({
      id: toNumber(mod.name),
      name: mod.name,
      version: mod.version,
      md5: mod.md5,
      filesize: mod.sizeBytes,
      url: `${mirror}${zipPath(mod)}`,
      ...(full && { pretty_name: prettyName(mod.name), author: "", description: "", link: "" }),
    })),
  });
}
