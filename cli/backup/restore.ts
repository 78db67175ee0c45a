import { chooseBackup } from "../../backup/catalogue.ts";
import { restoreBackup } from "../../backup/restore.ts";
import { makeRestorePoint } from "../../backup/run.ts";
import { restoreSecrets } from "../../backup/secrets.ts";
import { openStore } from "../../backup/store.ts";
import { splitMigrations } from "../../db/load.ts";
import { openPostgres } from "../../db/postgres.ts";
import { describeUse } from "../../db/scratch.ts";
import { Fault } from "../../fault.ts";
import { openLog } from "../../log.ts";
import { migrateQueues } from "../../queues/connection.ts";
import { defineCommand } from "../arguments.ts";
import { withDatabaseUrl } from "../database.ts";
import { noteOperator } from "../ops/note.ts";
import { readSettings } from "../settings.ts";
import { backupMessages } from "./messages.ts";
import { markFolder, openInstalled, placeOptions, showSteps } from "./place.ts";

/** `sunduk backup restore`: into an empty installation, or with --replace in place of what is there, which a restore point keeps. */
export const command = defineCommand({
  name: "backup restore",
  usage: "backup restore NAME|latest [--from DIR|s3://BUCKET/DIR] [--replace] [--keep-sessions] [--data DIR]",
  summary: "Put a backup back, with the server stopped",
  options: {
    ...placeOptions,
    from: { type: "string" },
    replace: { type: "boolean" },
    "keep-sessions": { type: "boolean" },
  },
  positionals: ["NAME"],
  async run({ values, positionals: [name], output, signal }) {
    const text = backupMessages(output.language);
    const config = readSettings(values);
    const log = openLog({ level: "warn", service: "backup" });
    const store = await openStore({ config, to: values.from, encrypt: false });
    const { manifest, sealing } = await chooseBackup(store, name);
    await splitMigrations(manifest.migrations); // refuses before anything is changed
    await markFolder(config);
    const { onStep, finish } = showSteps(output, text);
    const endSessions = !values["keep-sessions"];
    const done = await withDatabaseUrl({ config, log, signal, alone: true }, async (url) => {
      const { users, filled } = await describeUse(url);
      if (users > 0)
        throw new Fault("conflict", `Cannot restore: ${users} connections of a running server are open. Stop it first`);
      if (filled && !values.replace)
        throw new Fault(
          "conflict",
          "Cannot restore: there are accounts in this database. --replace puts the backup in their place, and makes a restore point first",
        );
      const point = filled
        ? await makeRestorePoint({ config, url, why: `before restoring ${manifest.name}` })
        : undefined;
      if (point !== undefined) output.say(text.point(point));
      const to = openInstalled(config);
      const restored = await restoreBackup({ store, manifest, sealing, url, to, endSessions, onStep, signal });
      if (!config.REDIS_URL) await migrateQueues(url);
      const db = openPostgres(url, { max: 1, log, name: "restore" });
      const detail = { replaced: filled, endSessions, ...(point !== undefined && { point }) };
      await noteOperator(db, { action: "backup.restored", subject: manifest.name, detail }).finally(db.close);
      return { ...restored, point };
    });
    finish();
    const secrets = await restoreSecrets(config, { store, manifest, sealing, signal });
    output.say(text.restored(manifest.name, done.objects));
    if (done.missing.length > 0) output.say(text.lost(done.missing.length));
    for (const key of done.missing) output.say(`  ${key}`);
    if (secrets.written.length > 0) output.say(text.secretsWritten(secrets.written));
    if (secrets.different.length > 0) output.say(text.secretsDiffer(secrets.different));
    output.say(endSessions ? text.sessionsEnded : text.sessionsKept);
    output.say(text.sweepsWait);
    output.result({ ok: done.missing.length === 0, name: manifest.name, ...done, secrets });
    return done.missing.length === 0 ? 0 : 1;
  },
});
