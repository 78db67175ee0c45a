import { afterAll, beforeAll, expect, test } from "bun:test";
import { codeAt, stepAt } from "../../api/accounts/totp.ts";
import { openCall, type System, startSystem, type TestUser } from "../harness.ts";
import {
  type Browser,
  clientId,
  clientSecret,
  type IdentityServer,
  openBrowser,
  readForm,
  startIdentityServer,
} from "../identity-server.ts";

let system: System;
let there: IdentityServer;
let counted = 0;

beforeAll(async () => {
  there = await startIdentityServer();
  const shared = { issuer: there.issuer, clientId, clientSecret };
  system = await startSystem({
    pods: 0,
    environment: {
      OIDC_PROVIDERS: JSON.stringify([
        { id: "there", name: "There", ...shared },
        { id: "trusted", name: "Trusted", ...shared, linkVerifiedEmail: true },
        { id: "away", issuer: "http://127.0.0.1:1", clientId },
      ]),
    },
  });
  await there.open(["there", "trusted"].map((id) => callbackOf(id)));
});
afterAll(async () => {
  await system?.stop();
  await there?.stop();
});

const callbackOf = (id: string) => `${system.url}/v1/auth/oidc/${id}/callback`;
const startOf = (id: string, query = "") => `${system.url}/v1/auth/oidc/${id}/start${query}`;
const asJson = { accept: "application/json" };

/** Somebody who has an account with the provider. */
function person(claims: Record<string, unknown> = {}): string {
  const sub = `person-${++counted}-${crypto.randomUUID().slice(0, 8)}`;
  there.people.set(sub, claims);
  return sub;
}

type Arrive = { id?: string; browser?: Browser; start?: string };

/** Signs in with the provider up to the address that the browser is sent back to, without opening it. */
function comeBack(login: string, { id = "there", browser = openBrowser(), start }: Arrive = {}): Promise<string> {
  return browser.signIn(start ?? startOf(id), { login, until: callbackOf(id) });
}

/** Signs in through the provider; answers as JSON. */
async function enter(login: string, { id = "there", browser = openBrowser() }: Arrive = {}) {
  return browser.fetch(await comeBack(login, { id, browser }), { headers: asJson });
}

async function setEmail(login: string, email: string, verified: boolean): Promise<void> {
  await system.db.query({
    name: "test_email",
    text: `update account."user" set email = $2, email_verified_at = case when $3 then now() end where login = $1`,
    values: [login, email, verified],
  });
}

const countUsers = async () => {
  const { rows } = await system.db.query({ name: "test_users", text: `select id from account."user"`, values: [] });
  return rows.length;
};

async function link(user: TestUser, login: string, id = "there") {
  const browser = openBrowser();
  const begun = await browser.fetch(`${system.url}/v1/me/identities/${id}`, {
    method: "POST",
    headers: { ...asJson, authorization: `Bearer ${user.token}` },
  });
  if (begun.status !== 200) return begun;
  return browser.fetch(await comeBack(login, { id, browser, start: begun.json.url }), { headers: asJson });
}

test("somebody new gets an account with a login of his own, and the same one when he comes again", async () => {
  const login = person({ preferred_username: "Вася Щукин", email: "vasya@there.example", email_verified: true });
  const first = await enter(login);
  expect([first.status, first.json.user.login]).toEqual([200, "vasya-shchukin"]);
  expect(first.headers.get("cache-control")).toContain("no-store");
  const call = openCall(system.url, first.json.accessToken);
  const { json } = await call("GET", "/v1/auth/sessions");
  expect(json.items).toMatchObject([{ kind: "web", current: true }]);
  expect((await call("GET", "/v1/me/identities")).json.items).toMatchObject([
    { provider: "there", name: "There", email: "vasya@there.example" },
  ]);
  const again = await enter(login);
  expect(again.json.user.id).toBe(first.json.user.id);
  // Another one of that name gets a login of his own.
  const namesake = await enter(person({ preferred_username: "Вася Щукин" }));
  expect(namesake.json.user.login).toMatch(/^vasya-shchukin-\d{4}$/);
  // The address is not proved here: it neither signs in nor resets.
  const { rows } = await system.db.query({
    name: "test_proved",
    text: `select email, email_verified_at from account."user" where id = $1`,
    values: [first.json.user.id],
  });
  expect(rows).toEqual([{ email: "vasya@there.example", email_verified_at: null }]);
});

