import { afterAll, beforeAll, expect, test } from "bun:test";
import { openCall, type System, startSystem, waitFor } from "../harness.ts";
import { type MailServer, startMailServer, tokenOf } from "../mail-server.ts";

const password = "a long test password";
let mails: MailServer;
let system: System;
beforeAll(async () => {
  mails = await startMailServer();
  system = await startSystem({ environment: { SMTP_URL: mails.url, MAIL_FROM: "noreply@chest.example" } });
});
afterAll(async () => {
  await system?.stop();
  await mails?.close();
});

test.each([
  ["en", /was deleted/, /had back with its password/],
  ["ru", /удалена/, /вернуть по паролю/],
])(
  "who has deleted an account is told so at his proved address, in his language (%s)",
  async (locale, subject, text) => {
    const [login, email] = [`leaver-${locale}`, `leaver-${locale}@mail.example`];
    const headers = { "accept-language": locale };
    const made = await system.call("POST", "/v1/auth/register", { body: { login, email, password }, headers });
    const verified = await system.call("POST", "/v1/auth/email/verify", {
      body: { token: tokenOf(await mails.waitForMail(email), "verify") },
    });
    expect(verified.status).toBe(200);
    const call = openCall(system.url, made.json.accessToken);
    const { json } = await call("DELETE", "/v1/me", { body: { password } });
    const mail = await mails.waitForMail(email, subject);
    expect(mail.text).toMatch(text);
    expect(mail.text).toContain(json.eraseAfter.slice(0, 10));

    // Erased with him: what was written to him, and where.
    await system.db.query({
      name: "test_pass_time",
      text: `update account."user" set erase_after = now() - interval '1 second' where login = $1`,
      values: [login],
    });
    const query = (text: string) => system.db.query({ name: `test_mails_${text.length}`, text, values: [email] });
    await waitFor(
      async () => (await query(`select from account."user" where email = $1`)).rows.length === 0,
      "the account to be erased",
    );
    expect((await query(`select from mail.mail where recipient = $1`)).rows).toEqual([]);
    expect((await query(`select from account.mail_link where email = $1`)).rows).toEqual([]);
  },
);
