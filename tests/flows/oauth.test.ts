import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import * as client from "openid-client";
import { createTestFolder, long, openCall, type System, startSystem, type TestUser, waitFor } from "../harness.ts";
import { decide, openBrowser, postForm, testPassword } from "./device.ts";

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code";
const secret = "a secret of thirty-two characters";
let system: System;
let user: TestUser;
let logFile: string;

beforeAll(async () => {
  logFile = join(await createTestFolder(), "log");
  const environment = {
    LOG_LEVEL: "debug",
    OAUTH_CLIENTS: JSON.stringify([
      { id: "test-launcher", name: "Test Launcher", scopes: ["packs:read", "packs:write", "account:read"] },
      { id: "other-launcher", name: "Other Launcher", scopes: ["packs:read"] },
    ]),
    SERVICE_CLIENTS: JSON.stringify([
      { id: "stats", secret, scopes: ["packs:read", "admin"], roles: ["ops"] },
      { id: "mirror", secret: `${secret} too`, scopes: ["packs:read", "packs:write"] },
    ]),
  };
  system = await startSystem({ environment, pods: 1, logFile });
  user = await system.signUp("player");
});
afterAll(() => system?.stop());

const begin = (fields: Record<string, string> = {}) =>
  postForm(`${system.url}/oauth/device_authorization`, { client_id: "test-launcher", ...fields });
const poll = (deviceCode: string, url = system.url, clientId = "test-launcher") =>
  postForm(`${url}/oauth/token`, { grant_type: deviceGrant, client_id: clientId, device_code: deviceCode });

/** Tokens of a device that its user has let in. */
async function letIn(fields: Record<string, string> = {}, login = user.login) {
  const { json } = await begin(fields);
  await decide(system.url, { userCode: json.user_code, login, action: "approve" });
  const granted = await poll(json.device_code);
  expect([granted.status, granted.json.error]).toEqual([200, undefined]);
  return granted.json;
}

const sessionsOf = async (token: string) =>
  (await openCall(system.url, token)("GET", "/v1/auth/sessions")).json.items as any[];

describe("openid-client, which knows nothing of us", () => {
  let config: client.Configuration;
  beforeAll(async () => {
    config = await client.discovery(new URL(system.url), "test-launcher", undefined, client.None(), {
      algorithm: "oauth2",
      execute: [client.allowInsecureRequests],
    });
  });

  test("finds the server, signs a device in by code, refreshes, and signs it out everywhere", async () => {
    const device = await client.initiateDeviceAuthorization(config, {
      scope: "packs:read account:read",
      device_name: "The computer in the hall",
    });
    expect(device.user_code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ3479]{4}-[BCDFGHJKLMNPQRSTVWXZ3479]{4}$/);
    expect(device).toMatchObject({ verification_uri: `${system.url}/device`, expires_in: 600, interval: 5 });
    const polling = client.pollDeviceAuthorizationGrant(config, device);
    await decide(system.url, { userCode: device.user_code, login: user.login, action: "approve" });
    const tokens = await polling;
    expect(tokens).toMatchObject({ token_type: "bearer", expires_in: 600, scope: "packs:read account:read" });

    const [session] = (await sessionsOf(tokens.access_token)).filter(({ current }) => current);
    expect(session).toMatchObject({
      kind: "launcher",
      client: "test-launcher",
      device: "The computer in the hall",
      scopes: ["packs:read", "account:read"],
    });
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token ?? "");
    expect(refreshed.access_token).not.toBe(tokens.access_token);
    expect(refreshed.refresh_token).not.toBe(tokens.refresh_token);
    expect(refreshed.scope).toBe("packs:read account:read");

    await client.tokenRevocation(config, refreshed.refresh_token ?? "");
    for (const url of system.apiUrls)
      for (const token of [tokens.access_token, refreshed.access_token])
        await waitFor(async () => (await openCall(url, token)("GET", "/v1/packs")).status === 401, "the end of it");
    const again = await client.refreshTokenGrant(config, refreshed.refresh_token ?? "").catch((error) => error);
    expect(again).toMatchObject({ error: "invalid_grant", status: 400 });
  });

  test("is told of a denial", async () => {
    const device = await client.initiateDeviceAuthorization(config, {});
    const polling = client.pollDeviceAuthorizationGrant(config, device).catch((error) => error);
    await decide(system.url, { userCode: device.user_code, login: user.login, action: "deny" });
    expect(await polling).toMatchObject({ error: "access_denied" });
  });

  test("gets tokens for a service with its secret, both ways", async () => {
    for (const authentication of [client.ClientSecretBasic, client.ClientSecretPost]) {
      const service = await client.discovery(new URL(system.url), "stats", undefined, authentication(secret), {
        algorithm: "oauth2",
        execute: [client.allowInsecureRequests],
      });
      const tokens = await client.clientCredentialsGrant(service, { scope: "admin" });
      expect(tokens).toMatchObject({ expires_in: 600, scope: "admin" });
      expect(tokens.refresh_token).toBeUndefined();
      const call = openCall(system.url, tokens.access_token);
      expect((await call("GET", "/v1/ops/storage/sweep")).status).toBe(200);
      expect((await call("GET", "/v1/me")).status).toBe(403);
    }
  });
});

