import { openNames, readJarName, toName, toVersion } from "./file-names.ts";
import { resolveGroups, selectFiles } from "./groups.ts";
import { isStoredHere, type Manifest, type ManifestFile } from "./manifest.ts";

type Artifact = { size: number; MD5?: string; path?: string; url: string };
type Module = {
  id: string;
  name: string;
  type: "Library" | "ForgeHosted" | "Fabric" | "FabricMod" | "ForgeMod" | "File" | "VersionManifest";
  /** The player switches it on and off; `def` is how it begins. */
  required?: { value: false; def: boolean };
  artifact: Artifact;
  subModules?: Module[];
};

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
};

/** The loaders that Helios knows: where their main library lies, and what their mods are called. */
const loaders = {
  fabric: { type: "Fabric", mod: "FabricMod", library: /^net\/fabricmc\/fabric-loader\// },
  forge: { type: "ForgeHosted", mod: "ForgeMod", library: /^net\/minecraftforge\/forge\// },
} as const;

/**
 * A version as a server of a Helios distribution (docs/distro.md of HeliosLauncher), or why it cannot be one. The launcher
 * takes a loader only as files: the pack has to hold its libraries below `libraries/` and its `versions/<id>/<id>.json`, laid out
 * as in `.minecraft`. One wrong server spoils a whole distribution, so what the launcher would fail at is refused here.
 */
export function describeServer(manifest: Manifest, page: Page): { server: HeliosServer } | { reason: string } {
  const { pack, version, minecraft, loader, serverAddress = "" } = manifest;
  const known = loader && Object.hasOwn(loaders, loader.name) && (loader.name === "fabric" || loader.name === "forge");
  if (!known || !loader) return { reason: `it knows the loaders fabric and forge, not ${loader?.name ?? "none"}` };
  if (!/^\d+\.\d+(\.\d+)?$/.test(minecraft)) return { reason: `it cannot read the version ${minecraft} of Minecraft` };
  const all = selectFiles(manifest, { side: "client", groups: allGroups(manifest), optional: true });
  const unfit = all.filter((file) => file.digests.md5 === null || file.size === null || !hasAddress(file));
  if (unfit[0])
    return {
      reason: `it needs MD5, size and http address of each file: ${unfit[0].path} lacks one. Publish with --mirror`,
    };
  const { type, mod, library } = loaders[loader.name === "fabric" ? "fabric" : "forge"];
  const isLibrary = ({ path }: ManifestFile) => path.startsWith("libraries/");
  const isVersion = ({ path }: ManifestFile) => /^versions\/([^/]+)\/\1\.json$/.test(path);
  const inMods = ({ path }: ManifestFile) => /^mods\/[^/]+\.jar$/i.test(path);
  const loaderModule = describeLoader(
    { type, library, name: `${loader.name} ${loader.version}`, minecraft },
    { libraries: all.filter(isLibrary), versions: all.filter(isVersion), blobs: page.blobs },
  );
  if ("reason" in loaderModule) return loaderModule;
  const taken = new Set(
    selectFiles(manifest, { side: "client", groups: resolveGroups(manifest, {}), optional: false }),
  );
  const required = new Set(manifest.groups?.filter((group) => group.required).map(({ id }) => id));
  const name = openNames();
  const modules = all.flatMap((file): Module[] => {
    if (isLibrary(file) || isVersion(file)) return [];
    if (inMods(file)) {
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

function toArtifact(file: ManifestFile, { blobs }: Pick<Page, "blobs">): Artifact & { MD5: string } {
  const url = isStoredHere(file) ? `${blobs}/${file.digests.sha256}` : file.url;
  return { size: file.size ?? 0, MD5: (file.digests.md5 ?? "").toLowerCase(), url };
}

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

type Loader = { type: "Fabric" | "ForgeHosted"; library: RegExp; name: string; minecraft: string };
type LoaderFiles = { libraries: ManifestFile[]; versions: ManifestFile[]; blobs: string };

/** The one loader module, with its libraries and its version manifest beneath it. */
function describeLoader(
  { type, library, name, minecraft }: Loader,
  { libraries, versions, blobs }: LoaderFiles,
): { module: Module } | { reason: string } {
  const jars = libraries.map((file) => ({ file, path: file.path.slice("libraries/".length) }));
  const candidates = jars.filter(({ path }) => library.test(path) && path.endsWith(".jar"));
  const main = candidates.find(({ path }) => path.endsWith("-universal.jar")) ?? candidates[0];
  if (!main) return { reason: `it needs the loader as files: there is no jar of ${name} below libraries/` };
  if (versions.length > 1) return { reason: "it takes one version manifest, and there are several below versions/" };
  const [version] = versions;
  const mainVersion = main.path.split("/").at(-2) ?? "";
  if (type === "ForgeHosted" && isOld(minecraft) && !mainVersion.includes("-"))
    return { reason: `it cannot read the version of Forge from ${main.path}: <minecraft>-<forge> is what it knows` };
  if (!version && (type === "Fabric" || !holdsManifest(minecraft, mainVersion)))
    return { reason: `it needs the version manifest of ${name}: there is no versions/<id>/<id>.json` };
  const describeLibrary = ({ file, path }: { file: ManifestFile; path: string }) => ({
    id: toCoordinate(path),
    name: path.slice(path.lastIndexOf("/") + 1),
    artifact: { ...toArtifact(file, { blobs }), path },
  });
  const manifests: Module[] = version
    ? [
        {
          id: version.path.split("/")[1] ?? "",
          name: `${name} (version.json)`,
          type: "VersionManifest",
          artifact: toArtifact(version, { blobs }),
        },
      ]
    : [];
  const others = jars.filter((jar) => jar !== main);
  const subModules = [...manifests, ...others.map((jar): Module => ({ ...describeLibrary(jar), type: "Library" }))];
  return { module: { ...describeLibrary(main), name, type, subModules } };
}

const isOld = (minecraft: string) => /^1\.([0-9]|1[0-2])(\.|$)/.test(minecraft);

/** The last build of Forge whose own jar holds its version manifest (isForgeGradle3 of helios-core). */
const lastWhole = [14, 23, 5, 2847];

function holdsManifest(minecraft: string, version: string): boolean {
  const build = version.split("-")[1]?.split(".").map(Number) ?? [];
  const step = lastWhole.map((last, index) => (build[index] ?? last) - last).find((difference) => difference !== 0);
  return isOld(minecraft) && (step ?? 0) <= 0;
}

/** The Maven coordinate of a path in a repository: `group/artifact/version/artifact-version[-classifier].extension`. */
function toCoordinate(path: string): string {
  const parts = path.split("/");
  const [artifact = "", version = "", file = ""] = parts.slice(-3);
  const group = parts.slice(0, -3).join(".");
  const start = `${artifact}-${version}`;
  const [, classifier = "", extension = ""] = file.startsWith(start)
    ? (/^(-[^.]+)?\.([A-Za-z0-9.]+)$/.exec(file.slice(start.length)) ?? [])
    : [];
  if (group === "" || extension === "" || /[:@]/.test(path)) return `sunduk.library:${toName(path)}:0@jar`;
  return `${group}:${artifact}:${version}${classifier.replace("-", ":")}@${extension}`;
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
