import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { decodeProtectedHeader } from "jose";
import * as client from "openid-client";
import { codeAt, stepAt } from "../../api/accounts/totp.ts";
import { openTestApi } from "../api/open-test-api.ts";
import { createTestFolder, long, openCall, type System, startSystem, type TestUser, waitFor } from "../harness.ts";
import { type Browser, openBrowser, type Page, readForm } from "../identity-server.ts";
import { openBrowser as openDevicePage, postForm, testPassword } from "./device.ts";

const loopback = "http://127.0.0.1:4567/cb";
const verifier = "a-verifier-that-is-long-enough-for-pkce-0123456789";
const challenge = new Bun.CryptoHasher("sha256").update(verifier).digest("base64url");
const playing = "openid offline_access Yggdrasil.PlayerProfiles.Select Yggdrasil.Server.Join";
let system: System;
let user: TestUser;
let logFile: string;
let app: client.Configuration;

beforeAll(async () => {
  logFile = join(await createTestFolder(), "log");
  const redirectUris = ["https://app.example/cb?from=here", "http://127.0.0.1/cb", "com.example.app:/cb"];
  const clients = [
    {
      id: "app",
      name: "Test <b>App</b>",
      scopes: ["openid", "profile", "email", "offline_access", "packs:read"],
      redirectUris,
      postLogoutRedirectUris: ["https://app.example/left"],
    },
    { id: "game", name: "Game", scopes: playing.split(" "), redirectUris, idTokenAlg: "EdDSA", shared: true },
    { id: "own", name: "Own", scopes: ["openid", "profile"], redirectUris: ["https://own.example/cb"], trusted: true },
    { id: "plain", name: "Plain", scopes: ["packs:read"], redirectUris },
    {
      id: "another-sunduk",
      name: "Another",
      scopes: ["openid", "profile", "email"],
      redirectUris: ["http://127.0.0.1/v1/auth/oidc/first/callback"],
    },
  ];
  const services = [{ id: "stats", secret: "a secret of thirty-two characters", scopes: ["packs:read"] }];
  const environment = {
    LOG_LEVEL: "debug",
    OAUTH_CLIENTS: JSON.stringify(clients),
    SERVICE_CLIENTS: JSON.stringify(services),
  };
  system = await startSystem({ environment, pods: 0, apis: 1, logFile });
  user = await system.signUp("player");
  app = await client.discovery(new URL(system.url), "app", undefined, client.None(), {
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
  });
});
afterAll(() => system?.stop());

type Fields = Record<string, string | undefined>;
const usual: Fields = {
  client_id: "app",
  redirect_uri: loopback,
  response_type: "code",
  scope: "openid profile offline_access",
  state: "the state",
  nonce: "the nonce",
  code_challenge: challenge,
  code_challenge_method: "S256",
};
const urlOf = (fields: Fields = {}, more = "") => {
  const all = Object.entries({ ...usual, ...fields }).flatMap(([name, value = ""]) =>
    value === "" ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return `${system.url}/oauth/authorize?${all.join("&")}${more}`;
};
/** Fills a form in and sends it, as a browser does from our page. */
async function submit(browser: Browser, page: Page, fields: Record<string, string> = {}, headers = {}): Promise<Page> {
  const plain = (text: string) => text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));
  const form = readForm(page);
  if (!form) throw new Error(`no form: ${page.status} ${page.text}`);
  const kept = Object.entries(form.fields).filter(([name]) => !["login", "password", "code"].includes(name));
  const sent = { ...Object.fromEntries(kept.map(([name, value]) => [name, plain(value)])), ...fields };
  return browser.fetch(form.action, { method: "POST", form: sent, headers: { origin: system.url, ...headers } });
}
const signIn = (browser: Browser, page: Page, login = user.login) =>
  submit(browser, page, { login, password: testPassword });
const isSignIn = ({ text }: Page) => text.includes('type="password"');
const isQuestion = ({ text }: Page) => text.includes('value="allow"');
/** Signs in where it is asked for, and says yes. Answers where the browser is sent to. */
async function allow(url = urlOf(), { login = user.login, browser = openBrowser() } = {}): Promise<URL> {
  let page = await browser.fetch(url);
  if (isSignIn(page)) page = await signIn(browser, page, login);
  const sent = await submit(browser, page, { action: "allow" });
  if (sent.status !== 303) throw new Error(`not sent on: ${sent.status} ${sent.text}`);
  return new URL(sent.headers.get("location") ?? "");
}
const codeOf = async (fields: Fields = {}, login = user.login) =>
  (await allow(urlOf(fields), { login })).searchParams.get("code") ?? "";
