import { realpath } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { type Static, Type as t } from "@sinclair/typebox";
import { digestStream } from "../../digest.ts";
import { checkPath } from "../../paths.ts";
import { runParallel } from "../parallel.ts";
import {
  type Bytes,
  type PackSource,
  type ReferenceDigests,
  type SourceFile,
  type SourceOptions,
  settleFiles,
  sourceFault,
} from "./source.ts";
import { parseToml } from "./toml.ts";

const loaders = ["fabric", "quilt", "neoforge", "forge", "liteloader"] as const;

const Pack = t.Object({
  name: t.String({ minLength: 1 }),
  version: t.Optional(t.String()),
  description: t.Optional(t.String()),
  index: t.Object({ file: t.String(), "hash-format": t.String(), hash: t.Optional(t.String()) }),
  versions: t.Intersect([t.Object({ minecraft: t.String() }), t.Record(t.String(), t.String())]),
  options: t.Optional(t.Object({ "no-internal-hashes": t.Optional(t.Boolean()) })),
});
const IndexFile = t.Object({
  file: t.String(),
  hash: t.Optional(t.String()),
  "hash-format": t.Optional(t.String()),
  alias: t.Optional(t.String()),
  metafile: t.Optional(t.Boolean()),
  preserve: t.Optional(t.Boolean()),
});
const Index = t.Object({ "hash-format": t.Optional(t.String()), files: t.Optional(t.Array(IndexFile)) });
const Metafile = t.Object({
  filename: t.String(),
  side: t.Optional(t.Union([t.Literal("both"), t.Literal("client"), t.Literal("server"), t.Literal("")])),
  download: t.Object({
    url: t.Optional(t.String()),
    mode: t.Optional(t.String()),
    "hash-format": t.String(),
    hash: t.String(),
  }),
  option: t.Optional(t.Object({ optional: t.Optional(t.Boolean()), default: t.Optional(t.Boolean()) })),
});

const metafileLimitBytes = 1024 * 1024;
const entriesAtOnce = 16;

type Expected = { format: string; hash: string | undefined; optional: boolean };

/** Where the files of a packwiz pack are: a folder, or a server. */
export type PackwizPlace = {
  /** Names it in messages. */
  where: string;
  /** The bytes of one of its files; the path was checked. */
  read(path: string): Promise<Blob>;
  /** What is to be said of a file that is in the pack itself, by its path there and the digest that the index gives. */
  locate(path: string, digest: ReferenceDigests | undefined): Promise<Bytes>;
  /** Whether a pack may lack the hashes of its own files, if it says so. */
  mayLackHashes: boolean;
};

/**
 * Reads a packwiz folder (packwiz pack format 1.1): every digest of the chain pack, index, file is checked, and the
 * metafiles become references. Throws Fault("invalid") naming the file that is wrong.
 */
export async function readPackwiz(folder: string, options: SourceOptions = {}): Promise<PackSource> {
  const root = await realpath(folder);
  const packText = await Bun.file(join(root, "pack.toml")).text();
  const read = (path: string) => readInside(root, path);
  const locate = async (path: string, digest: ReferenceDigests | undefined) => {
    const content = await read(path);
    if (digest) await checkDigest(content, path, digest);
    return { local: { diskPath: join(root, path), sizeBytes: content.size } };
  };
  return readPackwizAt({ where: folder, read, locate, mayLackHashes: true }, { ...options, packText });
}

