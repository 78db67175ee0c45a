import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, type Call, long, openCall, type System, startSystem, waitFor } from "../harness.ts";
import { type MailServer, startMailServer, tokenOf } from "../mail-server.ts";

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

const russian = { "accept-language": "ru, en;q=0.5" };
const first = "a long test password";
const second = "another long password";
let made = 0;

type Person = { login: string; email: string; call: Call; accessToken: string; refreshToken: string };

const post = (path: string, body: object, headers: Record<string, string> = {}): Promise<Answer> =>
  system.call("POST", path, { body, headers });
const signIn = (login: string, password: string) => post("/v1/auth/login", { login, password });
const refresh = (refreshToken: string) => post("/v1/auth/refresh", { refreshToken });
const verify = (token: string) => post("/v1/auth/email/verify", { token });
const forgot = (login: string, headers = {}) => post("/v1/auth/password/forgot", { login }, headers);
const reset = (token: string, more: object = {}) =>
  post("/v1/auth/password/reset", { token, password: second, ...more });

async function register({ email = "", headers = {} } = {}): Promise<Person> {
  const login = `person-${++made}-${Math.random().toString(36).slice(2, 8)}`;
  const address = email || `${login}@mail.example`;
  const { status, json, text } = await post("/v1/auth/register", { login, email: address, password: first }, headers);
  if (status !== 201) throw new Error(text);
  return { login, email: address, call: openCall(system.url, json.accessToken), ...json };
}

/** Somebody who has proved his address. */
async function person(): Promise<Person> {
  const user = await register();
  const answer = await verify(tokenOf(await mails.waitForMail(user.email), "verify"));
  expect([answer.status, answer.json]).toEqual([200, { login: user.login, email: user.email }]);
  return user;
}

async function resetTokenOf(user: Person): Promise<string> {
  expect((await forgot(user.login)).status).toBe(202);
  return tokenOf(await mails.waitForMail(user.email, /password/), "reset");
}

/** How every API process answers an access token. */
const statusesOf = (accessToken: string) =>
  Promise.all(system.apiUrls.map(async (url) => (await openCall(url, accessToken)("GET", "/v1/auth/sessions")).status));
const waitUntilRefused = (accessToken: string) =>
  waitFor(
    async () => (await statusesOf(accessToken)).every((status) => status === 401),
    "every process to refuse a token",
    3_000,
  );

describe("an address", () => {
  test("is proved by a link, in the language of the request, and then signs in", async () => {
    const user = await register({ headers: russian });
    const mail = await mails.waitForMail(user.email);
    expect(mail.subject).toMatch(/^Подтвердите адрес для /);
    expect((await signIn(user.email, first)).status).toBe(401);
    const token = tokenOf(mail, "verify");
    expect((await reset(token)).status).toBe(422); // a link is for one purpose
    expect((await verify(token)).json).toEqual({ login: user.login, email: user.email });
    expect((await signIn(user.email.toUpperCase(), first)).status).toBe(200);
    const again = await verify(token);
    expect([again.status, again.json.reason]).toEqual([422, "link"]);
  });

  test("belongs to one account, however many prove it at once", async () => {
    const email = `shared-${Math.random().toString(36).slice(2)}@mail.example`;
    const claimants = [await register({ email }), await register({ email }), await register({ email })];
    const tokens: string[] = [];
    for (const _claimant of claimants) tokens.push(tokenOf(await mails.waitForMail(email), "verify"));
    const answers = await Promise.all(tokens.map(verify));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    const owner = answers.find(({ status }) => status === 200)?.json.login;
    expect((await signIn(email, first)).json.user.login).toBe(owner);
    for (const token of tokens) expect([409, 422]).toContain((await verify(token)).status);
  });

  test("that is taken: its owner is told that somebody tried, who tried is not (L2)", async () => {
    const owner = await person();
    const other = await register({ email: owner.email });
    const mail = await mails.waitForMail(owner.email);
    expect(mail.subject).toMatch(/^Somebody tried to use your address/);
    expect(mail.text).not.toContain("#");
    expect((await other.call("POST", "/v1/auth/email/send", { body: {} })).status).toBe(202);
    expect((await mails.waitForMail(owner.email)).subject).toMatch(/^Somebody tried/);
    expect((await signIn(owner.email, first)).json.user.login).toBe(owner.login);
  });

  test("can be asked about again, and changed: the old one gets a note, and holds until the new one is proved", async () => {
    const user = await register();
    const ask = (body: object) => user.call("POST", "/v1/auth/email/send", { body });
    await mails.waitForMail(user.email);
    expect((await ask({})).json).toEqual({ email: user.email });
    await verify(tokenOf(await mails.waitForMail(user.email), "verify"));
    expect((await ask({})).status).toBe(409);
    const next = `next-${user.email}`;
    expect((await ask({ email: next })).status).toBe(202);
    const mail = await mails.waitForMail(next);
    expect((await signIn(next, first)).status).toBe(401);
    expect((await signIn(user.email, first)).status).toBe(200);
    expect((await verify(tokenOf(mail, "verify"))).status).toBe(200);
    expect((await signIn(user.email, first)).status).toBe(401);
    expect((await signIn(next, first)).status).toBe(200);
    expect((await mails.waitForMail(user.email)).subject).toMatch(/^Your address for .* was changed$/);
    await system.db.query({
      name: "test_stale",
      text: `update account.session set fresh_at = now() - interval '11 minutes' where user_id = (select id from account."user" where login = $1)`,
      values: [user.login],
    });
    const stale = await ask({ email: `third-${user.email}` });
    expect([stale.status, stale.json.reason]).toEqual([403, "stale-session"]);
  });
});