const redeem = (code: string, fields: Record<string, string> = {}) =>
  postForm(`${system.url}/oauth/token`, {
    grant_type: "authorization_code",
    client_id: "app",
    redirect_uri: loopback,
    code_verifier: verifier,
    code,
    ...fields,
  });
const sql = (text: string, values: unknown[] = []) => system.db.query({ name: `test_${Bun.hash(text)}`, text, values });
const sessionsOf = async (person: TestUser) =>
  (await person.call("GET", "/v1/auth/sessions")).json.items.filter((item: any) => item.client === "app");

describe("openid-client, which knows nothing of us", () => {
  test("finds the server, signs in by code, learns who it is, refreshes, and signs out", async () => {
    const asked = { state: client.randomState(), nonce: client.randomNonce() };
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const url = client.buildAuthorizationUrl(app, {
      ...asked,
      redirect_uri: loopback,
      scope: "openid profile email offline_access packs:read",
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
      max_age: "600",
    });
    const browser = openBrowser();
    await sql(
      `update account."user" set email = 'player@example.org', email_verified_at = now() where login = 'player'`,
    );
    const back = await allow(url.href, { browser });
    const checks = { pkceCodeVerifier, expectedState: asked.state, expectedNonce: asked.nonce, maxAge: 600 };
    const tokens = await client.authorizationCodeGrant(app, back, { ...checks, idTokenExpected: true });
    expect(tokens).toMatchObject({ token_type: "bearer", expires_in: 600 });
    const claims = tokens.claims();
    expect(claims).toMatchObject({ iss: system.url, aud: "app", preferred_username: "player", name: "player" });
    const { json: me } = await user.call("GET", "/v1/me");
    expect([claims?.sub, claims?.exp]).toEqual([me.id, Number(claims?.iat) + 600]);
    expect(decodeProtectedHeader(tokens.id_token ?? "")).toMatchObject({ alg: "RS256", typ: "JWT" });

    const info = await client.fetchUserInfo(app, tokens.access_token, me.id);
    expect(info).toMatchObject({ sub: me.id, locale: "en", email: "player@example.org", email_verified: true });
    const [session] = await sessionsOf(user);
    expect(session).toMatchObject({ id: claims?.sid, kind: "launcher", client: "app" });
    const refreshed = await client.refreshTokenGrant(app, tokens.refresh_token ?? "");
    expect(refreshed.claims()).toMatchObject({ sub: me.id, sid: claims?.sid, auth_time: Number(claims?.auth_time) });
    expect(refreshed.claims()?.nonce).toBeUndefined();
    expect((await openCall(system.url, refreshed.access_token)("GET", "/v1/packs")).status).toBe(200);

    const leaving = client.buildEndSessionUrl(app, {
      post_logout_redirect_uri: "https://app.example/left",
      id_token_hint: refreshed.id_token ?? "",
      state: "bye",
    });
    const page = await browser.fetch(leaving.href);
    expect([page.status, page.text.includes("<b>player</b>")]).toEqual([200, true]);
    expect((await sessionsOf(user))[0].endedAt).toBeUndefined(); // looking ends nothing
    expect((await submit(browser, page, {}, { origin: "http://evil.example" })).status).toBe(403);
    const left = await submit(browser, page);
    expect([left.status, left.headers.get("location")]).toEqual([303, "https://app.example/left?state=bye"]);
    expect((await sessionsOf(user))[0].endedReason).toBe("signed out");
    expect(isSignIn(await browser.fetch(urlOf()))).toBe(true);
    const again = await client.refreshTokenGrant(app, refreshed.refresh_token ?? "").catch((error) => error);
    expect(again).toMatchObject({ error: "invalid_grant" });
  });

  test("lets a device in with the player that its user has chosen, and signs its ID token with Ed25519", async () => {
    const game = await client.discovery(new URL(system.url), "game", undefined, client.None(), {
      execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
    });
    expect(game.serverMetadata().shared_client_id).toBe("game");
    const person = await system.signUp();
    const begin = () => client.initiateDeviceAuthorization(game, { scope: playing });
    const poll = (device: client.DeviceAuthorizationResponse) =>
      postForm(`${system.url}/oauth/token`, {
        grant_type: "urn:ietf:params:oauth:grant-type:device_code",
        client_id: "game",
        device_code: device.device_code,
      });
    const device = await begin();
    const page = openDevicePage(system.url);
    const look = { action: "look", user_code: device.user_code, login: person.login, password: testPassword };
    expect((await page.post(look)).html).not.toContain('value="approve"'); // without a player there is nothing to approve
    const { json: player } = await person.call("POST", "/v1/me/players", { body: { name: "Steve_1" } });
    const foreign = await user.call("POST", "/v1/me/players", { body: { name: "Alex_1" } });
    expect((await page.post(look)).html).toContain(`<option value="${player.id}">Steve_1</option>`);
    expect((await page.post({ action: "approve", player: foreign.json.id })).status).toBe(404);
    expect((await page.post({ action: "approve", player: player.id })).status).toBe(200);
    const { json: tokens } = await poll(device);
    expect(decodeProtectedHeader(tokens.id_token)).toMatchObject({ alg: "EdDSA", typ: "JWT" });
    const use = async (token: string) => {
      const body = { accessToken: token, selectedProfile: player.id.replaceAll("-", ""), serverId: "a server" };
      const own = openCall(system.url, token);
      const answers = [
        await system.call("POST", "/yggdrasil/sessionserver/session/minecraft/join", { body }),
        await own("GET", "/oauth/userinfo"),
        await own("GET", "/v1/me"),
      ];
      return answers.map(({ status }) => status);
    };
    expect([tokens.expires_in, await use(tokens.access_token)]).toEqual([15 * 24 * 3600, [204, 200, 403]]);
    // Who repeats a refresh because its answer was lost is given the same.
    const refresh = { grant_type: "refresh_token", client_id: "game", refresh_token: tokens.refresh_token };
    const { json: lost } = await postForm(`${system.url}/oauth/token`, refresh);
    const refreshed = await client.refreshTokenGrant(game, tokens.refresh_token);
    expect(refreshed.access_token).toBe(lost.access_token);
    expect(await use(tokens.access_token)).toEqual([403, 401, 401]);
    expect(await use(refreshed.access_token)).toEqual([204, 200, 403]);
    // It is for the player that was chosen, and for none of his others.
    const { json: second } = await person.call("POST", "/v1/me/players", { body: { name: "Steve_2" } });
    const takeOff = (id: string) =>
      openCall(system.url, refreshed.access_token)("DELETE", `/yggdrasil/api/user/profile/${id}/skin`);
    expect([(await takeOff(second.id)).status, (await takeOff(player.id)).status]).toEqual([403, 204]);
    const selectedProfile = { id: player.id.replaceAll("-", ""), name: "Steve_1" };
    expect(refreshed.claims()).toMatchObject({ selectedProfile });
    expect(await client.fetchUserInfo(game, refreshed.access_token, client.skipSubjectCheck)).toMatchObject({
      selectedProfile,
    });
    for (const token of [tokens.id_token, refreshed.id_token ?? ""])
      expect((await openCall(system.url, token)("GET", "/oauth/userinfo")).status).toBe(401);
    await sql(`update account.session set client_id = 'removed' where client_id = 'game'`);
    expect(await use(refreshed.access_token)).toEqual([403, 401, 401]);
    await sql(`update account.session set client_id = 'game' where client_id = 'removed'`);
    await person.call("DELETE", `/v1/me/players/${player.id}`);
    const other = { id: second.id.replaceAll("-", ""), name: "Steve_2" };
    const body = { accessToken: refreshed.access_token, selectedProfile: other };
    expect((await system.call("POST", "/yggdrasil/authserver/refresh", { body })).status).toBe(400);
    await client.tokenRevocation(game, refreshed.access_token);
    expect(await use(refreshed.access_token)).toEqual([403, 401, 401]);
  });

  test("another Sunduk signs people in through this one, also on the way to a client of its own", async () => {
    const provider = { id: "first", name: "First", issuer: system.url, clientId: "another-sunduk" };
    const publicUrl = "http://127.0.0.1:1";
    const second = await openTestApi({
      OIDC_PROVIDERS: JSON.stringify([provider]),
      OAUTH_CLIENTS: JSON.stringify([{ id: "app", name: "App", scopes: ["openid"], redirectUris: [loopback] }]),
      PUBLIC_URL: publicUrl,
    });
    try {
      const browser = openBrowser();
      const url = urlOf({ scope: "openid", prompt: "login consent" }).replace(system.url, second.url);
      const [, start = ""] = /href="(\/v1\/auth\/oidc\/first\/start[^"]+)"/.exec((await browser.fetch(url)).text) ?? [];
      const begun = await browser.fetch(`${second.url}${start}`);
      const back = await allow(begun.headers.get("location") ?? "", { browser });
      expect(back.href).toStartWith(publicUrl);
      const arrived = await browser.fetch(back.href.replace(publicUrl, second.url));
      const [, next = ""] = /href="(\/oauth\/authorize[^"]+)"/.exec(arrived.text) ?? [];
      expect(new URLSearchParams(next.replaceAll("&#38;", "&")).get("prompt")).toBe("consent");
      const asked = await browser.fetch(`${second.url}${next.replaceAll("&#38;", "&")}`);
      expect([isQuestion(asked), asked.text.includes("<b>player</b>")]).toEqual([true, true]);
      const sent = await submit(browser, asked, { action: "allow" }, { origin: second.url });
      expect(sent.headers.get("location")).toStartWith(`${loopback}?code=`);
      expect([...browser.cookies.keys()].filter((name) => name.includes("handover"))).toEqual([]);
    } finally {
      await second.close();
    }
  });
});