/** Reads the pack that a pack.toml begins, wherever its files are. Throws as `readPackwiz`. */
export async function readPackwizAt(
  place: PackwizPlace,
  { packText, signal }: SourceOptions & { packText: string },
): Promise<PackSource> {
  const pack = parseToml(packText, { schema: Pack, where: "pack.toml" });
  const mayLackHashes = place.mayLackHashes && pack.options?.["no-internal-hashes"] === true;
  const readChecked = async (path: string, { format, hash }: Pick<Expected, "format" | "hash">) => {
    checkInPack(path);
    const digest = expectDigest({ format, hash, optional: mayLackHashes }, path);
    const content = await place.read(path);
    if (digest) await checkDigest(content, path, digest);
    return content;
  };
  const indexBytes = await readChecked(pack.index.file, {
    format: pack.index["hash-format"],
    hash: pack.index.hash,
  });
  const index = parseToml(await indexBytes.text(), { schema: Index, where: pack.index.file });
  // The index's own folder is the root of its files.
  const base = dirname(pack.index.file) === "." ? "" : `${dirname(pack.index.file)}/`;
  const files: SourceFile[] = [];
  const needCurseForge: string[] = [];
  const readEntry = async (entry: Static<typeof IndexFile>) => {
    signal?.throwIfAborted();
    const format = entry["hash-format"] ?? index["hash-format"] ?? "sha256";
    const preserve = entry.preserve === true;
    if (entry.metafile !== true) {
      checkInPack(`${base}${entry.file}`);
      const digest = expectDigest({ format, hash: entry.hash, optional: mayLackHashes }, entry.file);
      const bytes = await place.locate(`${base}${entry.file}`, digest);
      files.push({ path: entry.alias ?? entry.file, side: "both", ...(preserve && { preserve }), ...bytes });
      return;
    }
    const content = await readChecked(`${base}${entry.file}`, { format, hash: entry.hash });
    if (content.size > metafileLimitBytes) throw sourceFault(entry.file, "it is too big to be a metafile");
    const metafile = parseToml(await content.text(), { schema: Metafile, where: entry.file });
    const mode = metafile.download.mode ?? "";
    if (mode !== "" && mode !== "url") needCurseForge.push(entry.file);
    else files.push(readMetafile(metafile, { file: entry.file, alias: entry.alias, preserve }));
  };
  await runParallel(index.files ?? [], { limit: entriesAtOnce, work: readEntry });
  if (needCurseForge.length > 0) {
    const advice = "these mods have no URL of their own (CurseForge); get them elsewhere or add the jars";
    throw sourceFault(place.where, advice, {
      errors: needCurseForge.sort().map((file) => ({ detail: `${file}: download.mode is not "url"` })),
    });
  }
  const loader = loaders.find((name) => pack.versions[name] !== undefined);
  return {
    name: pack.name,
    ...(pack.version ? { version: pack.version } : {}),
    ...(pack.description ? { summary: pack.description } : {}),
    channel: "release",
    minecraft: pack.versions.minecraft,
    loader: loader === undefined ? null : { name: loader, version: pack.versions[loader] ?? "" },
    files: settleFiles(files, place.where),
    close: async () => {},
  };
}

type Place = { file: string; alias: string | undefined; preserve: boolean };

function readMetafile(metafile: Static<typeof Metafile>, place: Place): SourceFile {
  const { url, hash } = metafile.download;
  if (!url || !URL.canParse(url) || !/^https?:/.test(url)) {
    throw sourceFault(place.file, "download.url is not an http or https address");
  }
  const folder = dirname(place.file);
  return {
    path: place.alias ?? (folder === "." ? metafile.filename : `${folder}/${metafile.filename}`),
    side: metafile.side || "both",
    ...(metafile.option?.optional === true ? { optional: true } : {}),
    ...(metafile.option?.optional === true && metafile.option.default === true ? { recommended: true } : {}),
    ...(place.preserve ? { preserve: true } : {}),
    reference: { url, digests: readDigest(metafile.download["hash-format"], { hash, where: place.file }) },
  };
}

const hashForms: Record<string, RegExp> = {
  sha1: /^[0-9a-f]{40}$/,
  sha256: /^[0-9a-f]{64}$/,
  sha512: /^[0-9a-f]{128}$/,
  md5: /^[0-9a-f]{32}$/,
  murmur2: /^\d{1,10}$/,
};

function readDigest(format: string, { hash, where }: { hash: string; where: string }): ReferenceDigests {
  const form = hashForms[format];
  if (form === undefined) throw sourceFault(where, `hash-format "${format}" is not known`);
  const digest = hash.toLowerCase();
  if (!form.test(digest)) throw sourceFault(where, `the hash is no ${format}`);
  return { [format]: digest };
}

/** The digest that the index gives; undefined where there may be none. */
function expectDigest({ format, hash, optional }: Expected, where: string): ReferenceDigests | undefined {
  if (hash) return readDigest(format, { hash, where });
  if (optional) return undefined;
  throw sourceFault(where, "it has no hash in the index; run packwiz refresh");
}

async function checkDigest(content: Blob, where: string, digest: ReferenceDigests): Promise<void> {
  const found: Record<string, unknown> =
    digest.sha256 === undefined
      ? await digestStream(content.stream())
      : await digestStream(content.stream(), { sha256Only: true });
  for (const [format, expected] of Object.entries(digest)) {
    if (String(found[format]) === expected) continue;
    throw sourceFault(where, `its ${format} is not the one in the index; run packwiz refresh, then publish again`);
  }
}

function checkInPack(path: string): void {
  const reason = checkPath(path);
  if (reason !== undefined) throw sourceFault(JSON.stringify(path), reason);
}

/** A file below the root. One that is missing, or that a link leads out of the pack, is refused. */
async function readInside(root: string, path: string): Promise<Bun.BunFile> {
  const file = Bun.file(join(root, path));
  if (!(await file.exists())) throw sourceFault(path, "it is in the index but not in the folder; run packwiz refresh");
  const real = await realpath(join(root, path));
  if (!real.startsWith(`${root}${sep}`)) throw sourceFault(path, "it is a link to outside of the pack");
  return file;
}
