import { runBackup } from "../../backup/run.ts";
import { placeOf } from "../../backup/store.ts";
import { openPostgres } from "../../db/postgres.ts";
import { hasCode } from "../../fault.ts";
import { openLog } from "../../log.ts";
import { defineCommand, usageFault } from "../arguments.ts";
import { withDatabaseUrl } from "../database.ts";
import { noteOperator } from "../ops/note.ts";
import { readSettings } from "../settings.ts";
import { backupMessages } from "./messages.ts";
import { openInstalled, placeOptions, showSteps } from "./place.ts";

const usage = "backup create [--to DIR|s3://BUCKET/DIR] [--encrypt] [--keep N] [--data DIR]";

/** `sunduk backup create`: with the server running or not. Exits with 1 when objects are lost, although the backup is made. */
export const command = defineCommand({
  name: "backup create",
  usage,
  summary: "Back up the database and its objects, while the server goes on",
  options: { ...placeOptions, to: { type: "string" }, encrypt: { type: "boolean" }, keep: { type: "string" } },
  positionals: [],
  async run({ values, output, signal }) {
    const keep = values.keep === undefined ? Number.POSITIVE_INFINITY : Number(values.keep);
    if (values.keep !== undefined && !(Number.isInteger(keep) && keep > 0))
      throw usageFault("Make a backup: --keep is a number from 1", usage);
    const text = backupMessages(output.language);
    const config = readSettings(values);
    const log = openLog({ level: "warn", service: "backup" });
    const { onStep, finish } = showSteps(output, text);
    const { manifest, removed } = await withDatabaseUrl({ config, log, signal }, async (url) => {
      const db = openPostgres(url, { max: 1, log, name: "backup" });
      try {
        const from = openInstalled(config);
        const { to, encrypt } = values;
        const made = await runBackup({ config, db, url, from, to, encrypt, keep, why: "by hand", onStep, signal });
        await noteOperator(db, { action: "backup.created", subject: made.manifest.name }).catch(ignoreOldTables);
        return made;
      } finally {
        await db.close();
      }
    });
    finish();
    const { name, objects, tables, encrypted } = manifest;
    const place = values.to ?? placeOf(config);
    const rows = tables.reduce((sum, table) => sum + table.rows, 0);
    output.say(text.made({ name, place, objects, rows, encrypted }));
    output.say(manifest.secrets ? text.secretsInside : text.secretsApart);
    if (removed.length > 0) output.say(text.removed(removed));
    if (objects.damaged.length > 0) output.say(text.lost(objects.damaged.length));
    for (const { key, reason } of objects.damaged) output.say(`  ${key}: ${reason}`);
    output.result({ ok: objects.damaged.length === 0, name, place, rows, encrypted, objects, removed });
    return objects.damaged.length === 0 ? 0 : 1;
  },
});

/** Before an upgrade the tables are those of the former version. */
function ignoreOldTables(error: unknown): void {
  if (!hasCode(error, "42P01")) throw error;
}
