import { afterAll, beforeAll, expect, test } from "bun:test";
import { suggestLogin, varyLogin } from "../../api/oidc/login-name.ts";
import { ConfigError, readConfig } from "../../config.ts";
import {
  type Browser,
  clientId,
  clientSecret,
  type IdentityServer,
  openBrowser,
  startIdentityServer,
} from "../identity-server.ts";
import { openTestApi, type TestApi } from "./open-test-api.ts";

const publicUrl = "https://packs.example";
const asJson = { accept: "application/json" };
let there: IdentityServer;
let open: TestApi;
let closed: TestApi;

beforeAll(async () => {
  there = await startIdentityServer();
  await there.open(["there", "wrong"].map((id) => `${publicUrl}/v1/auth/oidc/${id}/callback`));
  const providers = [
    { id: "there", issuer: there.issuer, clientId, clientSecret },
    { id: "wrong", issuer: there.issuer, clientId, clientSecret: "another secret" },
  ];
  const environment = { OIDC_PROVIDERS: JSON.stringify(providers), PUBLIC_URL: publicUrl };
  open = await openTestApi(environment);
  closed = await openTestApi({ ...environment, REGISTRATION: "invite" });
});
afterAll(async () => {
  await open?.close();
  await closed?.close();
  await there?.stop();
});

/** Comes back from the provider to this API, which a gateway with https would stand before. */
async function comeBack(api: TestApi, { login, browser, start }: { login: string; browser: Browser; start?: string }) {
  const from = start ?? `${api.url}/v1/auth/oidc/there/start`;
  const url = await browser.signIn(from, { login, until: publicUrl });
  return url.replace(publicUrl, api.url);
}

async function enter(api: TestApi, login: string) {
  const browser = openBrowser();
  there.people.set(login, {});
  return browser.fetch(await comeBack(api, { login, browser }), { headers: asJson });
}

test("S13: behind https the cookies are bound to this host, hidden from scripts, and strict where no link brings them", async () => {
  const browser = openBrowser();
  const begun = await browser.fetch(`${open.url}/v1/auth/oidc/there/start`);
  expect(begun.headers.get("set-cookie")).toMatch(
    /^__Host-sunduk_flow=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=3600$/,
  );
  there.people.set("cookies", {});
  const page = await browser.fetch(await comeBack(open, { login: "cookies", browser }));
  expect(page.headers.get("set-cookie")).toMatch(
    /^__Host-sunduk_handover=[\w.-]+; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=300$/,
  );
  const forged = [...browser.cookies].find(([name]) => name.includes("handover")) ?? ["", ""];
  browser.cookies.set(forged[0], `${forged[1].slice(0, -2)}AA`);
  const refused = await browser.fetch(`${open.url}/v1/auth/oidc/redeem`, {
    method: "POST",
    headers: { origin: publicUrl },
  });
  expect(refused.status).toBe(401);
});

test("somebody new who comes in many browsers at the same moment gets one account", async () => {
  there.people.set("many", { preferred_username: "many" });
  const browsers = Array.from({ length: 6 }, openBrowser);
  const urls = await Promise.all(browsers.map((browser) => comeBack(open, { login: "many", browser })));
  const answers = await Promise.all(
    browsers.map((browser, index) => browser.fetch(urls[index] ?? "", { headers: asJson })),
  );
  expect(answers.map(({ status }) => status)).toEqual(browsers.map(() => 200));
  expect(new Set(answers.map(({ json }) => json.user.id)).size).toBe(1);
  const { rows } = await open.deps.db.query({
    name: "test_many",
    text: `select login from account."user" where login like 'many%'`,
    values: [],
  });
  expect(rows).toEqual([{ login: "many" }]);
});