describe("a forgotten password", () => {
  test("is set anew by a link that is good once, and ends every session on every process (S2)", async () => {
    const user = await person();
    const others = [(await signIn(user.login, first)).json, (await signIn(user.email, first)).json];
    await forgot(user.email, russian);
    const mail = await mails.waitForMail(user.email);
    expect(mail.subject).toMatch(/^Новый пароль для /);
    const token = tokenOf(mail, "reset");
    const weak = await reset(token, { password: "12345678" });
    expect([weak.status, weak.json.reason]).toEqual([422, "weak-password"]);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => reset(token, { password: `${second} ${index}` })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(422)]);
    const winner = answers.findIndex(({ status }) => status === 200);
    expect(answers[winner]?.json).toEqual({ login: user.login, ended: 3 });
    for (const { accessToken, refreshToken } of [user, ...others]) {
      await waitUntilRefused(accessToken);
      expect((await refresh(refreshToken)).status).toBe(401);
    }
    expect((await signIn(user.login, first)).status).toBe(401);
    expect((await signIn(user.login, `${second} ${winner}`)).status).toBe(200);
    expect((await mails.waitForMail(user.email)).subject).toMatch(/^Your password for .* was changed$/);
  });

  test("two links at once change it once", async () => {
    const user = await person();
    const tokens = [await resetTokenOf(user), await resetTokenOf(user)];
    const answers = await Promise.all(tokens.map((token) => reset(token)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 422]);
  });

  test("leaves sessions alone when asked to", async () => {
    const user = await person();
    const answer = await reset(await resetTokenOf(user), { endSessions: false });
    expect(answer.json).toEqual({ login: user.login, ended: 0 });
    expect((await user.call("GET", "/v1/auth/sessions")).status).toBe(200);
  });

  test("of an address that nobody proved, or a name that nobody has, sends nothing", async () => {
    const user = await register();
    await mails.waitForMail(user.email);
    const before = mails.received.length;
    const answers = [await forgot(user.login), await forgot(user.email), await forgot("nobody-here")];
    expect(answers.map(({ status, text }) => [status, text])).toEqual(Array(3).fill([202, '{"accepted":true}']));
    await waitFor(async () => {
      const { rows } = await system.db.query({
        name: "test_settled",
        text: `select 1 from mail.mail where kind = 'forgot' and sent_at is null and dropped is null`,
        values: [],
      });
      return rows.length === 0;
    }, "the mails to be settled");
    expect(mails.received.length).toBe(before);
  });

  test("whose link has expired stays as it is", async () => {
    const user = await person();
    const token = await resetTokenOf(user);
    await system.db.query({
      name: "test_expire_links",
      text: `update account.mail_link set expires_at = now() - interval '1 second' where purpose = 'reset'`,
      values: [],
    });
    expect((await reset(token)).status).toBe(422);
    for (const wrong of ["x", "", `${token}x`, token.slice(1), "x".repeat(43)])
      expect([wrong, (await reset(wrong)).status]).toEqual([wrong, 422]);
    expect((await signIn(user.login, first)).status).toBe(200);
  });
});

