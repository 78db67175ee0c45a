import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TextReader, Uint8ArrayReader, Uint8ArrayWriter, ZipWriter } from "@zip.js/zip.js";

const mods = [
  "amber",
  "basalt",
  "cobble",
  "delta",
  "ember",
  "fjord",
  "grove",
  "harbor",
  "iron",
  "jade",
  "kelp",
  "lapis",
];
const changedMods = ["basalt", "grove"];
const configs = Array.from({ length: 20 }, (_, index) => `config/${mods[index % mods.length]}-${index}.json`);
const edited = "config/ember-4.json";
const dropped = "config/lapis-11.json";
const moved = { from: "resourcepacks/faithful.zip", to: "resourcepacks/default/faithful.zip" };

/** What the second version of the example does to some of its paths, and which the player edits in between. */
export const examplePaths = {
  /** A config that the player edits and the second version changes. */
  edited,
  /** The settings of the game, which the pack leaves to the player. */
  preserved: "options.txt",
  dropped,
  moved,
};

/** Writes an example pack into a folder: some 40 files, about 5 MB, half of them mods. */
export async function writeExample(folder: string, slug: string): Promise<void> {
  await describe(folder, { slug, version: "1.0.0" });
  for (const [index, name] of mods.entries()) {
    await writeMod(folder, { name, version: "1.0.0", sizeBytes: 20_000 + 60_000 * index });
  }
  for (const path of configs) await writeText(folder, path, JSON.stringify({ file: path, enabled: true }, null, 2));
  await writeText(folder, examplePaths.preserved, "fov:70\nlang:en_us\n");
  await writeText(folder, "config/empty.marker", "");
  await writeText(folder, "kubejs/startup_scripts/main.js", "console.info('hello from the example pack')\n");
  await writeArchive(join(folder, moved.from), { "pack.mcmeta": "{}", "pack.png": randomBytes(700_000) });
  await writeArchive(join(folder, "shaderpacks/plain.zip"), { "shaders/final.fsh": "void main() {}\n" });
}

/** Turns the example into its second version: changed, added, removed and moved files. */
export async function changeExample(folder: string, slug: string): Promise<void> {
  await describe(folder, { slug, version: "1.1.0" });
  for (const name of changedMods) await writeMod(folder, { name, version: "1.1.0", sizeBytes: 150_000 });
  await writeMod(folder, { name: "moss", version: "1.0.0", sizeBytes: 90_000 });
  await writeText(folder, edited, JSON.stringify({ file: edited, enabled: false }, null, 2));
  await writeText(folder, examplePaths.preserved, "fov:80\nlang:en_us\n");
  await rm(join(folder, dropped));
  await rm(join(folder, "mods/amber-1.0.0.jar"));
  await mkdir(dirname(join(folder, moved.to)), { recursive: true });
  await rename(join(folder, moved.from), join(folder, moved.to));
}

function describe(folder: string, { slug, version }: { slug: string; version: string }): Promise<number> {
  const lines = [
    `slug = "${slug}"`,
    'name = "Example pack"',
    `version = "${version}"`,
    'summary = "Made by sunduk --demo to show what happens"',
    'minecraft = "1.21.1"',
    'loader = { name = "fabric", version = "0.16.9" }',
    "[[files]]",
    `pattern = "${examplePaths.preserved}"`,
    "preserve = true",
    "[[files]]",
    'pattern = "shaderpacks/**"',
    'side = "client"',
    "",
  ];
  return Bun.write(join(folder, "sunduk.toml"), lines.join("\n"));
}

async function writeMod(
  folder: string,
  { name, version, sizeBytes }: { name: string; version: string; sizeBytes: number },
): Promise<void> {
  const description = { schemaVersion: 1, id: name, version, name: `Example ${name}` };
  // Of the same name in both versions, so that it counts as changed.
  await writeArchive(join(folder, `mods/${name}-1.0.0.jar`), {
    "META-INF/MANIFEST.MF": "Manifest-Version: 1.0\r\n\r\n",
    "fabric.mod.json": JSON.stringify(description),
    [`assets/${name}/data.bin`]: randomBytes(sizeBytes),
  });
}

async function writeArchive(path: string, entries: Record<string, string | Uint8Array>): Promise<void> {
  const zip = new ZipWriter(new Uint8ArrayWriter(), { useWebWorkers: false });
  for (const [name, content] of Object.entries(entries)) {
    await zip.add(name, typeof content === "string" ? new TextReader(content) : new Uint8ArrayReader(content));
  }
  await Bun.write(path, await zip.close());
}

const writeText = (folder: string, path: string, text: string) => Bun.write(join(folder, path), text);

function randomBytes(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at < sizeBytes; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}
