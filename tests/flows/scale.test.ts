import { afterAll, beforeAll, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { long, parts, type System, startSystem } from "../harness.ts";
import { type Person, readDigests, seat } from "./sunduk.ts";

let system: System;
let author: Person;
let environment: Record<string, string>;

beforeAll(async () => {
  system = await startSystem();
  author = await seat();
  environment = { SUNDUK_URL: system.url, SUNDUK_TOKEN: (await system.signUp("author")).token };
});
afterAll(async () => {
  await author?.close();
  await system?.stop();
});

const sunduk = async (...words: string[]) => {
  const outcome = await author.sunduk([...words, "--json"], { env: environment });
  if (outcome.code !== 0) throw new Error(`${words.join(" ")}: ${outcome.stderr}`);
  return outcome.json;
};

/** Small files of 0 to 4 KiB in a few folders, all different. */
async function writePack(count: number): Promise<string> {
  const folder = join(author.folder, `pack-${count}`);
  for (let index = 0; index < count; index += 1) {
    const text = `${index} of ${count}\n`.repeat(1 + (index % 200));
    await Bun.write(join(folder, `config/part-${index % 37}/file-${index}.txt`), text);
  }
  await describe(folder, count, "1.0.0");
  return folder;
}

const describe = (folder: string, count: number, version: string) =>
  Bun.write(
    join(folder, "sunduk.toml"),
    `slug = "scale-${count}"\nname = "Scale"\nversion = "${version}"\nminecraft = "1.21.1"\n`,
  );

async function publishAndUpdate(count: number): Promise<void> {
  const folder = await writePack(count);
  const target = join(author.folder, `installed-${count}`);
  const startedAt = performance.now();
  const published = await sunduk("pack", "publish", folder, "--visibility", "public");
  console.info(`published ${count} files in ${Math.round(performance.now() - startedAt)} ms`);
  expect(published).toMatchObject({ files: count, alreadyPublished: false });
  expect(await sunduk("pack", "install", `scale-${count}`, target)).toMatchObject({ fetched: count, kept: [] });
  const { "sunduk.toml": _description, ...source } = await readDigests(folder);
  expect(await readDigests(target)).toEqual(source);

  await Bun.write(join(folder, "config/part-0/file-0.txt"), `changed ${count}`);
  await Bun.write(join(folder, "config/part-0/new.txt"), `added ${count}`);
  await rm(join(folder, "config/part-1/file-1.txt"));
  await describe(folder, count, "1.1.0");
  const movedBytes = `changed ${count}added ${count}`.length;
  const update = await sunduk("pack", "publish", folder);
  expect(update).toMatchObject({ uploadedBytes: movedBytes });
  const updated = await sunduk("pack", "install", `scale-${count}`, target);
  expect(updated).toMatchObject({
    fetched: 2,
    fetchedBytes: movedBytes,
    removed: 1,
    unchanged: count - 2,
    version: "1.1.0",
  });
  const { "sunduk.toml": _again, ...changed } = await readDigests(folder);
  expect(await readDigests(target)).toEqual(changed);
  expect(await sunduk("pack", "install", `scale-${count}`, target)).toMatchObject({ upToDate: true, fetched: 0 });
}

// Addresses are asked for by the thousand: 1,100 take more than one such list. On the cluster's parts 3,000 would take minutes.
const count = parts === "cluster" ? 300 : long ? 3_000 : 1_100;
test(
  `a pack of ${count} files goes out and in, and an update moves only what changed`,
  () => publishAndUpdate(count),
  180_000,
);