describe("PUT /v1/me/password", () => {
  const change = (user: Person, body: object) => user.call("PUT", "/v1/me/password", { body });

  test("needs the present one, tells the owner, and ends other sessions when asked to (S2)", async () => {
    const user = await person();
    const other = (await signIn(user.login, first)).json;
    const pending = await resetTokenOf(user);
    const wrong = await change(user, { current: "not the password", password: second });
    expect([wrong.status, wrong.json.reason]).toEqual([403, "wrong-password"]);
    expect((await change(user, { current: first, password: user.login })).status).toBe(422);
    const answer = await change(user, { current: first, password: second, endOthers: true });
    expect([answer.status, answer.json]).toEqual([200, { login: user.login, ended: 1 }]);
    await waitUntilRefused(other.accessToken);
    expect((await refresh(other.refreshToken)).status).toBe(401);
    expect((await refresh(user.refreshToken)).status).toBe(200);
    expect((await user.call("GET", "/v1/auth/sessions")).status).toBe(200);
    expect((await mails.waitForMail(user.email)).subject).toMatch(/^Your password for .* was changed$/);
    expect((await reset(pending, { password: "a third long password" })).status).toBe(422);
    expect((await signIn(user.login, first)).status).toBe(401);
    expect((await signIn(user.login, second)).status).toBe(200);
  });

  test("leaves other sessions alone unless asked", async () => {
    const user = await register();
    const other = (await signIn(user.login, first)).json;
    expect((await change(user, { current: first, password: second })).json.ended).toBe(0);
    expect((await refresh(other.refreshToken)).status).toBe(200);
  });

  test("takes back what was approved for a device and not fetched, whichever sessions go on", async () => {
    const user = await register();
    await system.db.query({
      name: "test_grant",
      text: `insert into account.device_grant (id, device_hash, user_code_hash, client_id, scopes, state, user_id, expires_at)
        select gen_random_uuid(), 'hash of ' || login, 'CODE-' || login, 'sunduk-cli', '{packs:read}', 'approved', id, now() + interval '5 minutes'
        from account."user" where login = $1`,
      values: [user.login],
    });
    expect((await change(user, { current: first, password: second })).json.ended).toBe(0);
    const { rows } = await system.db.query({
      name: "test_grant_state",
      text: `select state from account.device_grant where device_hash = 'hash of ' || $1::text`,
      values: [user.login],
    });
    expect(rows).toEqual([{ state: "denied" }]);
  });

  test("is done by one of many at once", async () => {
    const user = await register();
    const wanted = Array.from({ length: 8 }, (_, index) => `${second} ${index}`);
    const answers = await Promise.all(wanted.map((password) => change(user, { current: first, password })));
    const won = answers.map(({ status }) => status);
    expect(won.filter((status) => status === 200)).toHaveLength(1);
    for (const status of won) expect([200, 403, 409]).toContain(status);
    expect((await signIn(user.login, wanted[won.indexOf(200)] ?? "")).status).toBe(200);
  });
});

test("refreshes and sign-ins that race with a reset leave nothing that holds (S8)", async () => {
  for (let round = 0; round < (long ? 40 : 3); round++) {
    const user = await person();
    const token = await resetTokenOf(user);
    const minted: { accessToken: string; refreshToken: string }[] = [user];
    let over = false;
    const keepRefreshing = async () => {
      for (let turn = 0; turn < 200 && !over; turn++) {
        const answer = await refresh(minted.at(-1)?.refreshToken ?? "");
        if (answer.status === 200) minted.push(answer.json);
      }
    };
    const keepSigningIn = async () => {
      for (let turn = 0; turn < 100 && !over; turn++) {
        const answer = await signIn(user.login, first);
        if (answer.status === 200) minted.push(answer.json);
      }
    };
    const racing = [keepRefreshing(), keepRefreshing(), keepSigningIn(), keepSigningIn()];
    await waitFor(() => minted.length > 4, "some tokens");
    const answer = await reset(token);
    over = true;
    await Promise.all(racing);
    expect(answer.status).toBe(200);
    for (const { accessToken, refreshToken } of minted) {
      await waitUntilRefused(accessToken);
      expect((await refresh(refreshToken)).status).toBe(401);
    }
    const { json } = await signIn(user.login, second);
    const sessions = (await openCall(system.url, json.accessToken)("GET", "/v1/auth/sessions")).json.items;
    expect(sessions.filter((session: { endedAt?: string }) => session.endedAt === undefined)).toHaveLength(1);
  }
});

test("mails wait while the server is away, and come when it is back", async () => {
  const { port } = mails;
  await mails.close();
  const user = await register();
  await waitFor(async () => {
    const { rows } = await system.db.query({
      name: "test_waiting_mail",
      text: `select 1 from job.job where actor = 'send-mail' and state = 'waiting' and attempts > 0 and problem is not null`,
      values: [],
    });
    return rows.length > 0;
  }, "a try that failed");
  mails = await startMailServer({ port });
  expect((await verify(tokenOf(await mails.waitForMail(user.email), "verify"))).status).toBe(200);
  expect(mails.received.filter(({ to }) => to === user.email)).toHaveLength(1);
});

test("no token of a link is in the row of a job, a mail or a link", async () => {
  const user = await person();
  const token = await resetTokenOf(user);
  const { rows } = await system.db.query({
    name: "test_rows",
    text: `select to_jsonb(j)::text as row from job.job j union all select to_jsonb(m)::text from mail.mail m union all select to_jsonb(l)::text from account.mail_link l`,
    values: [],
  });
  const texts = rows.map((row) => JSON.stringify(row));
  expect(texts.length).toBeGreaterThan(10);
  expect(texts.filter((text) => text.includes(token))).toEqual([]);
});
