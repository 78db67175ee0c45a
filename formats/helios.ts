import { openNames, readJarName, toName, toVersion } from "./file-names.ts";
import { resolveGroups, selectFiles } from "./groups.ts";
import { describeLoader, type KnownLoader, type Module, toArtifact } from "./helios-loader.ts";
import { isStoredHere, type Manifest, type ManifestFile } from "./manifest.ts";

export type HeliosServer = {
  id: string;
  name: string;
  description: string;
  icon: string;
  version: string;
  address: string;
  minecraftVersion: string;
  autoconnect: boolean;
  javaOptions?: { supported?: string; suggestedMajor?: number; ram?: { recommended: number } };
  modules: Module[];
};

type Page = {
  name: string;
  summary: string;
  /** Its address, or empty. */
  icon: string;
  /** What the addresses of stored files begin with, without a slash at the end. */
  blobs: string;
  /** What its makers tell of the loader; undefined as long as they have not told. */
  loader?: KnownLoader | undefined;
};

/**
 * A version as a server of a Helios distribution (docs/distro.md of HeliosLauncher), or why it cannot be one. The launcher
 * takes a loader only as files: those of the pack, or for Fabric and Quilt those that its makers name. One wrong server spoils a
 * whole distribution, so what the launcher would fail at is refused here.
 */
export function describeServer(manifest: Manifest, page: Page): { server: HeliosServer } | { reason: string } {
  const { pack, version, minecraft, serverAddress = "" } = manifest;
  if (!/^\d+\.\d+(\.\d+)?$/.test(minecraft)) return { reason: `it cannot read the version ${minecraft} of Minecraft` };
  const all = selectFiles(manifest, { side: "client", groups: allGroups(manifest), optional: true });
  const unfit = all.filter((file) => file.digests.md5 === null || file.size === null || !hasAddress(file));
  if (unfit[0])
    return {
      reason: `it needs MD5, size and http address of each file: ${unfit[0].path} lacks one. Publish with --mirror`,
    };
  const loaderModule = describeLoader(manifest, { files: all, blobs: page.blobs, known: page.loader });
  if ("reason" in loaderModule) return loaderModule;
  const { mod } = loaderModule;
  const inMods = ({ path }: ManifestFile) => /^mods\/[^/]+\.jar$/i.test(path);
  const taken = new Set(
    selectFiles(manifest, { side: "client", groups: resolveGroups(manifest, {}), optional: false }),
  );
  const required = new Set(manifest.groups?.filter((group) => group.required).map(({ id }) => id));
  const name = openNames();
  const modules = all.flatMap((file): Module[] => {
    if (loaderModule.files.has(file)) return [];
    if (mod && inMods(file)) {
      const fixed = file.group === undefined ? !file.optional : required.has(file.group);
      const choice = fixed ? {} : { required: { value: false as const, def: taken.has(file) } };
      return [
        {
          ...describeMod(file, { group: `sunduk.${pack.slug}`, name }),
          type: mod,
          ...choice,
          artifact: toArtifact(file, page),
        },
      ];
    }
    // Nobody is asked about other files: the launcher installs them all.
    if (!taken.has(file)) return [];
    const { path } = file;
    const { MD5, ...artifact } = toArtifact(file, page);
    // A file without an MD5 is installed where there is none, and then left to the player.
    return [{ id: path, name: path, type: "File", artifact: { ...artifact, ...(!file.preserve && { MD5 }), path } }];
  });
  const address = /^[^\s:]+(:\d{1,5})?$/.test(serverAddress) ? serverAddress : "";
  return {
    server: {
      id: pack.slug,
      name: page.name,
      description: page.summary,
      icon: page.icon,
      version,
      address,
      minecraftVersion: minecraft,
      autoconnect: address !== "",
      ...describeJava(manifest),
      modules: [loaderModule.module, ...modules],
    },
  };
}

/**
 * A distribution of servers that are JSON already, so that who has many of them keeps the texts. The first one is what a new
 * player sees.
 */
export function renderDistribution(servers: readonly string[]): string {
  const listed = servers.map((server, index) => `${server.slice(0, -1)},"mainServer":${index === 0}}`);
  return `{"version":"1.0.0","rss":"","servers":[${listed.join(",")}]}`;
}

const allGroups = ({ groups = [] }: Manifest) => new Set(groups.map(({ id }) => id));

const hasAddress = (file: ManifestFile) => isStoredHere(file) || /^https?:\/\//.test(file.url);

/**
 * Mods lie in a store that all servers of a launcher share, at a path made of their coordinate, and choices are remembered by
 * it without its version: so it names the pack, and its version ends with digits of the MD5.
 */
function describeMod(
  { path, digests }: ManifestFile,
  { group, name }: { group: string; name: (wishes: string[]) => string },
): Pick<Module, "id" | "name"> {
  const { stem, before, after } = readJarName(path);
  const version = [toVersion(after), digests.md5?.slice(0, 12)].filter((part) => part !== "").join("-");
  return { id: `${group}:${name([toName(before), toName(stem)])}:${version}@jar`, name: stem };
}

function describeJava({ java, memoryMb }: Manifest): Pick<HeliosServer, "javaOptions"> {
  const major = Number(/^(?:1\.)?(\d+)/.exec(java ?? "")?.[1] ?? 0);
  const options = {
    ...(major > 0 && { supported: major <= 8 ? `${major}.x` : `>=${major}.x`, suggestedMajor: major }),
    // In steps of 512.
    ...(memoryMb !== undefined && { ram: { recommended: Math.ceil(memoryMb / 512) * 512 } }),
  };
  return Object.keys(options).length === 0 ? {} : { javaOptions: options };
}
