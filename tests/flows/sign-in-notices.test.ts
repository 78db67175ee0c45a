import { afterAll, beforeAll, expect, test } from "bun:test";
import { codeAt, stepAt } from "../../api/accounts/totp.ts";
import { type System, startSystem } from "../harness.ts";
import { clientId, clientSecret, type IdentityServer, openBrowser, startIdentityServer } from "../identity-server.ts";
import { type MailServer, startMailServer } from "../mail-server.ts";

let system: System;
let there: IdentityServer;
let mails: MailServer;

beforeAll(async () => {
  there = await startIdentityServer();
  mails = await startMailServer();
  system = await startSystem({
    pods: 1,
    environment: {
      SMTP_URL: mails.url,
      MAIL_FROM: "Sunduk <noreply@chest.example>",
      OIDC_PROVIDERS: JSON.stringify([{ id: "there", issuer: there.issuer, clientId, clientSecret }]),
    },
  });
  await there.open([`${system.url}/v1/auth/oidc/there/callback`]);
});
afterAll(async () => {
  await system?.stop();
  await mails?.close();
  await there?.stop();
});

test("whoever has proved his address is told when a second factor or a provider comes or goes", async () => {
  const user = await system.signUp();
  const email = `${user.login}@mail.example`;
  await system.db.query({
    name: "test_email",
    text: `update account."user" set email = $2, email_verified_at = now(), locale = 'ru' where login = $1`,
    values: [user.login, email],
  });
  const told = async () => {
    const mail = await mails.waitForMail(email, /изменён/);
    expect(mail.text).toContain(`Здравствуйте, ${user.login}!`);
    expect(mail.text).toContain("сразу задайте новый пароль");
  };
  const { secret } = (await user.call("POST", "/v1/me/totp")).json;
  const code = codeAt(secret, stepAt(Date.now()));
  const confirmed = await user.call("POST", "/v1/me/totp/confirm", { body: { code } });
  await told();
  const [recovery] = confirmed.json.recoveryCodes;
  expect((await user.call("DELETE", "/v1/me/totp", { body: { code: recovery } })).status).toBe(204);
  await told();
  there.people.set("somebody", {});
  const browser = openBrowser();
  const headers = { authorization: `Bearer ${user.token}` };
  const begun = await browser.fetch(`${system.url}/v1/me/identities/there`, { method: "POST", headers });
  const back = await browser.signIn(begun.json.url, {
    login: "somebody",
    until: `${system.url}/v1/auth/oidc/there/callback`,
  });
  expect((await browser.fetch(back)).status).toBe(200);
  await told();
  expect((await user.call("DELETE", "/v1/me/identities/there")).status).toBe(204);
  await told();
  const { json } = await user.call("GET", "/v1/me/activity");
  expect(json.items.slice(0, 4).map(({ kind }: { kind: string }) => kind)).toEqual([
    "provider-unlinked",
    "provider-linked",
    "second-factor-removed",
    "second-factor-added",
  ]);
});
