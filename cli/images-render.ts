import { openLog } from "../log.ts";
import { backfillImages } from "../queues/backfill-images.ts";
import { want } from "../queues/mailbox.ts";
import { defineCommand, usageFault } from "./arguments.ts";
import { withDatabase } from "./database.ts";
import { noteOperator } from "./ops/note.ts";
import { readSettings } from "./settings.ts";

const usage = "images render --missing|--all [--data DIR]";

/** `sunduk images render`: leaves the wish in the database, where the pods find it within a minute. */
export const command = defineCommand({
  name: "images render",
  usage,
  summary: "Make the variants that images lack, or those of all images again",
  options: {
    missing: { type: "boolean" },
    all: { type: "boolean" },
    data: { type: "string" },
    config: { type: "string" },
  },
  positionals: [],
  async run({ values, output, signal }) {
    if (Boolean(values.missing) === Boolean(values.all))
      throw usageFault("Render images: choose --missing or --all", usage);
    const config = readSettings(values);
    const log = openLog({ level: "warn", service: "images" });
    const before = values.all ? { before: new Date().toISOString() } : {};
    const { jobId } = await withDatabase({ config, log, signal }, (db) =>
      db.transaction(async (tx) => {
        await noteOperator(tx, { action: "images.rendered", subject: values.all ? "all" : "missing" });
        return want(tx, backfillImages, { payload: { scope: "all", ...before } });
      }),
    );
    output.say(output.text.imagesWanted);
    output.result({ ok: true, job: jobId });
  },
});