describe("the page", () => {
  test("a browser that is signed in is asked for the password again only when the client wants it", async () => {
    const browser = openBrowser();
    const first = await browser.fetch(urlOf({ login_hint: "somebody", ui_locales: "fr ru" }));
    expect([isSignIn(first), first.text.includes('value="somebody"')]).toEqual([true, true]);
    expect(first.text).toContain("Вашего пароля там не увидят");
    const none = async () => new URL((await browser.fetch(urlOf({ prompt: "none" }))).headers.get("location") ?? "");
    expect((await none()).searchParams.get("error")).toBe("login_required");
    const asked = await signIn(browser, first);
    expect(asked.headers.getSetCookie()[0]).toMatch(
      /^sunduk_browser=[\w.-]+; Path=\/oauth; HttpOnly; SameSite=Lax; Max-Age=43200$/,
    );
    for (const words of ["Test &#60;b&#62;App", "<b>player</b>", "127.0.0.1:4567", "видеть ваше имя"])
      expect(asked.text).toContain(words);
    expect(asked.text).not.toContain("видеть ваш адрес почты");
    expect((await none()).searchParams.get("error")).toBe("consent_required");
    expect(isQuestion(await browser.fetch(urlOf({ max_age: "60" })))).toBe(true);
    expect(isSignIn(await browser.fetch(urlOf({ prompt: "login consent" })))).toBe(true);
    expect(isSignIn(await browser.fetch(urlOf({ prompt: "select_account" })))).toBe(true);
    expect(isSignIn(await browser.fetch(urlOf({ max_age: "0" })))).toBe(true);
    await sql(`update account.session set created_at = now() - interval '2 minutes' where kind = 'web'`);
    expect(isSignIn(await browser.fetch(urlOf({ max_age: "60" })))).toBe(true);
    expect(isQuestion(await browser.fetch(urlOf()))).toBe(true);
    const ru = { "accept-language": "ru" };
    const wrong = await submit(browser, first, { login: "player", password: "wrong password" }, ru);
    expect([wrong.status, wrong.text.includes("Неверный логин"), wrong.text.includes("wrong pass")]).toEqual([
      401,
      true,
      false,
    ]);
  });

  test("a client that is the operator's own is let in without a question, by whom it means, also with prompt=none", async () => {
    const person = await system.signUp();
    const browser = openBrowser();
    const own = { client_id: "own", redirect_uri: "https://own.example/cb", scope: "openid" };
    const ask = async (fields: Fields = {}) => {
      const page = await browser.fetch(urlOf({ ...own, ...fields }));
      return { page, sent: Object.fromEntries(new URL(page.headers.get("location") ?? system.url).searchParams) };
    };
    expect((await ask({ prompt: "none" })).sent.error).toBe("login_required");
    const { page } = await ask();
    const back = new URL((await signIn(browser, page, person.login)).headers.get("location") ?? "");
    expect([back.origin, [...back.searchParams.keys()]]).toEqual(["https://own.example", ["code", "state", "iss"]]);
    const redeemed = await redeem(back.searchParams.get("code") ?? "", {
      client_id: "own",
      redirect_uri: "https://own.example/cb",
    });
    expect((await ask({ prompt: "none", id_token_hint: redeemed.json.id_token })).sent).toMatchObject({
      code: expect.any(String),
      state: "the state",
      iss: system.url,
    });
    expect(typeof (await ask()).sent.code).toBe("string");
    const asked = (await ask({ prompt: "consent" })).page;
    expect([isQuestion(asked), asked.text.includes("prompt=login+consent")]).toEqual([true, true]);
    expect(isSignIn((await ask({ prompt: "login" })).page)).toBe(true);
    const { json: others } = await redeem(await codeOf());
    for (const fields of [{ id_token_hint: others.id_token }, { id_token_hint: "nonsense" }, { max_age: "0" }])
      expect((await ask({ prompt: "none", ...fields })).sent.error).toBe("login_required");
    const someone = new URL((await browser.fetch(urlOf({ prompt: "none" }))).headers.get("location") ?? "");
    expect(someone.searchParams.get("error")).toBe("consent_required");
  });

  test("an account with a second factor is asked for its code too", async () => {
    const owner = await system.signUp();
    const { json: begun } = await owner.call("POST", "/v1/me/totp");
    const codeFor = (away: number) => codeAt(begun.secret, stepAt(Date.now()) + away);
    await owner.call("POST", "/v1/me/totp/confirm", { body: { code: codeFor(-1) } });
    const browser = openBrowser();
    const page = await browser.fetch(urlOf());
    const missing = await signIn(browser, page, owner.login);
    expect([missing.status, missing.text.includes("authenticator app too"), browser.cookies.size]).toEqual([
      401,
      true,
      0,
    ]);
    const given = { login: owner.login, password: testPassword, code: codeFor(0) };
    expect(isQuestion(await submit(browser, page, given))).toBe(true);
  });

  test("a no is told to the client, a yes comes from the page that was shown, in its browser, for its question", async () => {
    const [browser, other] = [openBrowser(), openBrowser()];
    const page = await signIn(browser, await browser.fetch(urlOf()));
    const policy = page.headers.get("content-security-policy");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(page.headers.get("cache-control")).toBe("no-store");
    const denied = new URL((await submit(browser, page, { action: "deny" })).headers.get("location") ?? "");
    expect(Object.fromEntries(denied.searchParams)).toMatchObject({
      error: "access_denied",
      state: "the state",
      iss: system.url,
    });

    expect((await submit(browser, page, { action: "allow" }, { origin: "http://evil.example" })).status).toBe(403);
    expect((await submit(other, page, { action: "allow" })).status).toBe(403);
    const theirs = await signIn(other, await other.fetch(urlOf()));
    const consent = /name="consent" value="([^"]+)"/.exec(theirs.text)?.[1] ?? "";
    expect((await submit(browser, page, { action: "allow", consent })).status).toBe(403);
    const query = new URL(urlOf({ scope: "openid email" })).search.slice(1);
    expect((await submit(browser, page, { action: "allow", query })).status).toBe(403);
    expect((await submit(browser, page, { action: "allow", at: "1" })).status).toBe(403);
    await sql(`update account.session set ended_at = now(), ended_reason = '' where kind = 'web'`);
    expect((await submit(browser, page, { action: "allow" })).status).toBe(403);
  });

  test("a code goes to registered addresses only: to the letter, with any port on loopback", async () => {
    for (const redirect of [
      "https://app.example/cb?from=here",
      "http://127.0.0.1:9/cb",
      "http://127.0.0.1/cb",
      "com.example.app:/cb",
    ]) {
      const back = await allow(urlOf({ redirect_uri: redirect }));
      expect(back.href).toStartWith(redirect);
      expect([...back.searchParams.keys()].filter((name) => name !== "from")).toEqual(["code", "state", "iss"]);
    }
  });
});

