import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Static, Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { checkPath } from "../../paths.ts";
import { type PackSource, type Side, type SourceFile, type SourceOptions, settleFiles, sourceFault } from "./source.ts";
import { type OpenedZip, openZip } from "./zip-entries.ts";

const indexName = "modrinth.index.json";
const indexLimitBytes = 16 * 1024 * 1024;

const Support = t.Union([t.Literal("required"), t.Literal("optional"), t.Literal("unsupported")]);
const IndexFile = t.Object({
  path: t.String(),
  hashes: t.Object({
    sha1: t.String({ pattern: "^[0-9a-fA-F]{40}$" }),
    sha512: t.String({ pattern: "^[0-9a-fA-F]{128}$" }),
  }),
  env: t.Optional(t.Object({ client: t.Optional(Support), server: t.Optional(Support) })),
  downloads: t.Array(t.String(), { minItems: 1 }),
  fileSize: t.Integer({ minimum: 0 }),
});
const Index = t.Object({
  formatVersion: t.Literal(1),
  game: t.Literal("minecraft"),
  versionId: t.String(),
  name: t.String({ minLength: 1 }),
  summary: t.Optional(t.String()),
  files: t.Array(IndexFile),
  dependencies: t.Intersect([t.Object({ minecraft: t.String() }), t.Record(t.String(), t.String())]),
});

const loaders = { "fabric-loader": "fabric", "quilt-loader": "quilt", neoforge: "neoforge", forge: "forge" } as const;
const overrides: readonly (readonly [folder: string, side: Side])[] = [
  ["overrides/", "both"],
  ["client-overrides/", "client"],
  ["server-overrides/", "server"],
];

/**
 * Reads a Modrinth pack (mrpack format 1): listed files become references, overrides are unpacked into a temporary
 * folder until `close()`. With a side, it is what a launcher would install there: the overrides lie above the listed files,
 * those of the side above the others. Throws Fault("invalid") naming the entry that is wrong.
 */
export async function readMrpack(
  path: string,
  options: SourceOptions & { where?: string; side?: Side } = {},
): Promise<PackSource> {
  const { where = path, side } = options;
  const zip = await openZip(Bun.file(path), { where, signal: options.signal });
  const folder = await mkdtemp(join(tmpdir(), "sunduk-mrpack-"));
  const close = () => rm(folder, { recursive: true, force: true });
  try {
    const index = await readIndex(zip, { where, folder });
    const files = [...index.files.map(readListed), ...(await unpackOverrides(zip, { where, folder }))];
    const loader = Object.entries(loaders).find(([key]) => index.dependencies[key] !== undefined);
    return {
      name: index.name,
      version: index.versionId,
      ...(index.summary ? { summary: index.summary } : {}),
      channel: "release",
      minecraft: index.dependencies.minecraft,
      loader: loader === undefined ? null : { name: loader[1], version: index.dependencies[loader[0]] ?? "" },
      files: settleFiles(side === undefined ? files : pileUp(files, side), where),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  } finally {
    await zip.close();
  }
}

function pileUp(files: SourceFile[], side: Side): SourceFile[] {
  const mine = files.filter((file) => side === "both" || file.side === "both" || file.side === side);
  const byPath = new Map<string, SourceFile>();
  for (const file of mine) {
    // Nothing can be the client's and the server's: that is refused later.
    const both = file.side === "server" && byPath.get(file.path)?.side === "client";
    byPath.set(both ? `${file.path}\0` : file.path, file);
  }
  return [...byPath.values()];
}

async function readIndex(zip: OpenedZip, { where, folder }: { where: string; folder: string }) {
  const entry = zip.entries.find((candidate) => candidate.filename === indexName);
  if (!entry) throw sourceFault(where, `${indexName} is missing; is it a Modrinth pack?`);
  if (entry.uncompressedSize > indexLimitBytes) throw sourceFault(where, `${indexName} is too big`);
  const diskPath = join(folder, indexName);
  await zip.unpack(entry, diskPath);
  const index = await parseJson(Bun.file(diskPath), where);
  if (Value.Check(Index, index)) return index;
  const [first] = Value.Errors(Index, index);
  throw sourceFault(where, `${first?.path || "/"} of ${indexName} is missing or wrong`);
}

async function parseJson(file: Blob, where: string): Promise<unknown> {
  try {
    return JSON.parse(await file.text());
  } catch (cause) {
    throw sourceFault(where, `${indexName} is not JSON`, { cause });
  }
}

function readListed(file: Static<typeof IndexFile>): SourceFile {
  const [url, ...others] = file.downloads.filter((download) => URL.canParse(download) && /^https?:/.test(download));
  if (url === undefined) throw sourceFault(file.path, "none of its downloads is an http or https address");
  const client = file.env === undefined ? "required" : (file.env.client ?? "unsupported");
  const server = file.env === undefined ? "required" : (file.env.server ?? "unsupported");
  if (client === "unsupported" && server === "unsupported") {
    throw sourceFault(file.path, "it is for neither client nor server; remove it or correct its env");
  }
  const supported = [client, server].filter((support) => support !== "unsupported");
  return {
    path: file.path,
    side: server === "unsupported" ? "client" : client === "unsupported" ? "server" : "both",
    ...(supported.every((support) => support === "optional") ? { optional: true } : {}),
    reference: {
      url,
      ...(others.length > 0 && { others }),
      digests: { sha1: file.hashes.sha1.toLowerCase(), sha512: file.hashes.sha512.toLowerCase() },
      sizeBytes: file.fileSize,
    },
  };
}

async function unpackOverrides(zip: OpenedZip, { where, folder }: { where: string; folder: string }) {
  const wanted = overrides.flatMap(([prefix, side]) =>
    zip.entries
      .filter((entry) => entry.filename.startsWith(prefix))
      .map((entry) => ({ entry, path: entry.filename.slice(prefix.length), side })),
  );
  // Every path is checked before the first byte of any is written, and none of them names a file on this disk.
  const bad = zip.entries.flatMap((entry) => {
    const reason = checkPath(entry.filename);
    return reason === undefined ? [] : [{ detail: `${JSON.stringify(entry.filename)}: ${reason}` }];
  });
  if (bad.length > 0) throw sourceFault(where, "it holds unsafe paths", { errors: bad });
  const files: SourceFile[] = [];
  for (const [number, { entry, path, side }] of wanted.entries()) {
    const diskPath = join(folder, String(number));
    files.push({ path, side, local: { diskPath, sizeBytes: await zip.unpack(entry, diskPath) } });
  }
  return files;
}
