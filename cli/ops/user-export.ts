import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { findKeptUser, listKeptObjects, listKeptRows } from "../../db/user-export.ts";
import { Fault, hasCode } from "../../fault.ts";
import { openLog } from "../../log.ts";
import { defineCommand } from "../arguments.ts";
import { withDatabase } from "../database.ts";
import { readSettings } from "../settings.ts";
import { opsMessages } from "./messages.ts";
import { noteOperator } from "./note.ts";

/** `sunduk user export`: everything that is kept of somebody, for whom it is about. */
export const command = defineCommand({
  name: "user export",
  usage: "user export LOGIN [--to FILE] [--data DIR]",
  summary: "Write everything that is kept of somebody into a JSON file",
  options: { to: { type: "string" }, data: { type: "string" }, config: { type: "string" } },
  positionals: ["LOGIN"],
  async run({ values, positionals: [name], output, signal }) {
    const login = name.toLowerCase();
    const config = readSettings(values);
    const log = openLog({ level: "warn", service: "export" });
    const found = await withDatabase({ config, log, signal }, (db) =>
      db.transaction(async (tx) => {
        const user = await findKeptUser(tx, login);
        if (!user) throw new Fault("not-found", `Export an account: there is no "${login}"`);
        await noteOperator(tx, { action: "user.exported", subject: user.id });
        return { kept: await listKeptRows(tx, user.id), objects: await listKeptObjects(tx, user.id) };
      }),
    );
    const file = resolve(values.to ?? `sunduk-${login}.json`);
    const whole = { login, exportedAt: new Date().toISOString(), ...found };
    await writeFile(file, `${JSON.stringify(whole, null, 1)}\n`, { mode: 0o600, flag: "wx" }).catch((cause) => {
      if (!hasCode(cause, "EEXIST")) throw cause;
      throw new Fault("conflict", `Export an account: ${file} is there already; name another with --to`, { cause });
    });
    const rows = Object.values(found.kept).reduce((sum, part) => sum + part.length, 0);
    const objects = found.objects.length;
    output.say(opsMessages(output.language).exported(login, rows, objects, file));
    output.result({ ok: true, login, file, rows, objects });
  },
});