const shown: [what: string, fields: Fields, more?: string][] = [
  ["no client", { client_id: undefined }],
  ["an unknown client", { client_id: "nobody" }],
  ["a service", { client_id: "stats" }],
  ["our own command line, which has no address", { client_id: "sunduk-cli" }],
  ["two clients", {}, "&client_id=plain"],
  ["no address", { redirect_uri: undefined }],
  ["two addresses", {}, "&redirect_uri=https%3A%2F%2Fevil.example"],
  ["a foreign address", { redirect_uri: "https://evil.example/cb" }],
  ["a fragment", { redirect_uri: `${loopback}#here` }],
  ["a slash more", { redirect_uri: `${loopback}/` }],
  ["another query", { redirect_uri: "https://app.example/cb?from=there" }],
  ["a port where none is", { redirect_uri: "https://app.example:444/cb?from=here" }],
  ["a name before the host", { redirect_uri: "http://127.0.0.1:80@evil.example/cb" }],
  ["a longer host", { redirect_uri: "http://127.0.0.1.evil.example/cb" }],
  ["a path upwards", { redirect_uri: "http://127.0.0.1:80/x/../cb" }],
  ["another loopback", { redirect_uri: "http://localhost:80/cb" }],
  ["a port that is none", { redirect_uri: "http://127.0.0.1:99999/cb" }],
  ["capitals", { redirect_uri: "COM.example.app:/cb" }],
  ["more than a page holds", { state: "x".repeat(4_000) }],
];
test.each(shown)("a request with %s is shown to the person, who is sent nowhere", async (...[, fields, more]) => {
  const { status, headers, text } = await openBrowser().fetch(urlOf(fields, more));
  expect([status, headers.get("location"), text.includes('role="alert"')]).toEqual([400, null, true]);
});

