import { makeInvite } from "../api/accounts/invites.ts";
import { openLog } from "../log.ts";
import { defineCommand, usageFault } from "./arguments.ts";
import { withDatabase } from "./database.ts";
import { noteOperator } from "./ops/note.ts";
import { readSettings } from "./settings.ts";

const usage = "admin invite [--note TEXT] [--days N] [--data DIR]";
const maxDays = 365;
const maxNoteLength = 200;

/** `sunduk admin invite`: a code with which one account is made where registration is by invitation. */
export const command = defineCommand({
  name: "admin invite",
  usage,
  summary: "Make an invite: a code for one account",
  options: {
    note: { type: "string" },
    days: { type: "string" },
    data: { type: "string" },
    config: { type: "string" },
  },
  positionals: [],
  async run({ values: { note = "", days = "14", ...values }, output, signal }) {
    const lifetimeDays = Number(days);
    if (!/^\d+$/.test(days) || lifetimeDays < 1 || lifetimeDays > maxDays)
      throw usageFault(`Make an invite: --days is 1 to ${maxDays}, not "${days}"`, usage);
    if (note.length > maxNoteLength)
      throw usageFault(`Make an invite: --note has at most ${maxNoteLength} characters`, usage);
    const config = readSettings(values);
    const log = openLog({ level: "warn", service: "admin" });
    const made = await withDatabase({ config, log, signal }, (db) =>
      db.transaction(async (tx) => {
        const invite = await makeInvite(tx, { note, lifetimeDays, createdBy: null });
        await noteOperator(tx, { action: "invite.created", subject: invite.id });
        return invite;
      }),
    );
    const { text } = output;
    output.say(text.inviteMade(lifetimeDays));
    if (config.REGISTRATION !== "invite") output.say(text.inviteUnneeded(config.REGISTRATION));
    if (!output.json) output.say(made.code);
    output.result({ ok: true, ...made });
  },
});
