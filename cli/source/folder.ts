import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { Type as t } from "@sinclair/typebox";
import { type PackSource, type SourceFile, type SourceOptions, settleFiles, sourceFault } from "./source.ts";
import { parseToml } from "./toml.ts";

const Side = t.Union([t.Literal("both"), t.Literal("client"), t.Literal("server")]);
const Words = t.Array(t.String());
const Group = t.Object(
  {
    id: t.String({ minLength: 1 }),
    name: t.String({ minLength: 1 }),
    description: t.Optional(t.String()),
    required: t.Optional(t.Boolean()),
    recommended: t.Optional(t.Boolean()),
    exclusive: t.Optional(t.String()),
    requires: t.Optional(Words),
    conflicts: t.Optional(Words),
  },
  { additionalProperties: false },
);
const Description = t.Object(
  {
    slug: t.Optional(t.String()),
    name: t.String({ minLength: 1 }),
    version: t.Optional(t.String()),
    channel: t.Optional(t.Union([t.Literal("release"), t.Literal("beta"), t.Literal("alpha")])),
    minecraft: t.String({ minLength: 1 }),
    summary: t.Optional(t.String()),
    loader: t.Optional(t.Object({ name: t.String(), version: t.String() })),
    java: t.Optional(t.String()),
    memoryMb: t.Optional(t.Integer()),
    serverAddress: t.Optional(t.String()),
    groups: t.Optional(t.Array(Group)),
    exclude: t.Optional(t.Array(t.String())),
    files: t.Optional(
      t.Array(
        t.Object(
          {
            pattern: t.String({ minLength: 1 }),
            side: t.Optional(Side),
            optional: t.Optional(t.Boolean()),
            preserve: t.Optional(t.Boolean()),
            group: t.Optional(t.String()),
          },
          { additionalProperties: false },
        ),
      ),
    ),
  },
  { additionalProperties: false },
);

/** The description that makes a plain folder a pack. */
export const descriptionName = "sunduk.toml";

/**
 * Reads a plain folder with a sunduk.toml: all its files but hidden and excluded ones, for both sides unless a
 * `[[files]]` pattern says otherwise (later patterns win). Throws Fault("invalid") for symbolic links and odd entries.
 */
export async function readFolder(folder: string, options: SourceOptions = {}): Promise<PackSource> {
  const root = await realpath(folder);
  const description = parseToml(await Bun.file(join(root, descriptionName)).text(), {
    schema: Description,
    where: descriptionName,
  });
  const excluded = (description.exclude ?? []).map((pattern) => new Bun.Glob(pattern));
  const rules = (description.files ?? []).map((rule) => ({ ...rule, glob: new Bun.Glob(rule.pattern) }));
  const files: SourceFile[] = [];
  const odd: string[] = [];
  for await (const entry of walk(root, "")) {
    options.signal?.throwIfAborted();
    if (entry.path === descriptionName || excluded.some((glob) => glob.match(entry.path))) continue;
    if (!entry.isFile) {
      odd.push(entry.path);
      continue;
    }
    const matching = rules.filter((rule) => rule.glob.match(entry.path));
    const optional = matching.findLast((rule) => rule.optional !== undefined)?.optional;
    const preserve = matching.findLast((rule) => rule.preserve !== undefined)?.preserve;
    const group = matching.findLast((rule) => rule.group !== undefined)?.group;
    const diskPath = join(root, entry.path);
    files.push({
      path: entry.path,
      side: matching.findLast((rule) => rule.side !== undefined)?.side ?? "both",
      ...(optional === true ? { optional } : {}),
      ...(preserve === true ? { preserve } : {}),
      ...(group === undefined ? {} : { group }),
      local: { diskPath, sizeBytes: (await stat(diskPath)).size },
    });
  }
  if (odd.length > 0) {
    throw sourceFault(folder, `links and special files cannot be in a pack; replace or exclude them`, {
      errors: odd.map((path) => ({ detail: path })),
    });
  }
  const idle = rules.filter((rule) => !files.some((file) => rule.glob.match(file.path)));
  if (idle.length > 0) {
    throw sourceFault(descriptionName, "these patterns match no file; correct or remove them", {
      errors: idle.map((rule) => ({ detail: rule.pattern })),
    });
  }
  const { java, memoryMb, serverAddress, groups } = description;
  return {
    ...(description.slug === undefined ? {} : { slug: description.slug }),
    name: description.name,
    ...(description.version === undefined ? {} : { version: description.version }),
    ...(description.summary === undefined ? {} : { summary: description.summary }),
    channel: description.channel ?? "release",
    minecraft: description.minecraft,
    loader: description.loader ?? null,
    settings: {
      ...(java !== undefined && { java }),
      ...(memoryMb !== undefined && { memoryMb }),
      ...(serverAddress !== undefined && { serverAddress }),
      ...(groups !== undefined && { groups }),
    },
    files: settleFiles(files, folder),
    close: async () => {},
  };
}

/** Everything below a folder that is neither hidden nor a folder; links are named, never followed. */
async function* walk(root: string, prefix: string): AsyncGenerator<{ path: string; isFile: boolean }> {
  for (const entry of await readdir(join(root, prefix), { withFileTypes: true })) {
    if (entry.name.startsWith(".")) continue;
    const path = `${prefix}${entry.name}`;
    if (entry.isDirectory()) yield* walk(root, `${path}/`);
    else yield { path, isFile: entry.isFile() };
  }
}