const sentBack: [what: string, error: string, fields: Fields, more?: string][] = [
  ["the response type token", "unsupported_response_type", { response_type: "token" }],
  ["a hybrid response type", "unsupported_response_type", { response_type: "code id_token" }],
  ["no response type", "invalid_request", { response_type: undefined }],
  ["an answer in the fragment", "invalid_request", { response_mode: "fragment" }],
  ["no PKCE", "invalid_request", { code_challenge: undefined, code_challenge_method: undefined }],
  ["PKCE in plain", "invalid_request", { code_challenge_method: "plain" }],
  ["PKCE without its method, which is plain", "invalid_request", { code_challenge_method: undefined }],
  ["a challenge that is no digest", "invalid_request", { code_challenge: "short" }],
  ["a scope of others", "invalid_scope", { scope: "openid admin" }],
  ["an unknown prompt", "invalid_request", { prompt: "create" }],
  ["prompts against each other", "invalid_request", { prompt: "none login" }],
  ["an age that is no number", "invalid_request", { max_age: "-1" }],
  ["a request object", "request_not_supported", { request: "e30." }],
  ["a request elsewhere", "request_uri_not_supported", { request_uri: "https://evil.example/r" }],
  ["a scope twice", "invalid_request", {}, "&scope=openid"],
  ["a nonce that cannot be kept", "invalid_request", { nonce: "a\0b" }],
];
test.each(sentBack)("a request with %s is sent back with %s", async (...[, error, fields, more]) => {
  const { status, headers } = await openBrowser().fetch(urlOf(fields, more));
  const location = new URL(headers.get("location") ?? "");
  expect([status, `${location.origin}${location.pathname}`]).toEqual([303, loopback]);
  expect(Object.fromEntries(location.searchParams)).toMatchObject({ error, state: "the state", iss: system.url });
});

