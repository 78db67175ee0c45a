import { expect, test } from "bun:test";
import { checkMail } from "../../cli/doctor/mail.ts";
import { doctorMessages } from "../../cli/doctor/messages.ts";
import { readConfig } from "../../config.ts";
import { startMailServer } from "../mail-server.ts";

const look = (SMTP_URL?: string) => {
  const environment = SMTP_URL === undefined ? {} : { SMTP_URL, MAIL_FROM: "a@b.example" };
  return checkMail({ config: readConfig({ environment }), text: doctorMessages("en") });
};

test("the mail server is asked whether it is there, and nothing is sent", async () => {
  const server = await startMailServer();
  expect(await look(server.url)).toMatchObject({ area: "mail", state: "ok" });
  expect(server.received).toEqual([]);
  await server.close();
  const away = await look(server.url.replace("//", "//user:hunter2@"));
  expect(away).toMatchObject({ area: "mail", state: "broken" });
  expect(JSON.stringify(away)).not.toContain("hunter2");
});

test("without a mail server there is nothing to look at", async () => {
  expect(await look()).toMatchObject({ area: "mail", state: "skipped" });
});
