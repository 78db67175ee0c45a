import { findCondition } from "../../backup/run.ts";
import { openLog } from "../../log.ts";
import { defineCommand } from "../arguments.ts";
import { withDatabase } from "../database.ts";
import { readSettings } from "../settings.ts";
import { backupMessages } from "./messages.ts";
import { placeOptions } from "./place.ts";

/** `sunduk backup schedule`: what the settings say, and how the last one went. Exits with 1 when it is late or lacks objects. */
export const command = defineCommand({
  name: "backup schedule",
  usage: "backup schedule [--data DIR]",
  summary: "Show when backups are made, and how the last one went",
  options: placeOptions,
  positionals: [],
  async run({ values, output, signal }) {
    const text = backupMessages(output.language);
    const config = readSettings(values);
    const log = openLog({ level: "warn", service: "backup" });
    const condition = await withDatabase({ config, log, signal }, (db) => findCondition(db, config));
    const { state, place, last, wholeAt } = condition;
    const { BACKUP_EVERY_HOURS: everyHours, BACKUP_KEEP: keep } = config;
    output.say(state === "off" ? text.unscheduled : text.scheduled(everyHours, place, keep));
    const at = last?.beganAt.toISOString() ?? "";
    if (!last) output.say(text.never);
    else if (last.problem !== null) output.say(text.failed(at, last.problem));
    else if (last.name !== null) output.say(text.last(at, last.name));
    if (state === "late") output.say(text.late);
    if (last && last.damaged > 0) output.say(text.lost(last.damaged));
    const ok = state !== "late" && state !== "damaged";
    output.result({ ok, state, place, everyHours, keep, last: last ?? null, wholeAt: wholeAt?.toISOString() ?? null });
    return ok ? 0 : 1;
  },
});
