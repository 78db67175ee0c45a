import { afterAll, beforeAll, expect, test } from "bun:test";
import { findForeignLoads } from "../api/open-test-api.ts";
import { openCall, type System, startSystem, type TestUser } from "../harness.ts";
import * as there from "../identity-server.ts";
import { type Browser, openBrowser, postForm, testPassword } from "./device.ts";

let system: System;
let user: TestUser;
let identityServer: there.IdentityServer;

beforeAll(async () => {
  identityServer = await there.startIdentityServer();
  const { clientId, clientSecret } = there;
  const provider = { id: "there", name: "There", issuer: identityServer.issuer, clientId, clientSecret };
  const clients = [{ id: "test-launcher", name: "Test <b>Launcher</b>", scopes: ["packs:read", "account:read"] }];
  system = await startSystem({
    environment: { OAUTH_CLIENTS: JSON.stringify(clients), OIDC_PROVIDERS: JSON.stringify([provider]) },
    pods: 0,
  });
  await identityServer.open([`${system.url}/v1/auth/oidc/there/callback`]);
  user = await system.signUp("player");
});
afterAll(async () => {
  await system?.stop();
  await identityServer?.stop();
});

async function begin(fields: Record<string, string> = {}, headers: Record<string, string> = {}) {
  const url = `${system.url}/oauth/device_authorization`;
  const { json } = await postForm(url, { client_id: "test-launcher", ...fields }, headers);
  return { userCode: String(json.user_code), deviceCode: String(json.device_code) };
}
const stateOf = async (deviceCode: string) => {
  const grant_type = "urn:ietf:params:oauth:grant-type:device_code";
  const fields = { grant_type, client_id: "test-launcher", device_code: deviceCode };
  const { status, json } = await postForm(`${system.url}/oauth/token`, fields);
  return status === 200 ? "let in" : json.error === "slow_down" ? "authorization_pending" : json.error;
};
const look = (browser: Browser, userCode: string, more: Record<string, string> = {}, headers = {}) =>
  browser.post({ action: "look", user_code: userCode, login: user.login, password: testPassword, ...more }, headers);

test("the page is plain HTML in two languages: no script, nothing from elsewhere, forms to ourselves only", async () => {
  const browser = openBrowser(system.url);
  for (const [asked, language, words] of [
    ["ru-RU,ru;q=0.9,en;q=0.5", "ru", "Код на устройстве"],
    ["de, en;q=0.5", "en", "Code on the device"],
    ["", "en", "Code on the device"],
  ] as const) {
    const { status, headers, html } = await browser.get({ "accept-language": asked });
    expect([asked, status, headers.get("content-language")]).toEqual([asked, 200, language]);
    expect(html).toContain(words);
    expect(html).toContain(`<html lang="${language}">`);
    expect(html).not.toMatch(/<script|\son\w+=|javascript:/i);
    expect(findForeignLoads(html)).toEqual([]);
    const policy = headers.get("content-security-policy");
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self';/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(headers.get("cache-control")).toBe("no-store");
  }
  // A link with a code in it is what phishers send.
  expect(await (await fetch(`${system.url}/device?user_code=BCDF-GHJK`)).text()).not.toContain("BCDF");
});

test("shows who asks, from where, since when and for what, and lets in after a yes", async () => {
  const { userCode, deviceCode } = await begin(
    { scope: "packs:read", device_name: '<img src=x onerror="alert(1)">\u202e' },
    { "user-agent": "TestLauncher/1.0" },
  );
  await system.db.query({
    name: "test_age",
    text: "update account.device_grant set created_at = now() - interval '3 minutes' where state = 'pending'",
    values: [],
  });
  const browser = openBrowser(system.url);
  const asked = await look(browser, userCode, {}, { "accept-language": "ru" });
  expect(asked.status).toBe(200);
  for (const words of [userCode, "<b>player</b>", "3 минуты назад", "видеть ваши сборки", "127.0.0.1"])
    expect(asked.html).toContain(words);
  expect(asked.html).not.toContain("видеть ваш профиль");
  expect(asked.html).toContain("Test &#60;b&#62;Launcher");
  expect(asked.html).toContain("<dd>&#60;img src=x onerror=&#34;alert(1)&#34;&#62;</dd>");
  const cookie = asked.headers.get("set-cookie") ?? "";
  expect(cookie).toMatch(/^sunduk_device=[\w.-]+; Path=\/device; HttpOnly; SameSite=Strict; Max-Age=600$/);
  expect(await stateOf(deviceCode)).toBe("authorization_pending");
  const done = await browser.post({ action: "approve" });
  expect([done.status, done.html.includes("Done: the device signs in")]).toEqual([200, true]);
  expect(done.headers.get("set-cookie")).toContain("Max-Age=0");
  expect(await stateOf(deviceCode)).toBe("let in");
});