describe("a device grant", () => {
  test("a poll that comes too early is told to slow down, and each one counts, also of many at once", async () => {
    const { json } = await begin();
    const intervalOf = async () => {
      const { rows } = await system.db.query({
        name: "test_interval",
        text: "select max(interval_seconds) as seconds from account.device_grant where state = 'pending' and polled_at is not null",
        values: [],
      });
      return (rows[0] as { seconds: number }).seconds;
    };
    expect((await poll(json.device_code)).json.error).toBe("authorization_pending");
    expect(await intervalOf()).toBe(5);
    const hasty = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        poll(json.device_code, system.apiUrls[index % system.apiUrls.length] ?? ""),
      ),
    );
    expect(hasty.map(({ status, json }) => [status, json.error])).toEqual(Array(10).fill([400, "slow_down"]));
    expect(await intervalOf()).toBe(55);
    // An approved device is not punished for what it did before.
    await decide(system.url, { userCode: json.user_code, login: user.login, action: "approve" });
    expect((await poll(json.device_code)).status).toBe(200);
  });

  test("L12: of 50 polls at once exactly one gets tokens, and one session begins", async () => {
    for (let round = 0; round < (long ? 20 : 2); round++) {
      const person = await system.signUp();
      const { json } = await begin({ scope: "account:read" });
      await decide(system.url, { userCode: json.user_code, login: person.login, action: "approve" });
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          poll(json.device_code, system.apiUrls[index % system.apiUrls.length] ?? ""),
        ),
      );
      const won = answers.filter(({ status }) => status === 200);
      expect(won.length).toBe(1);
      expect(new Set(answers.filter(({ status }) => status !== 200).map(({ json }) => json.error))).toEqual(
        new Set(["invalid_grant"]),
      );
      const sessions = await sessionsOf(won[0]?.json.access_token);
      expect(sessions.filter(({ client }) => client === "test-launcher").length).toBe(1);
      expect((await poll(json.device_code)).json.error).toBe("invalid_grant");
    }
  });

  test("expires, for the device and for its user", async () => {
    const { json } = await begin();
    await system.db.query({
      name: "test_expire",
      text: "update account.device_grant set expires_at = now() where state = 'pending'",
      values: [],
    });
    expect((await poll(json.device_code)).json.error).toBe("expired_token");
    const looking = decide(system.url, { userCode: json.user_code, login: user.login, action: "approve" });
    expect(await looking.catch(({ message }) => message)).toContain("404");
  });

  test("belongs to the client that began it", async () => {
    const { json } = await begin({ scope: "packs:read" });
    await decide(system.url, { userCode: json.user_code, login: user.login, action: "approve" });
    expect((await poll(json.device_code, system.url, "other-launcher")).json.error).toBe("invalid_grant");
    const { json: tokens } = await poll(json.device_code);
    const refresh = { grant_type: "refresh_token", refresh_token: tokens.refresh_token };
    const stolen = await postForm(`${system.url}/oauth/token`, { ...refresh, client_id: "other-launcher" });
    expect([stolen.status, stolen.json.error]).toEqual([400, "invalid_grant"]);
    const own = await postForm(`${system.url}/oauth/token`, { ...refresh, client_id: "test-launcher" });
    expect(own.status).toBe(200);
  });

  test("keeps neither code in the clear", async () => {
    const { json } = await begin();
    const { rows } = await system.db.query({
      name: "test_rows",
      text: "select to_jsonb(g)::text as row from account.device_grant g",
      values: [],
    });
    const text = JSON.stringify(rows);
    for (const code of [json.device_code, json.user_code, json.user_code.replace("-", "")])
      expect(text).not.toContain(code);
  });

  test("approved and not yet fetched, it is taken back with all sessions", async () => {
    const person = await system.signUp();
    const { json } = await begin();
    await decide(system.url, { userCode: json.user_code, login: person.login, action: "approve" });
    expect((await person.call("DELETE", "/v1/auth/sessions?except=current")).status).toBe(200);
    expect((await poll(json.device_code)).json.error).toBe("access_denied");
  });

  test("S8: fetched while all sessions are ended, it leaves no session that holds", async () => {
    const person = await system.signUp();
    for (let round = 0; round < (long ? 100 : 10); round++) {
      const { json } = await begin({ scope: "account:read" });
      await decide(system.url, { userCode: json.user_code, login: person.login, action: "approve" });
      const [granted] = await Promise.all([
        poll(json.device_code),
        person.call("DELETE", "/v1/auth/sessions?except=current"),
      ]);
      // The process that answers may hear of it a moment later (S1): what counts is that it ends.
      if (granted.status === 200)
        await waitFor(
          async () =>
            (await openCall(system.url, granted.json.access_token)("GET", "/v1/auth/sessions")).status === 401,
          "the session to end",
          2_000,
        );
      else expect(granted.json.error).toBe("access_denied");
    }
  });
});