test("the question asks for PKCE with S256, a state and a nonce, and no secret is kept in the database", async () => {
  const browser = openBrowser();
  const begun = await browser.fetch(startOf("there"));
  expect(begun.status).toBe(303);
  const url = new URL(begun.headers.get("location") ?? "");
  expect(Object.fromEntries(url.searchParams)).toMatchObject({
    response_type: "code",
    code_challenge_method: "S256",
    redirect_uri: callbackOf("there"),
    scope: "openid profile email",
  });
  const cookie = begun.headers.get("set-cookie") ?? "";
  for (const part of ["HttpOnly", "SameSite=Lax", "Path=/v1"]) expect(cookie).toContain(part);
  const { rows } = await system.db.query({
    name: "test_flows",
    text: "select * from account.provider_flow",
    values: [],
  });
  const kept = JSON.stringify(rows);
  for (const name of ["state", "nonce", "code_challenge"]) expect(kept).not.toContain(url.searchParams.get(name) ?? "");
  for (const value of browser.cookies.values()) expect(kept).not.toContain(value);
});

test("a browser gets a page without a token, and our own page fetches the tokens once by its cookie", async () => {
  const browser = openBrowser();
  const url = await comeBack(person(), { browser, start: startOf("there", "?returnTo=/packs/a%3Fb=c") });
  const page = await browser.fetch(url, { headers: { "accept-language": "ru" } });
  expect([page.status, page.headers.get("content-language")]).toEqual([200, "ru"]);
  expect(page.text).toContain("Вы вошли");
  expect(page.text).toContain('href="/packs/a?b=c"');
  expect(page.text).not.toMatch(/eyJ|<script/);
  expect(page.headers.get("set-cookie")).toMatch(/HttpOnly; SameSite=Strict; Max-Age=300$/);
  const redeem = (headers: Record<string, string>) =>
    browser.fetch(`${system.url}/v1/auth/oidc/redeem`, { method: "POST", headers: { ...asJson, ...headers } });
  expect((await redeem({ origin: "https://elsewhere.example" })).status).toBe(403);
  const cookies = new Map(browser.cookies);
  const tokens = await redeem({ origin: system.url });
  expect([tokens.status, typeof tokens.json.accessToken]).toEqual([200, "string"]);
  expect((await openCall(system.url, tokens.json.accessToken)("GET", "/v1/auth/sessions")).status).toBe(200);
  const refreshed = await system.call("POST", "/v1/auth/refresh", { body: { refreshToken: tokens.json.refreshToken } });
  expect(refreshed.status).toBe(200);
  for (const [name, value] of cookies) browser.cookies.set(name, value);
  expect((await redeem({ origin: system.url })).status).toBe(401);
});

test("L12: an answer is good once, also when it comes ten times at the same moment", async () => {
  const browser = openBrowser();
  const url = await comeBack(person(), { browser });
  const answers = await Promise.all(Array.from({ length: 10 }, () => browser.fetch(url, { headers: asJson })));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 9 }, () => 400)]);
  const replayed = await browser.fetch(url, { headers: asJson });
  expect([replayed.status, replayed.json.reason]).toEqual([400, "begin-again"]);
});

test("an answer for another browser, another state, another issuer or another provider signs nobody in", async () => {
  const before = await countUsers();
  const change: [what: string, change: (url: URL) => void][] = [
    ["another state", (url) => url.searchParams.set("state", "x".repeat(43))],
    ["no state", (url) => url.searchParams.delete("state")],
    ["another issuer", (url) => url.searchParams.set("iss", "https://evil.example")],
    ["no issuer", (url) => url.searchParams.delete("iss")],
    ["another code", (url) => url.searchParams.set("code", "x".repeat(43))],
    [
      "another provider",
      (url) => {
        url.pathname = url.pathname.replace("there", "trusted");
      },
    ],
  ];
  for (const [what, apply] of change) {
    const browser = openBrowser();
    const url = new URL(await comeBack(person(), { browser }));
    apply(url);
    const answer = await browser.fetch(url.href, { headers: asJson });
    expect([what, answer.status, "accessToken" in answer.json]).toEqual([what, 400, false]);
  }
  const stolen = await comeBack(person());
  for (const browser of [openBrowser(), await bound()]) {
    const answer = await browser.fetch(stolen, { headers: asJson });
    expect([answer.status, answer.json.reason]).toEqual([400, "begin-again"]);
  }
  expect(await countUsers()).toBe(before);
});

/** A browser that has begun a sign-in of its own. */
async function bound(): Promise<Browser> {
  const browser = openBrowser();
  await browser.fetch(startOf("there"));
  return browser;
}

