import { afterAll, beforeAll, expect, test } from "bun:test";
import { codeAt, stepAt } from "../../api/accounts/totp.ts";
import { long, openCall, type System, startSystem, type TestUser } from "../harness.ts";
import { seat } from "./sunduk.ts";

const password = "a long test password";
let system: System;

beforeAll(async () => {
  system = await startSystem({ pods: 0 });
});
afterAll(() => system?.stop());

const codeFor = (secret: string, away = 0) => codeAt(secret, stepAt(Date.now()) + away);
const signIn = (login: string, more: Record<string, string> = {}) =>
  system.call("POST", "/v1/auth/login", { body: { login, password, ...more } });

/** Somebody with a second factor; the code of the step before this one is used up. */
async function withFactor(user?: TestUser): Promise<{ user: TestUser; secret: string; recoveryCodes: string[] }> {
  const owner = user ?? (await system.signUp());
  const begun = await owner.call("POST", "/v1/me/totp");
  expect(begun.status).toBe(201);
  const confirmed = await owner.call("POST", "/v1/me/totp/confirm", { body: { code: codeFor(begun.json.secret, -1) } });
  expect(confirmed.status).toBe(200);
  return { user: owner, secret: begun.json.secret, recoveryCodes: confirmed.json.recoveryCodes };
}

test("a second factor counts once it was confirmed with a code, and answers its recovery codes once", async () => {
  const user = await system.signUp();
  const { json, headers } = await user.call("POST", "/v1/me/totp");
  expect(json.uri).toStartWith("otpauth://totp/");
  expect(new URL(json.uri).searchParams.get("secret")).toBe(json.secret);
  expect(headers.get("cache-control")).toContain("no-store");
  expect((await signIn(user.login)).status).toBe(200);
  const wrong = await user.call("POST", "/v1/me/totp/confirm", { body: { code: codeFor(json.secret, 5) } });
  expect([wrong.status, wrong.json.errors[0].pointer]).toEqual([422, "/code"]);
  expect((await signIn(user.login)).status).toBe(200);
  const confirmed = await user.call("POST", "/v1/me/totp/confirm", { body: { code: codeFor(json.secret) } });
  expect(confirmed.status).toBe(200);
  expect(new Set(confirmed.json.recoveryCodes).size).toBe(10);
  for (const code of confirmed.json.recoveryCodes) expect(code).toMatch(/^([a-z2-7]{4}-){3}[a-z2-7]{4}$/);
  expect((await user.call("POST", "/v1/me/totp/confirm", { body: { code: codeFor(json.secret, 1) } })).status).toBe(
    409,
  );
  expect((await user.call("POST", "/v1/me/totp")).status).toBe(409);
});

test("signing in asks for a code once the password was right, and says nothing before", async () => {
  const { user, secret } = await withFactor();
  const missing = await signIn(user.login);
  expect([missing.status, missing.json.reason]).toEqual([401, "second-factor"]);
  const wrong = await signIn(user.login, { code: codeFor(secret, 7) });
  expect([wrong.status, wrong.json.reason]).toEqual([401, "second-factor"]);
  for (const body of [
    { login: user.login, password: "another password" },
    { login: user.login, password: "another password", code: codeFor(secret) },
  ]) {
    const refused = await system.call("POST", "/v1/auth/login", { body });
    expect([refused.status, "reason" in refused.json]).toEqual([401, false]);
  }
  expect((await signIn(user.login, { code: codeFor(secret) })).status).toBe(200);
});

test("L11: a code is good once, also when many use it at the same moment, and an older one is not good after it", async () => {
  const rounds = long ? 10 : 2;
  for (let round = 0; round < rounds; round++) {
    const { user, secret } = await withFactor();
    const code = codeFor(secret);
    const answers = await Promise.all(Array.from({ length: 5 }, () => signIn(user.login, { code })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401]);
    expect((await signIn(user.login, { code: codeFor(secret, -1) })).status).toBe(401);
    expect((await signIn(user.login, { code: codeFor(secret, 1) })).status).toBe(200);
  }
});

test("L11: a recovery code is good once, also when many use it at the same moment; the others stay good", async () => {
  const { user, recoveryCodes } = await withFactor();
  const [first = "", second = ""] = recoveryCodes;
  const answers = await Promise.all(Array.from({ length: 5 }, () => signIn(user.login, { code: first })));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401, 401]);
  // People type them with spaces and in capitals.
  expect((await signIn(user.login, { code: second.toUpperCase().replaceAll("-", " ") })).status).toBe(200);
  expect((await signIn(user.login, { code: second })).status).toBe(401);
});

test("wrong codes are counted, also those sent at the same moment: after ten even the right one is refused", async () => {
  const { user, secret, recoveryCodes } = await withFactor();
  const answers = await Promise.all(Array.from({ length: 16 }, () => signIn(user.login, { code: codeFor(secret, 9) })));
  const statuses = answers.map(({ status }) => status);
  expect([
    statuses.filter((status) => status === 401).length,
    statuses.filter((status) => status === 429).length,
  ]).toEqual([10, 6]);
  expect((await signIn(user.login, { code: codeFor(secret) })).status).toBe(429);
  // Somebody who has the password cannot keep its owner out, whoever has not got it is not even counted.
  expect((await signIn(user.login, { code: recoveryCodes[0] ?? "" })).status).toBe(200);
  const other = await withFactor();
  const guesses = Array.from({ length: 12 }, () =>
    system.call("POST", "/v1/auth/login", {
      body: { login: other.user.login, password: "wrong password", code: "123456" },
    }),
  );
  for (const { status } of await Promise.all(guesses)) expect(status).toBe(401);
  expect((await signIn(other.user.login, { code: codeFor(other.secret) })).status).toBe(200);
});