test("a device that gave no name is shown by its User-Agent, and its user finds it among his sessions", async () => {
  const { userCode, deviceCode } = await begin({}, { "user-agent": "TestLauncher/1.0 (Linux)" });
  const browser = openBrowser(system.url);
  expect((await look(browser, userCode)).html).toContain("TestLauncher/1.0 (Linux)");
  await browser.post({ action: "approve" });
  await stateOf(deviceCode);
  const { json } = await user.call("GET", "/v1/auth/sessions");
  expect(json.items).toContainEqual(expect.objectContaining({ device: "TestLauncher/1.0 (Linux)", kind: "launcher" }));
});

test("a no is final", async () => {
  const { userCode, deviceCode } = await begin();
  const browser = openBrowser(system.url);
  await look(browser, userCode);
  expect((await browser.post({ action: "deny" })).html).toContain("Denied");
  expect(await stateOf(deviceCode)).toBe("access_denied");
  expect((await browser.post({ action: "approve" })).status).toBe(404);
  expect((await look(browser, userCode)).status).toBe(404);
  expect(await stateOf(deviceCode)).toBe("access_denied");
});

test("S13: only a page of ours, in the browser that was shown the question, may answer it", async () => {
  const { userCode, deviceCode } = await begin();
  const [browser, other] = [openBrowser(system.url), openBrowser(system.url)];
  for (const origin of ["http://evil.example", "null"]) {
    expect((await look(other, userCode, {}, { origin })).status).toBe(403);
    expect(other.cookie()).toBe("");
  }
  await look(browser, userCode);
  for (const origin of ["http://evil.example", "null"])
    expect((await browser.post({ action: "approve" }, { origin })).status).toBe(403);
  const fields = new URLSearchParams({ action: "approve" });
  const bare = await fetch(`${system.url}/device`, {
    method: "POST",
    headers: { cookie: browser.cookie() },
    body: fields,
  });
  expect(bare.status).toBe(403);
  expect((await other.post({ action: "approve" })).status).toBe(404);
  const forged = browser.cookie().replace(/\..+$/, `.${"A".repeat(43)}`);
  expect((await other.post({ action: "approve" }, { cookie: forged })).status).toBe(404);
  expect(await stateOf(deviceCode)).toBe("authorization_pending");

  // The last one to look decides: the question that was shown before can be answered no longer.
  const second = await system.signUp("second-player");
  await look(other, userCode, { login: second.login });
  expect((await browser.post({ action: "approve" })).status).toBe(404);
  expect((await other.post({ action: "approve" })).status).toBe(200);
  expect(await stateOf(deviceCode)).toBe("let in");
  const { json } = await second.call("GET", "/v1/auth/sessions");
  expect(json.items.filter(({ client }: any) => client === "test-launcher").length).toBe(1);
});

test("a code may be typed as people type: small, without its dash, with blanks, with Russian letters", async () => {
  const { userCode, deviceCode } = await begin();
  const russian: Record<string, string> = { B: "в", C: "с", H: "н", K: "к", M: "м", P: "р", T: "т", X: "х" };
  const typed = [
    userCode.toLowerCase(),
    userCode.replace("-", ""),
    ` ${userCode.replace("-", " – ")} `,
    [...userCode].map((letter) => russian[letter] ?? letter).join(""),
  ];
  for (const text of typed) expect([text, (await look(openBrowser(system.url), text)).status]).toEqual([text, 200]);
  expect(await stateOf(deviceCode)).toBe("authorization_pending");
});

test("a wrong password is told on the page, which keeps what was typed and not the password", async () => {
  const { userCode, deviceCode } = await begin();
  const browser = openBrowser(system.url);
  for (const more of [{ password: "wrong password" }, { login: "nobody-here" }, { password: "" }]) {
    const { status, html } = await look(browser, userCode, more, { "accept-language": "ru" });
    expect([more, status]).toEqual([more, 401]);
    expect(html).toContain("Неверный логин или пароль.");
    expect(html).toContain(`value="${userCode}"`);
    expect(html).not.toContain("wrong password");
  }
  expect(browser.cookie()).toBe("");
  expect(await stateOf(deviceCode)).toBe("authorization_pending");
});

test("an account with a second factor is asked for it, after the code of the device was right", async () => {
  const { codeAt, stepAt } = await import("../../api/accounts/totp.ts");
  const owner = await system.signUp("careful-player");
  const { json: begun } = await owner.call("POST", "/v1/me/totp");
  const codeFor = (away: number) => codeAt(begun.secret, stepAt(Date.now()) + away);
  await owner.call("POST", "/v1/me/totp/confirm", { body: { code: codeFor(-1) } });
  const { userCode, deviceCode } = await begin();
  const browser = openBrowser(system.url);
  const missing = await look(browser, userCode, { login: owner.login });
  expect([missing.status, missing.html.includes("Now the code of your authenticator app")]).toEqual([401, true]);
  expect(browser.cookie()).toBe("");
  const code = codeFor(0);
  expect((await look(browser, "BBBB-BBBB", { login: owner.login, code })).status).toBe(404);
  expect((await look(browser, userCode, { login: owner.login, code })).status).toBe(200);
  await browser.post({ action: "approve" });
  expect(await stateOf(deviceCode)).toBe("let in");
});

