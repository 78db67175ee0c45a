import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readSecret } from "../data-folder.ts";
import { Fault } from "../fault.ts";
import { rotateSigningKeys } from "../keys.ts";
import { openVault } from "../keys-vault.ts";
import { defineCommand, usageFault } from "./arguments.ts";
import { opsMessages } from "./ops/messages.ts";
import { noteBeside } from "./ops/note.ts";
import { readSettings } from "./settings.ts";

const usage = "keys rotate [--lead SECONDS] [--drop] [--data DIR]";
/** Whoever verifies tokens keeps our public keys for a minute: by then he has the new one. */
const defaultLeadSeconds = 90;

/** `sunduk keys rotate`: a new signing key, without a restart. The former one is published until its last token has expired. */
export const command = defineCommand({
  name: "keys rotate",
  usage,
  summary: "Make a new signing key; the former stays valid until its tokens have expired (--drop: not at all)",
  options: {
    lead: { type: "string" },
    drop: { type: "boolean" },
    data: { type: "string" },
    config: { type: "string" },
  },
  positionals: [],
  async run({ values, output }) {
    const leadSeconds = values.lead === undefined ? defaultLeadSeconds : Number(values.lead);
    if (!Number.isInteger(leadSeconds) || leadSeconds < 5 || leadSeconds > 86_400)
      throw usageFault("Rotate the keys: --lead is a number of seconds from 5 to 86400", usage);
    const config = readSettings(values);
    const options = { nowSeconds: Math.floor(Date.now() / 1000), leadSeconds, drop: values.drop ?? false };
    let made: Awaited<ReturnType<typeof rotateSigningKeys>> | undefined;
    const rotate = async (text: string | undefined) => {
      if (!text) throw new Fault("not-found", "Cannot rotate the keys: there is none yet. Start Sunduk once");
      made = await rotateSigningKeys(text, options);
      return made.text;
    };
    const vault = openVault(config);
    if (vault) await vault.write(async ({ SIGNING_KEY }) => ({ SIGNING_KEY: await rotate(SIGNING_KEY) }));
    else {
      const own = await readSecret(config.DATA, "SIGNING_KEY");
      const file = config.SIGNING_KEY_FILE ?? (own ? join(config.DATA, "secrets", "SIGNING_KEY") : undefined);
      if (file === undefined || (config.SIGNING_KEY && !config.SIGNING_KEY_FILE))
        throw new Fault(
          "conflict",
          "Cannot rotate the keys: SIGNING_KEY is in the environment of the processes. Put it into a file and name it with SIGNING_KEY_FILE",
        );
      const text = await rotate(config.SIGNING_KEY_FILE ? config.SIGNING_KEY : own);
      await writeFile(`${file}.new`, text, { mode: 0o600 });
      await rename(`${file}.new`, file);
    }
    if (!made) throw new Fault("internal", "Rotate the keys: nothing was written");
    const { kid } = made;
    const act = { action: "keys.rotated", subject: kid, detail: { drop: values.drop ?? false } } as const;
    if (!(await noteBeside(config, act))) output.say(opsMessages(output.language).notNoted);
    const signsFrom = toTime(made.signsFrom);
    const formerUntil = made.formerUntil === undefined ? undefined : toTime(made.formerUntil);
    output.say(output.text.keyMade({ kid, signsFrom, formerUntil }));
    output.result({ ok: true, kid, signsFrom, ...(formerUntil !== undefined && { formerUntil }) });
  },
});

const toTime = (seconds: number) => new Date(seconds * 1000).toISOString();
