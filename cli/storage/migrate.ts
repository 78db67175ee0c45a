import { migrateStorage } from "../../backup/migrate-storage.ts";
import { readS3Options } from "../../deps.ts";
import { openLog } from "../../log.ts";
import { createBucket, openS3Storage } from "../../storage/s3.ts";
import { defineCommand, usageFault } from "../arguments.ts";
import { backupMessages } from "../backup/messages.ts";
import { markFolder, openInstalledDisk, placeOptions } from "../backup/place.ts";
import { withDatabaseUrl } from "../database.ts";
import { formatBytes, type Progress } from "../output.ts";
import { readSettings } from "../settings.ts";

const usage = "storage migrate disk s3 | s3 disk [--data DIR]";

/** `sunduk storage migrate`: with the server running or not. The S3 server is that of the settings; nothing is removed. */
export const command = defineCommand({
  name: "storage migrate",
  usage,
  summary: "Copy all objects from the disk to S3, or back",
  options: placeOptions,
  positionals: ["FROM", "TO"],
  async run({ values, positionals: [from, to], output, signal }) {
    if ([from, to].sort().join() !== "disk,s3")
      throw usageFault("Migrate the storage: from disk to s3, or back", usage);
    const text = backupMessages(output.language);
    const config = readSettings(values);
    const options = readS3Options(config);
    const [disk, s3] = [openInstalledDisk(config), openS3Storage(options)];
    if (to === "s3") await createBucket(options);
    else await markFolder(config);
    const log = openLog({ level: "warn", service: "storage" });
    let bar: Progress | undefined;
    const { copied, copiedBytes, there, missing } = await withDatabaseUrl({ config, log, signal }, (url) =>
      migrateStorage({
        url,
        from: from === "disk" ? disk : s3,
        to: to === "disk" ? disk : s3,
        onStart: (total) => {
          bar = output.progress(text.migrating, { total, unit: "files" });
        },
        onObject: () => bar?.advance(1),
        signal,
      }),
    );
    bar?.finish();
    output.say(text.migrated(copied, there, formatBytes(copiedBytes)));
    if (missing.length > 0) output.say(text.migrateMissing(missing.length));
    for (const { key, reason } of missing) output.say(`  ${key}: ${reason}`);
    output.say(text.switchTo[to === "disk" ? "disk" : "s3"]);
    output.result({ ok: missing.length === 0, copied, copiedBytes, there, missing });
    return missing.length === 0 ? 0 : 1;
  },
});