describe("scopes", () => {
  test("a token for reading packs reads packs, and does nothing else", async () => {
    const tokens = await letIn({ scope: "packs:read" });
    expect(tokens.scope).toBe("packs:read");
    const call = openCall(system.url, tokens.access_token);
    expect((await call("GET", "/v1/packs")).status).toBe(200);
    const body = { slug: "not-allowed", name: "x" };
    expect((await call("POST", "/v1/packs", { body })).status).toBe(403);
    expect((await call("POST", "/v1/uploads", { body: { sha256: "0".repeat(64), size: 1, name: "x" } })).status).toBe(
      403,
    );
    for (const path of ["/v1/files", "/v1/auth/sessions", "/v1/ops/storage/sweep"])
      expect([path, (await call("GET", path)).status]).toEqual([path, 403]);
  });

  test("a refresh may narrow them for one token, and never widen them", async () => {
    const tokens = await letIn({ scope: "packs:write account:read" });
    const refresh = (token: string, scope: string) =>
      postForm(`${system.url}/oauth/token`, {
        grant_type: "refresh_token",
        client_id: "test-launcher",
        refresh_token: token,
        scope,
      });
    const wider = await refresh(tokens.refresh_token, "packs:write packs:read");
    expect([wider.status, wider.json.error]).toEqual([400, "invalid_scope"]);
    const { json: narrow } = await refresh(tokens.refresh_token, "account:read");
    expect(narrow.scope).toBe("account:read");
    expect((await openCall(system.url, narrow.access_token)("GET", "/v1/packs")).status).toBe(403);
    const { json: whole } = await refresh(narrow.refresh_token, "");
    expect(whole.scope).toBe("packs:write account:read");
  });

  test("a device is let in, but its user's password was not shown on it", async () => {
    const tokens = await letIn();
    const { rows } = await system.db.query({
      name: "test_fresh",
      text: "select fresh_at > now() - interval '1 hour' as fresh from account.session where client_id = 'test-launcher' order by created_at desc limit 1",
      values: [],
    });
    expect(tokens.access_token).toBeString();
    expect(rows).toEqual([{ fresh: false }]);
  });
});