test("where registration is not open a provider makes no account, but signs in who is linked", async () => {
  const refused = await enter(closed, "newcomer");
  expect([refused.status, refused.json.reason]).toEqual([403, "registration-closed"]);
  const id = Bun.randomUUIDv7();
  await closed.deps.db.query({
    name: "test_user",
    text: `with made as (insert into account."user" (id, login, roles) values ($1, 'linked', '{}') returning id)
      insert into account.identity (provider, subject, user_id) select 'there', 'linked', id from made`,
    values: [id],
  });
  const entered = await enter(closed, "linked");
  expect([entered.status, entered.json.user]).toEqual([200, { id, login: "linked", roles: [] }]);
});

test("a client secret that the provider does not know is told as the operator's to mend", async () => {
  const browser = openBrowser();
  const start = `${open.url}/v1/auth/oidc/wrong/start`;
  there.people.set("anybody", {});
  const url = await comeBack(open, { login: "anybody", browser, start });
  const page = await browser.fetch(url, { headers: { "accept-language": "ru" } });
  expect([page.status, page.text.includes("сообщите администратору")]).toEqual([503, true]);
});

test("a provider cannot send us to addresses of our network that the operator has not named", async () => {
  let reached = 0;
  const inside = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(String(++reached)) });
  const evil: Bun.Server<undefined> = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) => {
      const issuer = new URL(url).origin;
      const within = `http://127.0.0.1:${inside.port}`;
      return Response.json({
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${within}/token`,
        jwks_uri: `${within}/keys`,
        response_types_supported: ["code"],
      });
    },
  });
  const issuer = `http://127.0.0.1:${evil.port}`;
  const api = await openTestApi({ OIDC_PROVIDERS: JSON.stringify([{ id: "evil", issuer, clientId }]) });
  try {
    const browser = openBrowser();
    const begun = await browser.fetch(`${api.url}/v1/auth/oidc/evil/start`);
    const state = new URL(begun.headers.get("location") ?? "").searchParams.get("state");
    const answer = await browser.fetch(`${api.url}/v1/auth/oidc/evil/callback?code=c&state=${state}`, {
      headers: asJson,
    });
    expect([answer.status, answer.json.reason, reached]).toEqual([503, "provider-away", 0]);
  } finally {
    await api.close();
    await inside.stop(true);
    await evil.stop(true);
  }
});

test("a login is made of a name in any letters", () => {
  const cases: Record<string, string> = {
    "Вася Щукин": "vasya-shchukin",
    "Объём Ёлка": "obem-elka",
    Jürgen_93: "jurgen_93",
    "...dots...": "dots",
    "a.b": "a.b",
    漢字: "player",
    x: "player",
    "": "player",
    ["long".repeat(20)]: "longlonglonglonglonglong",
  };
  for (const [name, login] of Object.entries(cases)) expect([name, suggestLogin(name)]).toEqual([name, login]);
  expect(suggestLogin(null)).toBe("player");
  expect(varyLogin("player")).toMatch(/^player-\d{4}$/);
});

test("a list of providers that cannot work is refused at the start, without its secrets", () => {
  const complaint = (providers: unknown) => {
    try {
      readConfig({ environment: { OIDC_PROVIDERS: JSON.stringify(providers) } });
    } catch (error) {
      if (error instanceof ConfigError) return error.message;
      throw error;
    }
    return "";
  };
  const good = { id: "there", issuer: "https://id.example", clientId: "c", clientSecret: "hush" };
  expect(complaint([good, { id: "discord", clientId: "c" }, { id: "work", kind: "github", clientId: "c" }])).toBe("");
  const wrong: [unknown[], string][] = [
    [[good, good], '"there" is there twice'],
    [[{ ...good, issuer: undefined }], "needs an issuer, or a kind"],
    [[{ ...good, issuer: "http://id.example" }], "must be https"],
    [[{ ...good, kind: "github" }], "an issuer is for OpenID Connect"],
    [[{ ...good, clientSecretFile: "f" }], "one of them is enough"],
    [[{ ...good, id: "There" }], "OIDC_PROVIDERS"],
  ];
  for (const [providers, expected] of wrong) {
    const text = complaint(providers);
    expect(text).toContain(expected);
    expect(text).not.toContain("hush");
  }
});
