import { chooseBackup } from "../../backup/catalogue.ts";
import { openStore } from "../../backup/store.ts";
import { verifyBackup } from "../../backup/verify.ts";
import { openLog } from "../../log.ts";
import { defineCommand } from "../arguments.ts";
import { withDatabaseUrl } from "../database.ts";
import { readSettings } from "../settings.ts";
import { backupMessages } from "./messages.ts";
import { openInstalled, placeOptions, showSteps } from "./place.ts";

/** `sunduk backup verify`: restores into a scratch database beside ours and reads every object. Exits with 1 when anything is wrong. */
export const command = defineCommand({
  name: "backup verify",
  usage: "backup verify [NAME|latest] [--from DIR|s3://BUCKET/DIR] [--data DIR]",
  summary: "Restore a backup into a scratch database, and read all its objects",
  options: { ...placeOptions, from: { type: "string" } },
  positionals: ["NAME?"],
  async run({ values, positionals: [name = "latest"], output, signal }) {
    const text = backupMessages(output.language);
    const config = readSettings(values);
    const log = openLog({ level: "warn", service: "backup" });
    const store = await openStore({ config, to: values.from, encrypt: false });
    const chosen = await chooseBackup(store, name);
    const { onStep, finish } = showSteps(output, text);
    const { problems, rows, objects } = await withDatabaseUrl({ config, log, signal }, (url) =>
      verifyBackup({ store, ...chosen, url, installed: openInstalled(config), onStep, signal }),
    );
    finish();
    const known = chosen.manifest.name;
    output.say(problems.length === 0 ? text.sound(known, rows, objects) : text.unsound(known, problems.length));
    for (const problem of problems) output.say(`  ${problem}`);
    output.result({ ok: problems.length === 0, name: known, rows, objects, problems });
    return problems.length === 0 ? 0 : 1;
  },
});
