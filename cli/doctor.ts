import { openLog } from "../log.ts";
import { defineCommand } from "./arguments.ts";
import { checkDisk, checkFolder } from "./doctor/folder.ts";
import { checkMail } from "./doctor/mail.ts";
import { type DoctorMessages, doctorMessages } from "./doctor/messages.ts";
import { checkAddress, checkDatabase, checkRedis, checkStorage } from "./doctor/parts.ts";
import type { Finding } from "./doctor/report.ts";
import { checkBun, checkSettings } from "./doctor/settings.ts";

/** `sunduk doctor`: looks at everything that the server needs, whether it runs or not; exits with 1 when something is broken. */
export const command = defineCommand({
  name: "doctor",
  usage: "doctor [--data DIR] [--config FILE]",
  summary: "Check this machine and the settings, and say what to do",
  options: { data: { type: "string" }, config: { type: "string" } },
  positionals: [],
  async run({ values, output }) {
    const text = doctorMessages(output.language);
    const environment = { ...process.env, ...(values.data !== undefined && { DATA: values.data }) };
    const { findings, config } = checkSettings({ environment, file: values.config }, text);
    findings.push(checkBun(text));
    if (config) {
      const looking = { config, text, log: openLog({ level: "silent", service: "doctor" }) };
      const looks = [
        checkFolder(config.DATA, text),
        checkDisk(config.DATA, text),
        checkDatabase(looking),
        checkRedis(looking),
        checkStorage(looking),
        checkAddress(looking),
        checkMail(looking),
      ];
      findings.push(...(await Promise.all(looks)).flat());
    }
    for (const finding of findings) output.say(tell(finding, text));
    const broken = findings.filter(({ state }) => state === "broken").length;
    output.say(broken === 0 ? text.sound : text.unsound(broken));
    output.result({
      ok: broken === 0,
      checks: findings.map((finding) => ({ ...finding, why: text.why[finding.area] })),
    });
    return broken === 0 ? 0 : 1;
  },
});

function tell({ area, state, detail, fix }: Finding, text: DoctorMessages): string {
  const line = `${text.states[state].padEnd(8)} ${text.areas?.[area] ?? area}: ${detail}`;
  if (fix === undefined) return line;
  return `${line}\n         ${text.whyLabel}: ${text.why[area]}\n         ${text.fixLabel}: ${fix}`;
}