test("somebody without a password signs in through a provider first, and no session of that stays", async () => {
  identityServer.people.set("discordian", { preferred_username: "discordian" });
  const browser = there.openBrowser();
  const entry = await browser.fetch(`${system.url}/device`);
  const [, start = ""] = /href="(\/v1\/auth\/oidc\/there\/start[^"]*)"/.exec(entry.text) ?? [];
  const callback = `${system.url}/v1/auth/oidc/there/callback`;
  const back = await browser.signIn(`${system.url}${start}`, { login: "discordian", until: callback });
  const arrived = await browser.fetch(back);
  expect(arrived.text).toContain('href="/device"');
  const page = await browser.fetch(`${system.url}/device`);
  expect(page.text).toContain("You are signed in as <b>discordian</b>.");
  expect(page.text).not.toContain('type="password"');

  const { userCode, deviceCode } = await begin({ scope: "account:read" });
  const origin = { origin: system.url };
  const post = (form: Record<string, string>, headers = origin) =>
    browser.fetch(`${system.url}/device`, { method: "POST", form, headers });
  expect((await post({ action: "look", user_code: userCode }, { origin: "http://evil.example" })).status).toBe(403);
  const asked = await post({ action: "look", user_code: userCode });
  expect([asked.status, asked.text.includes("<b>discordian</b>")]).toEqual([200, true]);
  expect((await post({ action: "approve" })).status).toBe(200);
  expect([...browser.cookies.keys()].filter((name) => name.includes("handover"))).toEqual([]);
  expect((await post({ action: "look", user_code: userCode })).status).toBe(401);

  const grant_type = "urn:ietf:params:oauth:grant-type:device_code";
  const fields = { grant_type, client_id: "test-launcher", device_code: deviceCode };
  const { json: tokens } = await postForm(`${system.url}/oauth/token`, fields);
  const { json } = await openCall(system.url, tokens.access_token)("GET", "/v1/auth/sessions");
  expect(json.items).toMatchObject([{ kind: "launcher" }, { kind: "web", endedReason: "its question was answered" }]);
});

test("a question that stands open when the password changes can be answered no longer", async () => {
  const owner = await system.signUp();
  const { userCode, deviceCode } = await begin();
  const browser = openBrowser(system.url);
  await look(browser, userCode, { login: owner.login });
  await system.db.query({
    name: "test_password",
    text: `update account."user" set password_changes = password_changes + 1 where login = $1`,
    values: [owner.login],
  });
  expect((await browser.post({ action: "approve" })).status).toBe(404);
  expect(await stateOf(deviceCode)).toBe("authorization_pending");
});

test("S13: with https the cookie is bound to host and https", async () => {
  const publicUrl = "https://packs.example";
  const secure = await startSystem({ environment: { PUBLIC_URL: publicUrl }, pods: 0 });
  try {
    const owner = await secure.signUp();
    const { json } = await postForm(`${secure.url}/oauth/device_authorization`, { client_id: "sunduk-cli" });
    expect(json.verification_uri).toBe(`${publicUrl}/device`);
    const fields = { action: "look", user_code: json.user_code, login: owner.login, password: testPassword };
    const browser = openBrowser(secure.url);
    expect((await browser.post(fields)).status).toBe(403);
    const asked = await browser.post(fields, { origin: publicUrl });
    expect(asked.headers.get("set-cookie")).toMatch(
      /^__Host-sunduk_device=[\w.-]+; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=600$/,
    );
    expect((await browser.post({ action: "approve" }, { origin: publicUrl })).status).toBe(200);
  } finally {
    await secure.stop();
  }
});

test("five wrong codes a minute are all that one address may type, and then not even a right one", async () => {
  const { userCode, deviceCode } = await begin();
  const statuses: number[] = [];
  for (let index = 0; index < 8; index++)
    statuses.push((await look(openBrowser(system.apiUrls[0] ?? ""), "BCDF-GHJK")).status);
  expect(statuses.filter((status) => status === 404).length).toBeLessThanOrEqual(5);
  expect(statuses.slice(-3)).toEqual([429, 429, 429]);
  const refused = await look(openBrowser(system.apiUrls[0] ?? ""), userCode);
  expect([refused.status, refused.html.includes("Too many tries")]).toEqual([429, true]);
  expect(await stateOf(deviceCode)).toBe("authorization_pending");
  expect((await openCall(system.url)("GET", "/device")).status).toBe(200);
});