test("an id token with another nonce, and a code asked for with another challenge, sign nobody in", async () => {
  const before = await countUsers();
  for (const [name, value] of [
    ["nonce", "another nonce"],
    ["code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
  ] as const) {
    const browser = openBrowser();
    const begun = await browser.fetch(startOf("there"));
    const url = new URL(begun.headers.get("location") ?? "");
    url.searchParams.set(name, value);
    const answer = await browser.fetch(await comeBack(person(), { browser, start: url.href }), { headers: asJson });
    expect([name, answer.status, answer.json.reason]).toEqual([name, 400, "refused"]);
  }
  expect(await countUsers()).toBe(before);
});

test("a code of somebody else's sign-in, put into one's own, signs nobody in", async () => {
  const victim = openBrowser();
  const theirs = new URL(await comeBack(person(), { browser: victim }));
  const attacker = openBrowser();
  const mine = new URL(await comeBack(person(), { browser: attacker }));
  mine.searchParams.set("code", theirs.searchParams.get("code") ?? "");
  expect((await attacker.fetch(mine.href, { headers: asJson })).status).toBe(400);
});

test("whoever declines with the provider reads so, and a provider that is away is told", async () => {
  const browser = openBrowser();
  const begun = await browser.fetch(startOf("there"));
  const state = new URL(begun.headers.get("location") ?? "").searchParams.get("state");
  const query = new URLSearchParams({ error: "access_denied", state: state ?? "", iss: there.issuer });
  const declined = await browser.fetch(`${callbackOf("there")}?${query}`);
  expect([declined.status, declined.text.includes("It was declined there")]).toEqual([403, true]);
  const away = await openBrowser().fetch(startOf("away"), { headers: asJson });
  expect([away.status, away.json.reason]).toEqual([503, "provider-away"]);
  expect((await openBrowser().fetch(startOf("nobody"), { headers: asJson })).status).toBe(404);
});

test("where to go on to is a path here, never another host", async () => {
  for (const returnTo of [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "evil",
    "/a\nb",
    "javascript:x",
  ]) {
    const refused = await openBrowser().fetch(startOf("there", `?returnTo=${encodeURIComponent(returnTo)}`));
    expect([returnTo, refused.status]).toEqual([returnTo, 400]);
  }
});

test("an e-mail address takes over no account: verified on both sides it asks to link, else it means nothing", async () => {
  const owner = await system.signUp();
  const email = `${owner.login}@mail.example`;
  await setEmail(owner.login, email, true);
  const verified = person({ email: email.toUpperCase(), email_verified: true });
  const refused = await enter(verified);
  expect([refused.status, refused.json.reason]).toEqual([409, "link-first"]);
  const claimed = await enter(person({ email, email_verified: false }));
  expect(claimed.status).toBe(200);
  expect(claimed.json.user.login).not.toBe(owner.login);
  // Nor does an account here that only claims the address keep its owner out.
  const squatter = await system.signUp();
  const other = `${squatter.login}@mail.example`;
  await setEmail(squatter.login, other, false);
  const rightful = await enter(person({ email: other, email_verified: true }));
  expect(rightful.status).toBe(200);
  expect(rightful.json.user.login).not.toBe(squatter.login);
});

test("where the operator allows it, an address verified on both sides signs in to its account, and only then", async () => {
  const owner = await system.signUp();
  const email = `${owner.login}@mail.example`;
  await setEmail(owner.login, email, true);
  const claimed = await enter(person({ email, email_verified: false }), { id: "trusted" });
  expect(claimed.json.user.login).not.toBe(owner.login);
  const verified = person({ email, email_verified: true });
  const entered = await enter(verified, { id: "trusted" });
  expect(entered.json.user.login).toBe(owner.login);
  there.people.set(verified, {});
  expect((await enter(verified, { id: "trusted" })).json.user.login).toBe(owner.login);
});

test("linking needs a fresh sign-in and ends in the browser that began it; then it signs in", async () => {
  const user = await system.signUp();
  const login = person();
  const linked = await link(user, login);
  expect([linked.status, linked.json]).toEqual([200, { linked: "there" }]);
  expect((await enter(login)).json.user.login).toBe(user.login);
  // It is his now: nobody else links it, and he links no second one.
  const other = await system.signUp();
  const taken = await link(other, login);
  expect([taken.status, taken.json.reason]).toEqual([409, "somebody-else"]);
  const second = await link(user, person());
  expect([second.status, second.json.reason]).toEqual([409, "another-linked"]);
  // Somebody who is sent the address of a linking that another began links nothing.
  const begun = await other.call("POST", "/v1/me/identities/there");
  const sent = await comeBack(person(), { start: begun.json.url });
  expect((await openBrowser().fetch(sent, { headers: asJson })).status).toBe(400);
  expect((await other.call("GET", "/v1/me/identities")).json.items).toEqual([]);
  await system.db.query({
    name: "test_stale",
    text: "update account.session set fresh_at = now() - interval '11 minutes'",
    values: [],
  });
  for (const method of ["POST", "DELETE"]) {
    const stale = await user.call(method, "/v1/me/identities/there");
    expect([stale.status, stale.json.reason]).toEqual([403, "stale-session"]);
  }
});

test("linking goes on to where its caller said", async () => {
  const user = await system.signUp();
  const browser = openBrowser();
  const begun = await user.call("POST", "/v1/me/identities/there", { body: { returnTo: "/settings" } });
  const [, name = "", value = ""] = /^(\w+)=([\w-]+);/.exec(begun.headers.get("set-cookie") ?? "") ?? [];
  browser.cookies.set(`${system.url} ${name}`, value);
  const page = await browser.fetch(await comeBack(person(), { browser, start: begun.json.url }));
  expect([page.status, page.text.includes("Linked"), page.text.includes('href="/settings"')]).toEqual([
    200,
    true,
    true,
  ]);
  const elsewhere = await user.call("POST", "/v1/me/identities/trusted", { body: { returnTo: "//evil.example" } });
  expect(elsewhere.status).toBe(422);
});

test("a session that ends while its user is with the provider links nothing", async () => {
  const user = await system.signUp();
  const browser = openBrowser();
  const begun = await browser.fetch(`${system.url}/v1/me/identities/there`, {
    method: "POST",
    headers: { authorization: `Bearer ${user.token}` },
  });
  const url = await comeBack(person(), { browser, start: begun.json.url });
  await user.call("DELETE", "/v1/auth/sessions/current");
  expect((await browser.fetch(url, { headers: asJson })).status).toBe(401);
});

test("the last way to sign in cannot be unlinked, also not when two are unlinked at the same moment", async () => {
  const login = person();
  const { json } = await enter(login);
  const call = openCall(system.url, json.accessToken);
  const last = await call("DELETE", "/v1/me/identities/there");
  expect([last.status, last.json.reason]).toEqual([409, "last-way"]);
  expect((await link({ token: json.accessToken } as TestUser, person(), "trusted")).status).toBe(200);
  const both = await Promise.all(["there", "trusted"].map((id) => call("DELETE", `/v1/me/identities/${id}`)));
  expect(both.map(({ status }) => status).sort()).toEqual([204, 409]);
  expect((await call("GET", "/v1/me/identities")).json.items).toHaveLength(1);
  // With a password the provider can go.
  const user = await system.signUp();
  await link(user, person());
  expect((await user.call("DELETE", "/v1/me/identities/there")).status).toBe(204);
  expect((await user.call("DELETE", "/v1/me/identities/there")).status).toBe(404);
});

test("an account with a second factor asks for its code after the provider, in its page and in JSON", async () => {
  const user = await system.signUp();
  const login = person();
  await link(user, login);
  const { secret } = (await user.call("POST", "/v1/me/totp")).json;
  const code = (away: number) => codeAt(secret, stepAt(Date.now()) + away);
  expect((await user.call("POST", "/v1/me/totp/confirm", { body: { code: code(-1) } })).status).toBe(200);
  const browser = openBrowser();
  const page = await browser.fetch(await comeBack(login, { browser }));
  const form = readForm(page);
  expect(form?.action).toBe(`${system.url}/v1/auth/oidc/there/code`);
  expect(browser.cookies.size).toBe(openedCookies(browser));
  const submit = (by: Browser, given: string, headers: Record<string, string> = { origin: system.url }) =>
    by.fetch(form?.action ?? "", { method: "POST", form: { ...form?.fields, code: given }, headers });
  expect((await submit(browser, code(0), { origin: "https://elsewhere.example" })).status).toBe(403);
  expect((await submit(await bound(), code(0))).status).toBe(400);
  const wrong = await submit(browser, code(9));
  expect([wrong.status, readForm(wrong)?.fields.ticket]).toEqual([401, form?.fields.ticket]);
  const right = await submit(browser, code(0));
  expect([right.status, right.text.includes("You are signed in")]).toEqual([200, true]);
  expect((await submit(browser, code(1))).status).toBe(400);
  // The same for a program.
  const asked = await enter(login, { browser });
  expect([asked.status, asked.json.reason]).toEqual([401, "second-factor"]);
  const entered = await browser.fetch(`${system.url}/v1/auth/oidc/there/code`, {
    method: "POST",
    form: { ticket: asked.json.ticket, code: code(1) },
    headers: { ...asJson, origin: system.url },
  });
  expect([entered.status, entered.json.user.login]).toEqual([200, user.login]);
});

/** How many cookies a browser has when it was given nothing but the binding by us. */
function openedCookies(browser: Browser): number {
  const ours = [...browser.cookies.keys()].filter((name) => name.startsWith(system.url));
  expect(ours).toEqual([`${system.url} sunduk_flow`]);
  return browser.cookies.size;
}

test("a disabled account is let in by no provider", async () => {
  const login = person();
  const { json } = await enter(login);
  await system.db.query({
    name: "test_disable",
    text: `update account."user" set disabled_at = now(), ver = ver + 1 where id = $1`,
    values: [json.user.id],
  });
  const refused = await enter(login);
  expect([refused.status, refused.json.reason]).toEqual([403, "account-ended"]);
});
