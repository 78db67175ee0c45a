import { realpath } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { type Static, Type as t } from "@sinclair/typebox";
import { digestStream } from "../../digest.ts";
import { checkPath } from "../../paths.ts";
import {
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
  option: t.Optional(t.Object({ optional: t.Optional(t.Boolean()) })),
});

const metafileLimitBytes = 1024 * 1024;

type Expected = { format: string; hash: string | undefined; optional: boolean };

/**
 * Reads a packwiz folder (packwiz pack format 1.1): every digest of the chain pack, index, file is checked, and the
 * metafiles become references. Throws Fault("invalid") naming the file that is wrong.
 */
export async function readPackwiz(folder: string, options: SourceOptions = {}): Promise<PackSource> {
  const root = await realpath(folder);
  const pack = parseToml(await Bun.file(join(root, "pack.toml")).text(), { schema: Pack, where: "pack.toml" });
  const mayLackHashes = pack.options?.["no-internal-hashes"] === true;
  const indexBytes = await readInside(root, pack.index.file);
  await check(indexBytes, pack.index.file, {
    format: pack.index["hash-format"],
    hash: pack.index.hash,
    optional: mayLackHashes,
  });
  const index = parseToml(await indexBytes.text(), { schema: Index, where: pack.index.file });
  // The index's own folder is the root of its files.
  const base = dirname(pack.index.file) === "." ? "" : `${dirname(pack.index.file)}/`;
  const files: SourceFile[] = [];
  const needCurseForge: string[] = [];
  for (const entry of index.files ?? []) {
    options.signal?.throwIfAborted();
    const content = await readInside(root, `${base}${entry.file}`);
    const format = entry["hash-format"] ?? index["hash-format"] ?? "sha256";
    await check(content, entry.file, { format, hash: entry.hash, optional: mayLackHashes });
    if (entry.metafile !== true) {
      files.push({
        path: entry.alias ?? entry.file,
        side: "both",
        ...(entry.preserve === true ? { preserve: true } : {}),
        local: { diskPath: join(root, `${base}${entry.file}`), sizeBytes: content.size },
      });
      continue;
    }
    if (content.size > metafileLimitBytes) throw sourceFault(entry.file, "it is too big to be a metafile");
    const metafile = parseToml(await content.text(), { schema: Metafile, where: entry.file });
    const mode = metafile.download.mode ?? "";
    if (mode !== "" && mode !== "url") needCurseForge.push(entry.file);
    else files.push(readMetafile(metafile, { file: entry.file, preserve: entry.preserve === true }));
  }
  if (needCurseForge.length > 0) {
    throw sourceFault(folder, "these mods have no URL of their own (CurseForge); get them elsewhere or add the jars", {
      errors: needCurseForge.map((file) => ({ detail: `${file}: download.mode is not "url"` })),
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
    files: settleFiles(files, folder),
    close: async () => {},
  };
}

function readMetafile(metafile: Static<typeof Metafile>, place: { file: string; preserve: boolean }): SourceFile {
  const { url, hash } = metafile.download;
  if (!url || !URL.canParse(url) || !/^https?:/.test(url)) {
    throw sourceFault(place.file, "download.url is not an http or https address");
  }
  const folder = dirname(place.file);
  return {
    path: folder === "." ? metafile.filename : `${folder}/${metafile.filename}`,
    side: metafile.side || "both",
    ...(metafile.option?.optional === true ? { optional: true } : {}),
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

async function check(content: Blob, where: string, expected: Expected): Promise<void> {
  if (!expected.hash) {
    if (expected.optional) return;
    throw sourceFault(where, "it has no hash in the index; run packwiz refresh");
  }
  const wanted = readDigest(expected.format, { hash: expected.hash, where });
  const found: Record<string, unknown> =
    expected.format === "sha256"
      ? await digestStream(content.stream(), { sha256Only: true })
      : await digestStream(content.stream());
  for (const [format, digest] of Object.entries(wanted)) {
    if (String(found[format]) !== digest) {
      throw sourceFault(where, `its ${format} is not the one in the index; run packwiz refresh, then publish again`);
    }
  }
}

/** A file below the root. One that is missing, or that a link leads out of the pack, is refused. */
async function readInside(root: string, path: string): Promise<Bun.BunFile> {
  const reason = checkPath(path);
  if (reason !== undefined) throw sourceFault(JSON.stringify(path), reason);
  const file = Bun.file(join(root, path));
  if (!(await file.exists())) throw sourceFault(path, "it is in the index but not in the folder; run packwiz refresh");
  const real = await realpath(join(root, path));
  if (!real.startsWith(`${root}${sep}`)) throw sourceFault(path, "it is a link to outside of the pack");
  return file;
}
