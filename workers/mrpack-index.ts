import type { VersionRow } from "../db/version.ts";
import type { DigestName, Side, VersionFileRow } from "../db/version-file.ts";
import { Fault } from "../fault.ts";

/** Loaders as mrpack names them; Prism refuses a pack with any other key among its dependencies. */
const loaders: Record<string, string> = {
  fabric: "fabric-loader",
  "fabric-loader": "fabric-loader",
  quilt: "quilt-loader",
  "quilt-loader": "quilt-loader",
  forge: "forge",
  neoforge: "neoforge",
};

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

/** A file whose bytes lie in storage. */
export type StoredFile = VersionFileRow & {
  blobId: string;
  sha256: string;
  sizeBytes: number;
  key: string;
  crc32: number;
};

type Pack = { version: VersionRow; name: string; files: VersionFileRow[]; base: string };

/** How a version becomes an mrpack: its `modrinth.index.json`, and the stored files that travel inside the archive. */
export type Mrpack = { index: string; inside: { path: string; file: StoredFile }[] };

/**
 * Lays out an mrpack, format 1 (support.modrinth.com, article 8802351): listed with addresses below `base` where there is
 * one, inside as overrides where not. The same model gives the same bytes: keys in fixed order, files by their paths, and
 * nothing of the pack that may change after publishing. Throws `conflict` naming what the format has no room for.
 */
export function layOutMrpack({ version, name, files, base }: Pack): Mrpack {
  const inside: Mrpack["inside"] = [];
  const listed: IndexFile[] = [];
  const unfit: string[] = [];
  for (const file of files) {
    if (isStored(file)) {
      if (base === "" || file.sizeBytes > maxListedBytes) inside.push({ path: overridePath(file), file });
      else listed.push(listFile(file, { ...file, url: `${base}/v1/blobs/${file.sha256}` }));
      continue;
    }
    const reference = readReference(file);
    if (reference) listed.push(listFile(file, reference));
    else unfit.push(file.path);
  }
  if (unfit.length > 0)
    throw new Fault(
      "conflict",
      `Cannot pack version "${version.version}": mrpack needs sha1, sha512 and a size below 4 GiB of a reference, and ${unfit.length} have not got them. Publish with mirroring`,
      { errors: unfit.slice(0, 100).map((path) => ({ detail: path })) },
    );
  const index = {
    formatVersion: 1,
    game: "minecraft",
    versionId: version.version,
    name,
    files: listed,
    dependencies: { minecraft: version.minecraft, ...readLoader(version) },
  };
  return { index: `${JSON.stringify(index, null, 2)}\n`, inside };
}

/** Whether the bytes of a file are here. */
export function isStored(file: VersionFileRow): file is StoredFile {
  return (
    file.blobId !== null && file.key !== null && file.crc32 !== null && file.sizeBytes !== null && file.sha256 !== null
  );
}

function readLoader({ version, loaderName, loaderVersion }: VersionRow): Record<string, string> {
  if (loaderName === null) return {};
  const known = Object.hasOwn(loaders, loaderName) ? loaders[loaderName] : undefined;
  if (known === undefined)
    throw new Fault(
      "conflict",
      `Cannot pack version "${version}": mrpack knows the loaders fabric, quilt, forge and neoforge, not ${loaderName}. Take the zip`,
    );
  return { [known]: loaderVersion ?? "" };
}

type Source = { sha1: string | null; sha512: string | null; sizeBytes: number; url: string };

function readReference({ url, digests, sizeBytes }: VersionFileRow): Source | undefined {
  const { sha1, sha512 }: Partial<Record<DigestName, string>> = digests ?? {};
  if (url === null || !sha1 || !sha512 || sizeBytes === null || sizeBytes > maxListedBytes) return undefined;
  return { sha1, sha512, sizeBytes, url: new URL(url).href }; // Modrinth wants an address as its parser writes it
}

function listFile({ path, side, optional }: VersionFileRow, { sha1, sha512, sizeBytes, url }: Source): IndexFile {
  const env = (other: Side): Env => (side === other ? "unsupported" : optional ? "optional" : "required");
  return {
    path,
    hashes: { sha1: sha1 ?? "", sha512: sha512 ?? "" },
    env: { client: env("server"), server: env("client") },
    downloads: [url],
    fileSize: sizeBytes,
  };
}

function overridePath({ path, side }: VersionFileRow): string {
  return `${side === "both" ? "overrides" : `${side}-overrides`}/${path}`;
}
