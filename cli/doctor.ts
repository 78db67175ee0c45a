import type { Config } from "../config.ts";
import { openLog } from "../log.ts";
import { defineCommand } from "./arguments.ts";
import { checkDisk, checkFolder } from "./doctor/folder.ts";
import { checkKeys } from "./doctor/keys.ts";
import { checkMail } from "./doctor/mail.ts";
import { type DoctorMessages, doctorMessages } from "./doctor/messages.ts";
import { checkAddress, checkDatabase, checkRedis } from "./doctor/parts.ts";
import { type Area, type Finding, reasonOf } from "./doctor/report.ts";
import { checkBun, checkSettings } from "./doctor/settings.ts";
import { checkStorage } from "./doctor/storage.ts";
import { noteBeside } from "./ops/note.ts";
import type { Output } from "./output.ts";

type Asked = { environment: Record<string, string | undefined>; file: string | undefined };

/**
 * `sunduk doctor`: looks at everything that the server needs, whether it runs or not; exits with 1 when something is broken.
 * With `--fix` it does what is safe to do, and looks again.
 */
export const command = defineCommand({
  name: "doctor",
  usage: "doctor [--fix] [--data DIR] [--config FILE]",
  summary: "Check this machine and the settings, say what to do, and do what is safe (--fix)",
  options: { fix: { type: "boolean" }, data: { type: "string" }, config: { type: "string" } },
  positionals: [],
  async run({ values, output }) {
    const text = doctorMessages(output.language);
    const environment = { ...process.env, ...(values.data !== undefined && { DATA: values.data }) };
    const asked = { environment, file: values.config };
    const first = await look(asked, text);
    const fixed = values.fix ? await repair(first, { output, text }) : [];
    const { findings, config } = fixed.length > 0 ? await look(asked, text) : first;
    if (config && fixed.length > 0) await noteBeside(config, { action: "doctor.fixed", detail: { areas: fixed } });
    for (const finding of findings) output.say(tell(finding, text));
    const broken = findings.filter(({ state }) => state === "broken").length;
    output.say(broken === 0 ? text.sound : text.unsound(broken));
    output.result({
      ok: broken === 0,
      checks: findings.map(({ repair: can, ...finding }) => ({
        ...finding,
        why: text.why[finding.area],
        fixable: can !== undefined,
      })),
      ...(values.fix && { fixed }),
    });
    return broken === 0 ? 0 : 1;
  },
});

type Look = { findings: Finding[]; config: Config | undefined };

async function look({ environment, file }: Asked, text: DoctorMessages): Promise<Look> {
  const { findings, config } = checkSettings({ environment, file }, text);
  findings.push(checkBun(text));
  if (!config) return { findings, config };
  const looking = { config, text, log: openLog({ level: "silent", service: "doctor" }) };
  const looks = [
    checkFolder(config.DATA, text),
    checkDisk(config.DATA, text),
    checkKeys(looking),
    checkDatabase(looking),
    checkRedis(looking),
    checkStorage(looking),
    checkAddress(looking),
    checkMail(looking),
  ];
  return { findings: [...findings, ...(await Promise.all(looks)).flat()], config };
}

/** Does what can be done, one after the other, and answers with the areas where it was. */
async function repair({ findings }: Look, { output, text }: { output: Output; text: DoctorMessages }): Promise<Area[]> {
  const done: Area[] = [];
  for (const { area, detail, repair: mend } of findings) {
    if (!mend) continue;
    try {
      await mend();
      output.say(text.fixed(text.areas?.[area] ?? area, detail));
      done.push(area);
    } catch (error) {
      output.say(text.notFixed(text.areas?.[area] ?? area, reasonOf(error)));
    }
  }
  return done;
}

function tell({ area, state, detail, fix }: Finding, text: DoctorMessages): string {
  const line = `${text.states[state].padEnd(8)} ${text.areas?.[area] ?? area}: ${detail}`;
  if (fix === undefined) return line;
  return `${line}\n         ${text.whyLabel}: ${text.why[area]}\n         ${text.fixLabel}: ${fix}`;
}
