import { stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { openPostgres } from "../../db/postgres.ts";
import { planUpgrade } from "../../db/upgrade.ts";
import { openLog } from "../../log.ts";
import manifest from "../../package.json" with { type: "json" };
import { defineCommand } from "../arguments.ts";
import { withDatabaseUrl } from "../database.ts";
import { formatBytes } from "../output.ts";
import { readSettings } from "../settings.ts";
import { opsMessages } from "./messages.ts";

/** `sunduk upgrade check`: what starting this program would do to the database. Changes nothing; 1 when it could not be started. */
export const command = defineCommand({
  name: "upgrade check",
  usage: "upgrade check [--data DIR] [--config FILE]",
  summary: "Say what starting this version would change, and whether the running one may go on meanwhile",
  options: { data: { type: "string" }, config: { type: "string" } },
  positionals: [],
  async run({ values, output, signal }) {
    const text = opsMessages(output.language);
    const config = readSettings(values);
    const log = openLog({ level: "silent", service: "upgrade" });
    const plan = await withDatabaseUrl({ config, log, signal }, async (url) => {
      const db = openPostgres(url, { max: 1, log, name: "upgrade" });
      try {
        return await planUpgrade(db);
      } finally {
        await db.close();
      }
    });
    const { pending, edited, newer, databaseBytes } = plan;
    const freeBytes = await countFree(resolve(config.DATA));
    // A restore point holds rows packed, so the database's own size is more than it takes.
    const pointNeeded = pending.length > 0 && config.BACKUP_BEFORE_MIGRATION !== "off";
    const enough = !pointNeeded || freeBytes > databaseBytes;
    const fits = edited.length === 0 && newer.length === 0;
    const rolling = pending.every(({ kind }) => kind === "expand");
    output.say(text.versions(manifest.version, Bun.version));
    if (pending.length === 0) output.say(text.nothingPending);
    for (const { name, kind } of pending) output.say(text.pending(name, kind));
    for (const name of edited) output.say(text.edited(name));
    for (const name of newer) output.say(text.newer(name));
    if (pointNeeded) output.say(text.restorePoint(formatBytes(databaseBytes), formatBytes(freeBytes), enough));
    if (!fits) output.say(text.cannotUpgrade);
    else if (pending.length > 0) output.say(rolling ? text.rollingUpgrade : text.stoppedUpgrade);
    const ok = fits && enough;
    output.result({
      ok,
      version: manifest.version,
      pending,
      edited,
      newer,
      rolling,
      restorePoint: { needed: pointNeeded, atMostBytes: databaseBytes, freeBytes },
    });
    return ok ? 0 : 1;
  },
});

/** Of the file system where the data folder is, or will be. */
async function countFree(path: string): Promise<number> {
  if (!(await stat(path).catch(() => undefined))) return countFree(dirname(path));
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}