describe("services", () => {
  const grant = (fields: Record<string, string>, headers = {}) =>
    postForm(`${system.url}/oauth/token`, { grant_type: "client_credentials", ...fields }, headers);
  const mirror = { client_id: "mirror", client_secret: `${secret} too` };

  test("a service is a user of its own, whose things are its own, and whom nobody can sign in as", async () => {
    const { json } = await grant(mirror);
    expect(json.scope).toBe("packs:read packs:write");
    const call = openCall(system.url, json.access_token);
    expect((await call("POST", "/v1/packs", { body: { slug: "of-a-service", name: "Mirrored" } })).status).toBe(201);
    expect((await user.call("GET", "/v1/packs/of-a-service")).status).toBe(404);
    const { json: again } = await grant(mirror);
    expect((await openCall(system.url, again.access_token)("GET", "/v1/packs/of-a-service")).status).toBe(200);
    const body = { login: "service:mirror", password: "a long test password" };
    expect((await system.call("POST", "/v1/auth/register", { body })).status).toBe(422);
    expect((await system.call("POST", "/v1/auth/login", { body })).status).toBe(401);
  });

  test("a wrong secret, none, another's, or a launcher's id get nothing, all in the same words", async () => {
    const cases: Record<string, string>[] = [
      { client_id: "mirror", client_secret: "wrong" },
      { client_id: "mirror" },
      { client_id: "mirror", client_secret: secret },
      { client_id: "nobody", client_secret: secret },
      { client_id: "test-launcher", client_secret: secret },
    ];
    const told = new Set<string>();
    for (const fields of cases) {
      const { status, headers, json } = await grant(fields);
      expect([fields, status, headers.get("www-authenticate")]).toEqual([fields, 401, 'Basic realm="sunduk"']);
      told.add(JSON.stringify(json));
    }
    expect(told.size).toBe(1);
    expect((await grant({ client_id: "test-launcher" })).json.error).toBe("unauthorized_client");
    const device = await postForm(`${system.url}/oauth/device_authorization`, mirror);
    expect(device.json.error).toBe("unauthorized_client");
  });

  test("other roles in the configuration count from the next sign-in on, and end its older tokens", async () => {
    const stats = { client_id: "stats", client_secret: secret, scope: "admin" };
    const sweepOf = async (token: string) => (await openCall(system.url, token)("GET", "/v1/ops/storage/sweep")).status;
    const { json: before } = await grant(stats);
    expect(await sweepOf(before.access_token)).toBe(200);
    // As if the configuration had been another one until now.
    await system.db.query({
      name: "test_roles_before",
      text: `update account."user" set roles = '{author}' where login = 'service:stats'`,
      values: [],
    });
    const { json: after } = await grant(stats);
    await waitFor(async () => (await sweepOf(before.access_token)) === 401, "the older token to end", 2_000);
    expect(await sweepOf(after.access_token)).toBe(200);
    expect(await sweepOf((await grant(stats)).json.access_token)).toBe(200);
    expect(await sweepOf(after.access_token)).toBe(200);
  });

  test("one that is disabled gets no more tokens", async () => {
    await grant(mirror);
    const disable = (value: string | null) =>
      system.db.query({
        name: "test_disable",
        text: `update account."user" set disabled_at = $1 where login = 'service:mirror'`,
        values: [value],
      });
    await disable("2020-01-01");
    expect((await grant(mirror)).json.error).toBe("invalid_client");
    await disable(null);
    expect((await grant(mirror)).status).toBe(200);
  });
});

describe("revocation", () => {
  const revoke = (token: string, clientId = "test-launcher") =>
    postForm(`${system.url}/oauth/revoke`, { client_id: clientId, token });

  test("an access token ends its session as a refresh token does", async () => {
    const tokens = await letIn();
    expect((await revoke(tokens.access_token)).status).toBe(200);
    const call = openCall(system.url, tokens.access_token);
    await waitFor(async () => (await call("GET", "/v1/packs")).status === 401, "the end of it", 2_000);
    const body = { refreshToken: tokens.refresh_token };
    expect((await system.call("POST", "/v1/auth/refresh", { body })).status).toBe(401);
    expect((await revoke(tokens.access_token)).status).toBe(200);
  });

  test("what is unknown, forged or ended is no failure, and ends nothing; what is another client's is refused", async () => {
    const tokens = await letIn();
    const forged = tokens.refresh_token.replace(/.$/, (last: string) => (last === "A" ? "B" : "A"));
    for (const token of ["nonsense", forged, `${tokens.access_token.slice(0, -4)}AAAA`])
      expect([token, (await revoke(token)).status]).toEqual([token, 200]);
    const foreign = await revoke(tokens.refresh_token, "other-launcher");
    expect([foreign.status, foreign.json.error]).toEqual([400, "invalid_grant"]);
    expect((await revoke(`sdk_pat_${"A".repeat(43)}`)).json.error).toBe("unsupported_token_type");
    expect((await openCall(system.url, tokens.access_token)("GET", "/v1/packs")).status).toBe(200);
  });
});

