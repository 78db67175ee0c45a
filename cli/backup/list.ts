import { listNames, openBackup } from "../../backup/catalogue.ts";
import type { Manifest } from "../../backup/manifest.ts";
import { openStore } from "../../backup/store.ts";
import { Fault } from "../../fault.ts";
import { defineCommand } from "../arguments.ts";
import { formatBytes } from "../output.ts";
import { readSettings } from "../settings.ts";
import { backupMessages } from "./messages.ts";
import { placeOptions } from "./place.ts";

/** `sunduk backup list`: what is there, oldest first. Needs no passphrase. */
export const command = defineCommand({
  name: "backup list",
  usage: "backup list [--from DIR|s3://BUCKET/DIR] [--data DIR]",
  summary: "List the backups and restore points",
  options: { ...placeOptions, from: { type: "string" } },
  positionals: [],
  async run({ values, output }) {
    const text = backupMessages(output.language);
    const config = readSettings(values);
    const store = await openStore({ config, to: values.from, encrypt: false });
    const { whole, begun } = await listNames(store);
    const found: (Manifest | { name: string; problem: string })[] = [];
    for (const name of whole) {
      try {
        found.push(await openBackup(store, name));
      } catch (error) {
        if (!(error instanceof Fault && error.code === "invalid")) throw error;
        found.push({ name, problem: error.message });
      }
    }
    const rows = found.map((backup) => {
      if ("problem" in backup) return [backup.name, "", text.unreadable, "", "", "", ""];
      const { name, madeAt, kind, tables, objects, encrypted } = backup;
      const count = tables.reduce((sum, table) => sum + table.rows, 0);
      const about = [
        encrypted ? text.encrypted : "",
        objects.damaged.length > 0 ? text.lost(objects.damaged.length) : "",
      ];
      const sizes = [String(count), String(objects.count), formatBytes(objects.sizeBytes)];
      return [name, madeAt, text.kinds[kind], ...sizes, about.filter(Boolean).join(", ")];
    });
    output.say(rows.length === 0 ? text.none(store.place) : text.table(rows));
    if (begun.length > 0) output.say(text.begun(begun));
    const backups = found.map((backup) => {
      if ("problem" in backup) return backup;
      const { name, kind, why, madeAt, program, encrypted, objects, secrets } = backup;
      return { name, kind, why, madeAt, program, encrypted, secrets, objects };
    });
    output.result({ ok: true, place: store.place, backups, begun });
  },
});
