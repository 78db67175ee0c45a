import { Fault } from "../fault.ts";
import { isForSide, openDefault } from "./default-files.ts";
import { plainLoader } from "./loaders.ts";
import { isStoredHere, type Manifest, type ManifestFile, type Side, type StoredManifestFile } from "./manifest.ts";

/** Loaders as mrpack names them; Prism refuses a pack with any other key among its dependencies. */
const loaders: ReadonlyMap<string, string> = new Map([
  ["fabric", "fabric-loader"],
  ["quilt", "quilt-loader"],
  ["forge", "forge"],
  ["neoforge", "neoforge"],
]);

/** `fileSize` is a uint32 in Modrinth's own readers. */
const maxListedBytes = 2 ** 32 - 1;

type Env = "required" | "optional" | "unsupported";
type IndexFile = {
  path: string;
  hashes: { sha1: string; sha512: string };
  env: { client: Env; server: Env };
  downloads: string[];
  fileSize: number;
};

/** How a version becomes an mrpack: its `modrinth.index.json`, and the stored files that travel inside the archive. */
export type Mrpack = { index: string; inside: { path: string; file: StoredManifestFile }[] };

type Options = {
  /** Address that bytes are beneath, by their digests; empty: stored files travel inside. */
  blobs: string;
  /** For whom: the other side's files are left out. */
  side?: Side;
};

/**
 * Lays out an mrpack, format 1 (support.modrinth.com, article 8802351): stored files are listed with addresses beneath
 * `blobs` where there is one, inside as overrides where not. The same model gives the same bytes: keys in fixed order, files
 * by their paths. Throws `conflict` naming what the format has no room for.
 */
export function layOutMrpack(manifest: Manifest, { blobs, side = "both" }: Options): Mrpack {
  const inside: Mrpack["inside"] = [];
  const listed: IndexFile[] = [];
  const unfit: string[] = [];
  // What travels inside is installed for everybody; what is listed may be optional.
  const isTaken = openDefault(manifest.groups ?? [], side);
  for (const file of manifest.files.filter((file) => isForSide(file, side))) {
    if (isStoredHere(file)) {
      const travels = blobs === "" || file.size > maxListedBytes;
      if (travels && isTaken(file)) inside.push({ path: overridePath(file), file });
      if (!travels)
        listed.push(listFile(file, { ...file.digests, size: file.size, url: `${blobs}/${file.digests.sha256}` }));
      continue;
    }
    const reference = readReference(file);
    if (reference) listed.push(listFile(file, reference));
    else unfit.push(file.path);
  }
  const { version, pack, minecraft } = manifest;
  if (unfit.length > 0)
    throw new Fault(
      "conflict",
      `Cannot pack version "${version}": mrpack needs sha1, sha512 and a size below 4 GiB of a reference, and ${unfit.length} have not got them. Publish with mirroring`,
      { errors: unfit.slice(0, 100).map((path) => ({ detail: path })) },
    );
  const index = {
    formatVersion: 1,
    game: "minecraft",
    versionId: version,
    name: pack.name || version,
    files: listed,
    dependencies: { minecraft, ...readLoader(manifest) },
  };
  return { index: `${JSON.stringify(index, null, 2)}\n`, inside };
}

function readLoader({ version, loader }: Manifest): Record<string, string> {
  if (loader === null) return {};
  const known = loaders.get(plainLoader(loader.name));
  if (known === undefined)
    throw new Fault(
      "conflict",
      `Cannot pack version "${version}": mrpack knows the loaders fabric, quilt, forge and neoforge, not ${loader.name}. Take the zip`,
    );
  return { [known]: loader.version };
}

type Source = { sha1: string; sha512: string; size: number; url: string };

function readReference({ url, digests: { sha1, sha512 }, size }: ManifestFile): Source | undefined {
  if (!sha1 || !sha512 || size === null || size > maxListedBytes) return undefined;
  return { sha1, sha512, size, url: new URL(url).href }; // Modrinth wants an address as its parser writes it
}

function listFile({ path, side, optional }: ManifestFile, { sha1, sha512, size, url }: Source): IndexFile {
  const env = (other: Side): Env => (side === other ? "unsupported" : optional ? "optional" : "required");
  return {
    path,
    hashes: { sha1, sha512 },
    env: { client: env("server"), server: env("client") },
    downloads: [url],
    fileSize: size,
  };
}

function overridePath({ path, side }: ManifestFile): string {
  return `${side === "both" ? "overrides" : `${side}-overrides`}/${path}`;
}
