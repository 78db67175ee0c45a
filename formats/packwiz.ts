import { resolveGroups } from "./groups.ts";
import { plainLoader } from "./loaders.ts";
import {
  isStoredHere,
  type Manifest,
  type ManifestFile,
  type ManifestGroup,
  type StoredManifestFile,
} from "./manifest.ts";

type Options = {
  /** Address of what is served of the pack: `https://host/p/my-pack` or `https://host/p/t/TOKEN/my-pack`. */
  root: string;
  /** Name of the index, beside pack.toml. */
  indexName: string;
  /** Paths that held other bytes in an earlier version of the channel. Empty where the version is part of the address. */
  changed: ReadonlySet<string>;
};

/** A version as packwiz reads it; `metafiles` by their names, `raw` are the paths that the index lists themselves. */
export type Packwiz = { pack: string; index: string; metafiles: Map<string, string>; raw: Set<string> };

/** Names at the root that mean something else in our addresses (a version, perhaps), and what clients that join addresses as text get wrong. */
const clashing =
  /^(pack\.toml|index(-.*)?\.toml|manifest|files\.json|icon|bundle|[^/]*\.mrpack)$|^(blobs|hmcl|helios|solder|latest|release|beta|alpha|[vV]?\d[^/]*)\/|\.pw\.toml$|^ |[#%]/;

/**
 * Renders a version in the packwiz format 1.1.0 (packwiz.infra.link, "pack format"). packwiz-installer takes the path of an
 * entry, relative to pack.toml, for its destination and for its identity: what changes names is removed and fetched again.
 * So the index lies beside pack.toml, and a name says no version. Files for everybody are entries by their paths; the others
 * are metafiles, named by what they say, so that a new version beside it takes none from whoever is still installing; so are
 * files whose path has held other bytes. The same model gives the same bytes.
 */
export function renderPackwiz(manifest: Manifest, { root, indexName, changed }: Options): Packwiz {
  const metafiles = new Map<string, string>();
  const raw = new Set<string>();
  const groups = new Map((manifest.groups ?? []).map((group) => [group.id, group]));
  const taken = resolveGroups(manifest, {});
  const entries = manifest.files.map((file) => {
    if (isRaw(file, changed)) {
      raw.add(file.path);
      return table("[[files]]", {
        file: file.path,
        hash: file.digests.sha256,
        ...(file.preserve && { preserve: true }),
      });
    }
    const group = groups.get(file.group ?? "");
    const said = describeFile(file, { group, isTaken: group !== undefined && taken.has(group.id) });
    const name = nameMetafile(file, said);
    const text = writeMetafile(said, address(file, root), clashing.test(file.path) ? file.path : baseName(file.path));
    metafiles.set(name, text);
    return table("[[files]]", {
      file: name,
      hash: sha256(text),
      metafile: true,
      ...(file.preserve && { preserve: true }),
    });
  });
  const index = ['hash-format = "sha256"\n', ...entries].join("\n");
  const { pack, version, minecraft, loader } = manifest;
  const parts = [
    table("", { name: pack.name || pack.slug, version, "pack-format": "packwiz:1.1.0" }),
    table("[index]", { file: indexName, "hash-format": "sha256", hash: sha256(index) }),
    table("[versions]", { minecraft, ...(loader && { [plainLoader(loader.name)]: loader.version }) }),
  ];
  return { pack: parts.join("\n"), index, metafiles, raw };
}

function isRaw(file: ManifestFile, changed: ReadonlySet<string>): file is StoredManifestFile {
  if (!isStoredHere(file) || file.side !== "both" || file.optional || clashing.test(file.path)) return false;
  // What is installed once keeps its name, or the installer would remove what the player has made of it.
  return file.preserve || !changed.has(file.path);
}

/** What a metafile says, but for addresses. */
type Said = { name: string; side: string; format: string; hash: string; option?: Record<string, string | boolean> };

type Choice = { group: ManifestGroup | undefined; isTaken: boolean };

function describeFile(file: ManifestFile, { group, isTaken }: Choice): Said {
  const { sha512, sha256, sha1, md5, murmur2 } = file.digests;
  const best = [
    ["sha512", sha512],
    ["sha256", sha256],
    ["sha1", sha1],
    ["md5", md5],
    ["murmur2", murmur2?.toString()],
  ].find(([, digest]) => digest);
  const about = group && (group.description ? `${group.name}: ${group.description}` : group.name);
  return {
    name: baseName(file.path),
    side: file.side,
    format: best?.[0] ?? "sha256",
    hash: best?.[1] ?? "",
    ...(file.optional && {
      option: { optional: true, ...(about && { description: about }), default: isTaken },
    }),
  };
}

/** By what it says, so that it is another one when that changes; by its path alone when it is installed once. */
function nameMetafile({ path, preserve, url, reference }: ManifestFile, said: Said): string {
  const digest = sha256(JSON.stringify(preserve ? [path] : [path, said, reference ? url : ""]));
  return clashing.test(path) ? `${digest.slice(0, 32)}.pw.toml` : `${path}.${digest.slice(0, 8)}.pw.toml`;
}

function writeMetafile({ name, side, format, hash, option }: Said, url: string, filename: string): string {
  const parts = [
    table("", { name, filename, side }),
    table("[download]", { url, "hash-format": format, hash }),
    ...(option ? [table("[option]", option)] : []),
  ];
  return parts.join("\n");
}

/** By digest, which no new version changes; elsewhere as a parser writes it, since some installers send it as it stands. */
const address = (file: ManifestFile, root: string) =>
  isStoredHere(file) ? `${root}/blobs/${file.digests.sha256}` : new URL(file.url).href;

const baseName = (path: string) => path.slice(path.lastIndexOf("/") + 1);

/** A table of TOML 1.0, its keys in the order given. */
function table(header: string, values: Record<string, string | boolean>): string {
  const lines = Object.entries(values).map(
    ([key, value]) =>
      `${/^[\w-]+$/.test(key) ? key : quote(key)} = ${value === true || value === false ? value : quote(value)}`,
  );
  return [...(header ? [header] : []), ...lines, ""].join("\n");
}

/** A basic string of TOML 1.0. */
function quote(text: string): string {
  const escaped = text
    .toWellFormed()
    .replace(/[\\"]/g, "\\$&")
    .replace(/\p{Cc}/gu, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return `"${escaped}"`;
}

const sha256 = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("hex");
