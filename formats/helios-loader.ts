import { type LoaderKey, type LoaderProfile, loaderHosts, loaderLibrary, profileAddress } from "../loader-profile.ts";
import { toName } from "./file-names.ts";
import { findLoaderKey, plainLoader } from "./loaders.ts";
import { isStoredHere, type Manifest, type ManifestFile } from "./manifest.ts";

export type Artifact = { size: number; MD5?: string; path?: string; url: string };
export type Module = {
  id: string;
  name: string;
  type: "Library" | "ForgeHosted" | "Fabric" | "FabricMod" | "ForgeMod" | "File" | "VersionManifest";
  /** The player switches it on and off; `def` is how it begins. */
  required?: { value: false; def: boolean };
  artifact: Artifact;
  subModules?: Module[];
};

/** What the makers of a loader tell of it: its profile and where we give its bytes, or that there is no such loader. */
export type KnownLoader = { profile: LoaderProfile; artifact: Required<Omit<Artifact, "path">> } | "missing";

/** The loaders that Helios starts: where their main library lies, and what their mods are called. */
const loaders = {
  fabric: { type: "Fabric", mod: "FabricMod", library: /^net\/fabricmc\/fabric-loader\// },
  // The launcher hands mods over as Fabric reads them. Quilt finds its own in the folder `mods`.
  quilt: { type: "Fabric", mod: undefined, library: /^org\/quiltmc\/quilt-loader\// },
  forge: { type: "ForgeHosted", mod: "ForgeMod", library: /^net\/minecraftforge\/forge\// },
} as const;

const isKnown = (name: string): name is keyof typeof loaders => Object.hasOwn(loaders, name);

/** The loader of a server; `mod` is what its mods are called, `files` are those of the pack that it is made of. */
type Described = { module: Module; mod: "FabricMod" | "ForgeMod" | undefined; files: ReadonlySet<ManifestFile> };
type Given = { files: readonly ManifestFile[]; blobs: string; known: KnownLoader | undefined };

/**
 * The one loader module of a version, with its libraries and its version manifest beneath it, or why there is none. Made of the
 * pack's files when it holds the loader: `libraries/` and `versions/<id>/<id>.json`, laid out as in `.minecraft`.
 */
export function describeLoader(
  manifest: Pick<Manifest, "loader" | "minecraft">,
  { files, blobs, known }: Given,
): Described | { reason: string } {
  const loader = plainLoader(manifest.loader?.name ?? "none");
  if (!manifest.loader || !isKnown(loader))
    return { reason: `it knows the loaders fabric, quilt and forge, not ${loader}` };
  const { type, mod, library } = loaders[loader];
  const name = `${loader} ${manifest.loader.version}`;
  const libraries = files.filter(({ path }) => path.startsWith("libraries/"));
  const jars = libraries.map((file) => ({ file, path: file.path.slice("libraries/".length) }));
  if (loader !== "forge" && !jars.some(({ path }) => library.test(path) && path.endsWith(".jar"))) {
    const key = findLoaderKey(manifest);
    if (!key) return { reason: `it cannot read the version of ${name}` };
    if (known === "missing")
      return { reason: `it needs the loader, and ${name} for Minecraft ${key.minecraft} is unknown to its makers` };
    return { module: known ? describeKnown(key, known) : describeUnknown(key), mod, files: new Set() };
  }
  const versions = files.filter(({ path }) => /^versions\/([^/]+)\/\1\.json$/.test(path));
  const described = describeFiles({ type, library, name, minecraft: manifest.minecraft }, { jars, versions, blobs });
  return "reason" in described ? described : { ...described, mod, files: new Set([...libraries, ...versions]) };
}

/** A loader out of its makers' repository. MD5s are those that they tell; without one the launcher looks only whether it is there. */
function describeKnown(key: LoaderKey, { profile, artifact }: Exclude<KnownLoader, "missing">): Module {
  const name = `${key.name} ${key.version}`;
  const described = profile.libraries.map((library): Module => {
    const { path, url } = locate(library.name, library.url);
    return {
      id: library.name,
      name: path.slice(path.lastIndexOf("/") + 1),
      type: "Library",
      artifact: { size: library.size ?? 0, ...(library.md5 && { MD5: library.md5.toLowerCase() }), url },
    };
  });
  const [main, others] = [loaderLibrary(key), described.filter(({ id }) => id !== loaderLibrary(key))];
  const versionManifest: Module = { id: profile.id, name: `${name} (version.json)`, type: "VersionManifest", artifact };
  const own = described.find(({ id }) => id === main)?.artifact;
  return {
    id: main,
    name,
    type: "Fabric",
    artifact: own ?? unknownArtifact(key),
    subModules: [versionManifest, ...others],
  };
}

/** A loader whose profile we do not have: what it is, and where its makers tell the rest. */
function describeUnknown(key: LoaderKey): Module {
  const { meta } = loaderHosts[key.name];
  const name = `${key.name} ${key.version}`;
  const versionManifest: Module = {
    id: `${key.name}-loader-${key.version}-${key.minecraft}`,
    name: `${name} (version.json)`,
    type: "VersionManifest",
    artifact: { size: 0, url: profileAddress(meta, key) },
  };
  return {
    id: loaderLibrary(key),
    name,
    type: "Fabric",
    artifact: unknownArtifact(key),
    subModules: [versionManifest],
  };
}

const unknownArtifact = (key: LoaderKey): Artifact => ({
  size: 0,
  url: locate(loaderLibrary(key), loaderHosts[key.name].maven).url,
});

/** Where a Maven coordinate lies in a repository. */
function locate(coordinate: string, repository: string): { path: string; url: string } {
  const [group = "", artifact = "", version = "", ...classifier] = coordinate.split(":");
  const file = `${[artifact, version, ...classifier].join("-")}.jar`;
  const path = `${group.replaceAll(".", "/")}/${artifact}/${version}/${file}`;
  return { path, url: `${repository.replace(/\/+$/, "")}/${path}` };
}

/** A file of the pack as the launcher downloads it. */
export function toArtifact(file: ManifestFile, { blobs }: { blobs: string }): Artifact & { MD5: string } {
  const url = isStoredHere(file) ? `${blobs}/${file.digests.sha256}` : file.url;
  return { size: file.size ?? 0, MD5: (file.digests.md5 ?? "").toLowerCase(), url };
}

type Loader = { type: "Fabric" | "ForgeHosted"; library: RegExp; name: string; minecraft: string };
type Jar = { file: ManifestFile; path: string };
type LoaderFiles = { jars: Jar[]; versions: ManifestFile[]; blobs: string };

/** A loader that lies in the pack. */
function describeFiles(
  { type, library, name, minecraft }: Loader,
  { jars, versions, blobs }: LoaderFiles,
): { module: Module } | { reason: string } {
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
  const describeLibrary = ({ file, path }: Jar) => ({
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