describe("what is no request of OAuth", () => {
  const token = () => `${system.url}/oauth/token`;

  test("is refused in the form of RFC 6749, 5.2, and no cache keeps it", async () => {
    const cases: [Record<string, string> | string, string][] = [
      [{}, "invalid_request"],
      [{ client_id: "test-launcher" }, "invalid_request"],
      [{ client_id: "test-launcher", grant_type: "" }, "invalid_request"],
      [{ client_id: "test-launcher", grant_type: "password", username: "a", password: "b" }, "unsupported_grant_type"],
      [{ client_id: "test-launcher", grant_type: deviceGrant }, "invalid_request"],
      [{ client_id: "test-launcher", grant_type: deviceGrant, device_code: "x" }, "invalid_grant"],
      [{ client_id: "test-launcher", grant_type: "refresh_token", refresh_token: "x" }, "invalid_grant"],
      [`client_id=test-launcher&client_id=sunduk-cli&grant_type=${deviceGrant}&device_code=x`, "invalid_request"],
      [`client_id=test-launcher&grant_type=${deviceGrant}&device_code=${"x".repeat(20_000)}`, "invalid_request"],
    ];
    for (const [fields, error] of cases) {
      const { status, json, headers } = await postForm(token(), fields);
      expect([fields, status, json.error]).toEqual([fields, 400, error]);
      expect(json.error_description).toMatch(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/);
      expect(headers.get("cache-control")).toBe("no-store");
    }
    const json = await system.call("POST", "/oauth/token", { body: { grant_type: deviceGrant } });
    expect([json.status, json.json.error]).toEqual([400, "invalid_request"]);
    for (const scope of ["admin", "packs:read everything"])
      expect((await begin({ scope })).json.error).toBe("invalid_scope");
  });

  test("the metadata says what there is, without secrets, and may be cached", async () => {
    const { json, headers } = await system.call("GET", "/.well-known/oauth-authorization-server");
    expect(json).toMatchObject({
      issuer: system.url,
      device_authorization_endpoint: `${system.url}/oauth/device_authorization`,
      grant_types_supported: ["authorization_code", deviceGrant, "refresh_token", "client_credentials"],
    });
    expect(headers.get("cache-control")).toBe("public, max-age=300");
    for (const endpoint of [json.jwks_uri, json.service_documentation])
      expect((await system.call("GET", endpoint)).status).toBe(200);
  });
});

test("S12: neither codes nor tokens nor secrets are in the logs", async () => {
  const { json } = await begin();
  const browser = openBrowser(system.url);
  const fields = { action: "look", user_code: json.user_code, login: user.login, password: testPassword };
  await browser.post(fields);
  const cookie = browser.cookie().split("=")[1] ?? "";
  await browser.post({ action: "approve" });
  const { json: tokens } = await poll(json.device_code);
  const service = { grant_type: "client_credentials", client_id: "stats", client_secret: secret };
  const { json: granted } = await postForm(`${system.url}/oauth/token`, service);
  await postForm(`${system.url}/oauth/token`, { ...service, client_secret: `${secret} wrong` });
  await postForm(`${system.url}/oauth/revoke`, { client_id: "test-launcher", token: tokens.refresh_token });
  const log = await waitFor(async () => {
    const text = await Bun.file(logFile).text();
    return text.includes('"/oauth/revoke"') && text;
  }, "the requests to be logged");
  expect(log).toContain('"/oauth/token"');
  const secrets = [json.device_code, json.user_code, cookie, testPassword, secret, tokens.access_token];
  for (const word of [...secrets, tokens.refresh_token, granted.access_token]) {
    expect(word.length).toBeGreaterThan(8);
    expect(log).not.toContain(word);
  }
});