test("a second factor that is confirmed many times at the same moment is confirmed once, and its codes are those told", async () => {
  const user = await system.signUp();
  const { secret } = (await user.call("POST", "/v1/me/totp")).json;
  const body = { code: codeFor(secret) };
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => user.call("POST", "/v1/me/totp/confirm", { body })),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 7 }, () => 409)]);
  const [code] = answers.find(({ status }) => status === 200)?.json.recoveryCodes ?? [];
  expect((await signIn(user.login, { code })).status).toBe(200);
});

test("S2: other sessions end everywhere when a second factor is set up, if asked", async () => {
  const user = await system.signUp();
  const other = (await signIn(user.login)).json;
  const { json } = await user.call("POST", "/v1/me/totp");
  const confirmed = await user.call("POST", "/v1/me/totp/confirm", {
    body: { code: codeFor(json.secret), endOthers: true },
  });
  expect(confirmed.json.ended).toBe(1);
  for (const url of system.apiUrls) {
    expect((await openCall(url, other.accessToken)("GET", "/v1/auth/sessions")).status).toBe(401);
    expect((await openCall(url, user.token)("GET", "/v1/auth/sessions")).status).toBe(200);
  }
  expect((await system.call("POST", "/v1/auth/refresh", { body: { refreshToken: other.refreshToken } })).status).toBe(
    401,
  );
});

test("S2: and when it is removed, if asked", async () => {
  const { user, recoveryCodes } = await withFactor();
  const [first = "", second = "", third = ""] = recoveryCodes;
  const others = [await signIn(user.login, { code: first }), await signIn(user.login, { code: second })];
  const removed = await user.call("DELETE", "/v1/me/totp", { body: { code: third, endOthers: true } });
  expect(removed.status).toBe(204);
  for (const url of system.apiUrls)
    for (const { json } of others)
      expect((await openCall(url, json.accessToken)("GET", "/v1/auth/sessions")).status).toBe(401);
  expect((await user.call("GET", "/v1/auth/sessions")).status).toBe(200);
});

test("removing the second factor needs a code of it, and then none is asked for", async () => {
  const { user, recoveryCodes } = await withFactor();
  expect((await user.call("DELETE", "/v1/me/totp", { body: { code: "000000" } })).status).toBe(422);
  expect((await signIn(user.login)).status).toBe(401);
  expect((await user.call("DELETE", "/v1/me/totp", { body: { code: recoveryCodes[0] } })).status).toBe(204);
  expect((await user.call("DELETE", "/v1/me/totp", { body: { code: recoveryCodes[1] } })).status).toBe(404);
  expect((await signIn(user.login)).status).toBe(200);
  const again = await withFactor(user);
  expect(again.recoveryCodes).not.toContain(recoveryCodes[2]);
  expect((await signIn(user.login, { code: recoveryCodes[2] ?? "" })).status).toBe(401);
});

test("a second factor is begun and removed only soon after signing in", async () => {
  const { user, secret } = await withFactor();
  const fresh = await system.signUp();
  await system.db.query({
    name: "test_stale",
    text: "update account.session set fresh_at = now() - interval '11 minutes'",
    values: [],
  });
  for (const refused of [
    await fresh.call("POST", "/v1/me/totp"),
    await user.call("DELETE", "/v1/me/totp", { body: { code: codeFor(secret) } }),
  ])
    expect([refused.status, refused.json.reason]).toEqual([403, "stale-session"]);
});

test("neither the secret nor a recovery code can be read in the database", async () => {
  const { user, secret, recoveryCodes } = await withFactor();
  const { rows } = await system.db.query({
    name: "test_factor",
    text: `select u.totp_secret as secret, array_agg(c.code_hash) as hashes from account."user" u
      join account.recovery_code c on c.user_id = u.id where u.login = $1 group by u.id`,
    values: [user.login],
  });
  const text = JSON.stringify(rows);
  expect(rows).toHaveLength(1);
  for (const plain of [secret, ...recoveryCodes, ...recoveryCodes.map((code) => code.replaceAll("-", ""))])
    expect(text).not.toContain(plain);
});

test("operators with a second factor give a code on their page", async () => {
  const operator = await system.signUp(undefined, ["ops"]);
  const { secret } = await withFactor(operator);
  const submit = (code: string, language = "en") =>
    fetch(`${system.url}/ops/sign-in`, {
      method: "POST",
      redirect: "manual",
      headers: { origin: system.url, "accept-language": language },
      body: new URLSearchParams({ login: operator.login, password, code }),
    });
  const asked = await submit("", "ru");
  expect([asked.status, asked.headers.get("set-cookie")]).toEqual([401, null]);
  expect(await asked.text()).toContain("код восстановления");
  const signedIn = await submit(codeFor(secret));
  expect(signedIn.status).toBe(303);
  expect(signedIn.headers.get("set-cookie")).toContain("HttpOnly");
});

test("sunduk admin remove-factor lets in who has lost his app and his recovery codes", async () => {
  const operator = await seat();
  try {
    const { user } = await withFactor();
    const remove = (login: string, lang = "en_GB.UTF-8") =>
      operator.sunduk(["admin", "remove-factor", "--login", login], { env: { ...system.environment, LANG: lang } });
    const removed = await remove(user.login.toUpperCase(), "ru_RU.UTF-8");
    expect([removed.code, removed.stdout + removed.stderr]).toEqual([
      0,
      expect.stringContaining("входит только по паролю"),
    ]);
    expect((await signIn(user.login)).status).toBe(200);
    const again = await remove(user.login);
    expect([again.code === 0, again.stderr]).toEqual([false, expect.stringContaining("has none")]);
    expect((await remove("nobody-of-this-name")).stderr).toContain("no account");
  } finally {
    await operator.close();
  }
});
