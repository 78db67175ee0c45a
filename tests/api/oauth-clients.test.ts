import { expect, test } from "bun:test";
import { openClients } from "../../api/oauth/clients.ts";
import { makeUserCode, readUserCode, showUserCode } from "../../api/oauth/user-code.ts";
import { ConfigError, readConfig } from "../../config.ts";
import { openTestApi, testPassword } from "./open-test-api.ts";

test("a client with a scope that there is not stops the start, and is named", () => {
  const launcher = { id: "launcher", name: "Launcher", scopes: ["packs:read", "packs:everything"] };
  expect(() => openClients({ OAUTH_CLIENTS: [launcher], SERVICE_CLIENTS: [] })).toThrow(
    /^Cannot start: the client "launcher" has the scope packs:everything\. There are packs:read/,
  );
  const service = { id: "stats", secretSha256: "0".repeat(64), scopes: ["root"], roles: [] };
  expect(() => openClients({ OAUTH_CLIENTS: [], SERVICE_CLIENTS: [service] })).toThrow(/"stats" has the scope root/);
});

const withRedirect = (uri: string) =>
  readConfig({
    environment: { OAUTH_CLIENTS: JSON.stringify([{ id: "a", name: "A", scopes: ["openid"], redirectUris: [uri] }]) },
  });

test.each([
  "https://app.example/cb",
  "https://app.example:8443/cb?a=b",
  "http://127.0.0.1/cb",
  "http://[::1]:8000/cb",
  "http://localhost/",
  "com.example.app:/cb",
  "launcher://signed-in",
])("people may be sent back to %p", (uri) => expect(withRedirect(uri).OAUTH_CLIENTS[0]?.redirectUris).toEqual([uri]));

test.each([
  "http://app.example/cb",
  "http://127.0.0.1.evil.example/cb",
  "https://app.example/cb#here",
  "https://a:b@app.example/cb",
  "https:app.example/cb",
  "//app.example/cb",
  "/cb",
  "https://app.example/c b",
  "https://app.example/\\cb",
  "https://приложение.example/cb",
  "javascript:alert(1)",
  "data:text/html,x",
  "file:///etc/passwd",
])("nobody is sent to %p with a code: it stops the start", (uri) => {
  expect(() => withRedirect(uri)).toThrow(ConfigError);
  expect(() => withRedirect(uri)).toThrow(/OAUTH_CLIENTS: "a" cannot be sent back to/);
});

test("a client is trusted only where its codes cannot come to another program", () => {
  const read = (redirectUris: string[]) =>
    readConfig({
      environment: {
        OAUTH_CLIENTS: JSON.stringify([{ id: "a", name: "A", scopes: ["openid"], redirectUris, trusted: true }]),
      },
    });
  expect(read(["https://a.example/cb"]).OAUTH_CLIENTS[0]?.trusted).toBe(true);
  for (const other of ["http://127.0.0.1/cb", "com.example.app:/cb"])
    expect(() => read(["https://a.example/cb", other])).toThrow(/OAUTH_CLIENTS: "a" cannot be trusted/);
});

test("who is signed in gets so many codes a minute, an address redeems so many, and no device says that it is a trusted site", async () => {
  const redirect_uri = "https://a.example/cb";
  const clients = [{ id: "a", name: "A", scopes: ["openid"], redirectUris: [redirect_uri], trusted: true }];
  const api = await openTestApi({ OAUTH_CLIENTS: JSON.stringify(clients), LIMIT_SIGN_INS_PER_MINUTE: "3" });
  try {
    await api.signUp("player");
    const code = { client_id: "a", redirect_uri, response_type: "code", scope: "openid" };
    const query = `${new URLSearchParams({ ...code, code_challenge: "x".repeat(43), code_challenge_method: "S256" })}`;
    const signedIn = await fetch(`${api.url}/oauth/authorize/sign-in`, {
      method: "POST",
      redirect: "manual",
      headers: { origin: api.url },
      body: new URLSearchParams({ query, login: "player", password: testPassword }),
    });
    const cookie = signedIn.headers.getSetCookie()[0]?.split(";")[0] ?? "";
    const statuses = [signedIn.status];
    for (let asked = 0; asked < 3; asked++)
      statuses.push(
        (await fetch(`${api.url}/oauth/authorize?${query}`, { redirect: "manual", headers: { cookie } })).status,
      );
    expect(statuses).toEqual([303, 303, 303, 429]);
    const device = await fetch(`${api.url}/oauth/device_authorization`, {
      method: "POST",
      body: new URLSearchParams({ client_id: "a" }),
    });
    expect(await device.json()).toMatchObject({ error: "unauthorized_client" }); // by device anybody could be this client
    const none = `${api.url}/oauth/authorize?${query}&prompt=none`; // of which no page may come
    const told = (await fetch(none, { redirect: "manual", headers: { cookie } })).headers.get("location") ?? "";
    expect(new URL(told).searchParams.get("error")).toBe("temporarily_unavailable");
    const grant = { grant_type: "authorization_code", client_id: "a", redirect_uri, code: "x", code_verifier: query };
    const redeem = () => fetch(`${api.url}/oauth/token`, { method: "POST", body: new URLSearchParams(grant) });
    const redeemed = await Promise.all(Array.from({ length: 40 }, redeem));
    expect([...new Set(redeemed.map(({ status }) => status))].sort()).toEqual([400, 429]);
  } finally {
    await api.close();
  }
});

test("services are not told who people are", () => {
  const service = { id: "stats", secretSha256: "0".repeat(64), scopes: ["openid"], roles: [] };
  expect(() => openClients({ OAUTH_CLIENTS: [], SERVICE_CLIENTS: [service] })).toThrow(/"stats" has the scope openid/);
});

test("devices that begin too often from one address are told when to come back, in OAuth's words", async () => {
  const api = await openTestApi({ LIMIT_SIGN_INS_PER_MINUTE: "2" });
  try {
    const begin = () =>
      fetch(`${api.url}/oauth/device_authorization`, {
        method: "POST",
        body: new URLSearchParams({ client_id: "sunduk-cli" }),
      });
    const first = await begin();
    expect([first.status, first.headers.get("ratelimit-policy")]).toEqual([200, '"devices";q=2;w=60']);
    await begin();
    const refused = await begin();
    const body = await refused.json();
    expect([refused.status, body]).toEqual([429, { error: "slow_down", error_description: expect.any(String) }]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(refused.headers.get("ratelimit")).toStartWith('"devices";r=0;');
    expect(refused.headers.get("cache-control")).toBe("no-store");
  } finally {
    await api.close();
  }
});

test("user codes have no vowels and nothing that looks like something else, use every letter, and are read as shown", () => {
  const seen = new Set<string>();
  for (let count = 0; count < 500; count++) {
    const code = makeUserCode();
    expect(code).toMatch(/^[^AEIOUY01258]{8}$/);
    expect(readUserCode(showUserCode(code))).toBe(code);
    for (const letter of code) seen.add(letter);
  }
  expect(seen.size).toBe(24);
});

test.each(["", "BCDF", "BCDF-GHJ", "BCDF-GHJKL", "BCDF-GHJA", "ЖЖЖЖ-ЖЖЖЖ", "BCDF-GHJ\u0000", "𝔹CDF-GHJK"])(
  "%p is no user code",
  (typed) => expect(readUserCode(typed)).toBeUndefined(),
);