describe("a code", () => {
  test("is refused with anything that is not its own, and lost to nobody by that", async () => {
    const code = await codeOf();
    const cases: [fields: Record<string, string>, error: string][] = [
      [{ code_verifier: verifier.replace("a", "b") }, "invalid_grant"],
      [{ code_verifier: challenge }, "invalid_grant"],
      [{ code_verifier: "" }, "invalid_request"],
      [{ code_verifier: "short" }, "invalid_request"],
      [{ client_id: "plain" }, "invalid_grant"],
      [{ client_id: "nobody" }, "invalid_client"],
      [{ redirect_uri: "http://127.0.0.1:4568/cb" }, "invalid_grant"],
      [{ redirect_uri: "" }, "invalid_request"],
      [{ code: `${code}x` }, "invalid_grant"],
    ];
    for (const [fields, error] of cases)
      expect([fields, (await redeem(code, fields)).json.error]).toEqual([fields, error]);
    const service = { client_id: "stats", client_secret: "a secret of thirty-two characters" };
    expect((await redeem(code, service)).json.error).toBe("unauthorized_client");
    // Libraries that try the header first send clients without a secret with an empty one.
    const basic = { authorization: `Basic ${btoa("app:")}` };
    const grant = { grant_type: "authorization_code", redirect_uri: loopback, code_verifier: verifier, code };
    expect((await postForm(`${system.url}/oauth/token`, grant, basic)).status).toBe(200);
  });

  test("is good for a minute, and not after the password has changed", async () => {
    const late = await codeOf();
    await sql("update account.authorization_code set expires_at = now() where used_at is null");
    expect((await redeem(late)).json.error).toBe("invalid_grant");
    const person = await system.signUp();
    const code = await codeOf({}, person.login);
    const change = { current: testPassword, password: "another long test password" };
    expect((await person.call("PUT", "/v1/me/password", { body: change })).status).toBeLessThan(300);
    expect((await redeem(code)).json.error).toBe("invalid_grant");
    const rows = JSON.stringify((await sql("select to_jsonb(c) as row from account.authorization_code c")).rows);
    for (const secret of [late, code, verifier]) expect(rows).not.toContain(secret);
  });

  test("L12: of ten redemptions at once one gets tokens, and a second one ends the session of the first", async () => {
    const person = await system.signUp();
    const code = await codeOf({}, person.login);
    const answers = await Promise.all(Array.from({ length: 10 }, () => redeem(code)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(400)]);
    const { json: tokens } = answers.find(({ status }) => status === 200) ?? { json: {} };
    expect((await redeem(code)).json.error).toBe("invalid_grant");
    expect(await sessionsOf(person)).toMatchObject([{ endedReason: "its code was used again" }]);
    await waitFor(
      async () => (await openCall(system.url, tokens.access_token)("GET", "/oauth/userinfo")).status === 401,
      "its access token to be refused",
    );
  });

  test("S8: redeemed while all sessions are ended, it leaves no session that holds", async () => {
    const person = await system.signUp();
    for (let round = 0; round < (long ? 100 : 6); round++) {
      const code = await codeOf({}, person.login);
      const [granted] = await Promise.all([redeem(code), person.call("DELETE", "/v1/auth/sessions?except=current")]);
      const holding = (await sessionsOf(person)).filter(({ endedAt }: any) => endedAt === undefined);
      expect([granted.status === 200 || granted.json.error, holding]).toEqual([expect.anything(), []]);
    }
  });

  test("gives what was asked for: a refresh token with offline_access or without openid, an ID token with openid", async () => {
    const { json: once } = await redeem(await codeOf({ scope: "openid" }));
    expect([typeof once.id_token, once.refresh_token, once.scope]).toEqual(["string", undefined, "openid"]);
    const call = openCall(system.url, once.access_token);
    expect(Object.keys((await call("POST", "/oauth/userinfo")).json)).toEqual(["sub"]);
    expect((await call("GET", "/v1/me")).status).toBe(403);
    const fields = { client_id: "plain", scope: "packs:read" };
    const { json: plain } = await redeem(await codeOf(fields), { client_id: "plain" });
    expect([plain.id_token, typeof plain.refresh_token]).toEqual([undefined, "string"]);
    expect((await openCall(system.url, plain.access_token)("GET", "/oauth/userinfo")).status).toBe(403);

    // Of what the operator has taken from a client since, no refresh gives it anything again.
    await sql(`update account.session set scopes = '{packs:read,packs:write}' where client_id = 'plain'`);
    const refresh = { grant_type: "refresh_token", client_id: "plain", refresh_token: plain.refresh_token };
    const { json: less } = await postForm(`${system.url}/oauth/token`, refresh);
    expect(less.scope).toBe("packs:read");
    const publish = { body: { slug: "mine", name: "Mine" } };
    const { json: least } = await system.call("POST", "/v1/auth/refresh", {
      body: { refreshToken: less.refresh_token },
    });
    for (const token of [less.access_token, least.accessToken])
      expect((await openCall(system.url, token)("POST", "/v1/packs", publish)).status).toBe(403);

    // A client that the operator has removed ends its sessions.
    await sql(`update account.session set client_id = 'removed' where client_id = 'plain'`);
    const gone = await system.call("POST", "/v1/auth/refresh", { body: { refreshToken: least.refreshToken } });
    expect(gone.status).toBe(401);
    const { rows } = await sql(`select ended_reason as reason from account.session where client_id = 'removed'`);
    expect(rows).toEqual([{ reason: "its client was removed" }]);
  });

  test("J6: an ID token is no access token, by whatever key it is signed", async () => {
    const { json: rsa } = await redeem(await codeOf());
    for (const path of ["/oauth/userinfo", "/v1/me", "/v1/auth/sessions"])
      expect((await openCall(system.url, rsa.id_token)("GET", path)).status).toBe(401);
  });
});

