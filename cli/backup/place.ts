import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Step } from "../../backup/create.ts";
import type { Objects } from "../../backup/store.ts";
import type { Config } from "../../config.ts";
import { openDataFolder } from "../../data-folder.ts";
import { readS3Options } from "../../deps.ts";
import { openDiskStorage } from "../../storage/disk.ts";
import { openDiskSigner } from "../../storage/disk-signer.ts";
import { openS3Storage } from "../../storage/s3.ts";
import type { Output, Progress } from "../output.ts";
import type { BackupMessages } from "./messages.ts";

/** Options that every command for backups takes. */
export const placeOptions = { data: { type: "string" }, config: { type: "string" } } as const;

/** Where the objects of this installation are. Nothing is signed here. */
export function openInstalled(config: Config): Objects {
  return config.S3_ENDPOINT ? openS3Storage(readS3Options(config)) : openInstalledDisk(config);
}

/** The folder of objects in the data folder, whether it is in use or not. */
export function openInstalledDisk(config: Config): Objects {
  const signer = openDiskSigner({ base: () => "", secret: "" });
  return openDiskStorage({ folder: join(resolve(config.DATA), "objects"), signer });
}

/** Makes a data folder of one that is empty or missing: what is put into it must not look like somebody else's. */
export async function markFolder(config: Config): Promise<void> {
  const names = await readdir(resolve(config.DATA)).catch(() => []);
  if (names.length === 0) (await openDataFolder(config.DATA)).release();
}

/** Shows the steps of a backup: a bar for the tables, then one for the objects. */
export function showSteps(output: Output, text: BackupMessages): { onStep: (step: Step) => void; finish: () => void } {
  const bars = new Map<Step["part"], { bar: Progress; done: number }>();
  return {
    onStep: ({ part, done, of }) => {
      const shown = bars.get(part) ?? { bar: output.progress(text[part], { total: of, unit: "files" }), done: 0 };
      shown.bar.advance(done - shown.done);
      bars.set(part, { ...shown, done });
    },
    finish: () => {
      for (const { bar } of bars.values()) bar.finish();
    },
  };
}
