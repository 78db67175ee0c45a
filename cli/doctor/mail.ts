import type { Config } from "../../config.ts";
import { openTransport } from "../../workers/smtp.ts";
import type { DoctorMessages } from "./messages.ts";
import { type Finding, reasonOf } from "./report.ts";

/** Whether the mail server, when there is one, answers and lets us in. Nothing is sent. */
export async function checkMail({ config, text }: { config: Config; text: DoctorMessages }): Promise<Finding> {
  const area = "mail";
  if (!config.SMTP_URL) return { area, state: "skipped", detail: text.noMail };
  const transport = openTransport(config.SMTP_URL);
  try {
    await transport.verify();
    return { area, state: "ok", detail: text.mail(new URL(config.SMTP_URL).host) };
  } catch (error) {
    return { area, state: "broken", detail: reasonOf(error), fix: text.fixMail };
  } finally {
    transport.close();
  }
}