test("pages of clients may read what needs no cookie, and nothing else", async () => {
  const mayRead = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${system.url}${path}`, { redirect: "manual", ...init });
    return response.headers.get("access-control-allow-origin");
  };
  for (const path of ["/.well-known/openid-configuration", "/.well-known/jwks.json"])
    expect(await mayRead(path)).toBe("*");
  expect(await mayRead("/oauth/token", { method: "POST", body: new URLSearchParams({ client_id: "app" }) })).toBe("*");
  expect(await mayRead("/oauth/userinfo", { method: "OPTIONS" })).toBe("*");
  for (const path of ["/oauth/authorize", "/oauth/logout", "/v1/me", "/device"]) expect(await mayRead(path)).toBeNull();
});

test("who may not ask userinfo is told why, in a way that pages of clients can read", async () => {
  const { json: plain } = await redeem(await codeOf({ client_id: "plain", scope: "packs:read" }), {
    client_id: "plain",
  });
  const ask = async (token?: string) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const { status, headers: told } = await fetch(`${system.url}/oauth/userinfo`, { headers });
    return [status, told.get("www-authenticate"), told.get("access-control-allow-origin")];
  };
  expect(await ask()).toEqual([401, "Bearer", "*"]);
  expect(await ask("nonsense")).toEqual([401, 'Bearer error="invalid_token"', "*"]);
  expect(await ask(plain.access_token)).toEqual([403, 'Bearer error="insufficient_scope"', "*"]);
});

test("who signs out by a link of somebody else's is asked, and sent nowhere that is not registered", async () => {
  const browser = openBrowser();
  await allow(urlOf(), { browser });
  const { json: tokens } = await redeem(await codeOf());
  const leave = (fields: Record<string, string>) =>
    browser.fetch(`${system.url}/oauth/logout?${new URLSearchParams(fields)}`);
  for (const fields of [
    { post_logout_redirect_uri: "https://app.example/left" },
    { client_id: "app", post_logout_redirect_uri: "https://evil.example/" },
    { client_id: "plain", post_logout_redirect_uri: "https://app.example/left" },
    { client_id: "plain", id_token_hint: tokens.id_token },
    { id_token_hint: `${tokens.id_token.slice(0, -4)}AAAA` },
    { id_token_hint: tokens.access_token },
  ] as Record<string, string>[])
    expect([fields, (await leave(fields)).status]).toEqual([fields, 400]);
  const page = await leave({});
  expect(page.text).toContain("<b>player</b>");
  expect((await submit(browser, page)).text).toContain("You are signed out");
  expect((await leave({})).text).toContain("Nobody is signed in here");
  // There is nothing to end, and he is not left standing.
  const back = await leave({ client_id: "app", post_logout_redirect_uri: "https://app.example/left", state: "bye" });
  expect([back.status, back.headers.get("location")]).toEqual([303, "https://app.example/left?state=bye"]);
});

test("S12: no code, verifier, token or cookie is in the logs", async () => {
  const browser = openBrowser();
  const code = (await allow(urlOf(), { browser })).searchParams.get("code") ?? "";
  const { json: tokens } = await redeem(code);
  const cookie = [...browser.cookies.values()].at(-1)?.split(".")[1] ?? "";
  await postForm(`${system.url}/oauth/revoke`, { client_id: "app", token: tokens.refresh_token });
  const log = await waitFor(async () => {
    const text = await Bun.file(logFile).text();
    return text.includes('"/oauth/revoke"') && text;
  }, "the requests to be logged");
  expect(log).toContain('"/oauth/authorize/decide"');
  for (const word of [
    code,
    verifier,
    cookie,
    tokens.access_token,
    tokens.id_token,
    tokens.refresh_token,
    testPassword,
  ]) {
    expect(word.length).toBeGreaterThan(8);
    expect(log).not.toContain(word);
  }
});
