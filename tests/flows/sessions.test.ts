import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { startFaultProxy, throughProxy } from "../fault-proxy.ts";
import { type Answer, createTestFolder, long, openCall, type System, startSystem, waitFor } from "../harness.ts";

/** A system of its own: three API processes, which log everything into a file. */
let system: System;
let logFile: string;
const password = "a long test password";

beforeAll(async () => {
  logFile = join(await createTestFolder(), "log");
  system = await startSystem({ apis: 3, pods: 1, environment: { LOG_LEVEL: "debug" }, logFile });
});
afterAll(() => system?.stop());

type Session = { token: string; refreshToken: string; id: string };
const toSession = ({ json, status, text }: Answer): Session => {
  if (status >= 300) throw new Error(`signing in: ${text}`);
  const { sid } = JSON.parse(Buffer.from(json.accessToken.split(".")[1], "base64url").toString());
  return { token: json.accessToken, refreshToken: json.refreshToken, id: sid };
};
const signIn = async (login: string) =>
  toSession(await system.call("POST", "/v1/auth/login", { body: { login, password } }));
const refresh = (refreshToken: string, url = system.url) =>
  openCall(url)("POST", "/v1/auth/refresh", { body: { refreshToken } });
const verify = async (token: string, url: string) => (await openCall(url, token)("GET", "/v1/auth/verify")).status;
const signOut = ({ token }: Session, url = system.url) => openCall(url, token)("DELETE", "/v1/auth/sessions/current");

async function rowOf(id: string): Promise<{ counter: number; ended: boolean; reason: string | null }> {
  const { rows } = await system.db.query({
    name: "test_session",
    text: `select counter, ended_at is not null as ended, ended_reason as reason from account.session where id = $1`,
    values: [id],
  });
  return rows[0] as Awaited<ReturnType<typeof rowOf>>;
}

/** That a session's tokens are refused by every process. */
async function expectDead({ token, refreshToken }: Pick<Session, "token" | "refreshToken">): Promise<void> {
  for (const url of system.apiUrls) {
    await waitFor(async () => (await verify(token, url)) === 401, "the token to be refused", 1_000);
    expect((await refresh(refreshToken, url)).status).toBe(401);
  }
}

test("S4 of 50 concurrent refreshes one counts, and all get the same successor", async () => {
  const { login } = await system.signUp();
  for (let round = 0; round < (long ? 20 : 3); round++) {
    const session = await signIn(login);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => refresh(session.refreshToken, system.apiUrls[index % 3])),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200));
    expect(new Set(answers.map(({ json }) => json.refreshToken)).size).toBe(1);
    expect(await rowOf(session.id)).toEqual({ counter: 1, ended: false, reason: null });
    expect((await refresh(answers[0]?.json.refreshToken)).status).toBe(200);
  }
});

test("S5 a token two generations old ends its session, also within the time in which one may be repeated", async () => {
  const { login } = await system.signUp();
  const other = await signIn(login);
  const session = await signIn(login);
  const first = await refresh(session.refreshToken);
  const second = await refresh(first.json.refreshToken);
  expect(second.status).toBe(200);
  const stolen = await refresh(session.refreshToken);
  expect(stolen.status).toBe(401);
  expect(await rowOf(session.id)).toEqual({ counter: 2, ended: true, reason: "an old refresh token was used" });
  await expectDead({ token: second.json.accessToken, refreshToken: second.json.refreshToken });
  await expectDead({ token: session.token, refreshToken: first.json.refreshToken });
  expect((await refresh(other.refreshToken)).status).toBe(200);
  const { json } = await openCall(system.url, other.token)("GET", "/v1/auth/sessions");
  expect(json.items.find(({ id }: { id: string }) => id === session.id).endedReason).toBe(
    "an old refresh token was used",
  );
});

test("a refresh token whose signature is wrong is refused, and ends nothing", async () => {
  const { login } = await system.signUp();
  const session = await signIn(login);
  const [id, counter, mac = ""] = session.refreshToken.split(".");
  const other = await signIn(login);
  const forged = [
    `${id}.${counter}.${mac.slice(0, -2)}AA`,
    `${id}.1.${mac}`,
    `${id}.5.${mac}`,
    `${id}.00.${mac}`,
    `${other.id}.0.${mac}`,
    `${id}.-1.${mac}`,
    `${id}.0.`,
    `${id}.0.${mac}.x`,
    `${crypto.randomUUID()}.0.${mac}`,
  ];
  for (const token of forged) expect([token.slice(36), (await refresh(token)).status]).toEqual([token.slice(36), 401]);
  expect(await rowOf(session.id)).toEqual({ counter: 0, ended: false, reason: null });
  expect((await refresh(session.refreshToken)).status).toBe(200);
});

test("the former token may be repeated for a minute of the database's time, then it ends the session", async () => {
  const { login } = await system.signUp();
  const session = await signIn(login);
  const first = await refresh(session.refreshToken);
  const age = (seconds: number) =>
    system.db.query({
      name: `test_age`,
      text: `update account.session set advanced_at = advanced_at - make_interval(secs => $2) where id = $1`,
      values: [session.id, seconds],
    });
  await age(50);
  expect((await refresh(session.refreshToken)).json.refreshToken).toBe(first.json.refreshToken);
  await age(15);
  expect((await refresh(session.refreshToken)).status).toBe(401);
  expect((await rowOf(session.id)).ended).toBe(true);
});

test("S6 a process that dies between the commit and its answer costs nobody his session", async () => {
  const target = new URL(system.environment.DATABASE_URL ?? "");
  let lostOnes = 0;
  await using stack = new AsyncDisposableStack();
  // From the statement that advances a session on, the database's answers do not come through.
  const proxy = startFaultProxy({
    targetPort: Number(target.port),
    judge: (text) => {
      if (!text.includes("session_advance")) return undefined;
      lostOnes += 1;
      return "mute";
    },
  });
  stack.defer(async () => proxy.stop());
  const { login } = await system.signUp();
  const session = await signIn(login);
  system.apis[2]?.kill("SIGKILL");
  await system.apis[2]?.exited;
  await system.startApi(2, { DATABASE_URL: throughProxy(target.href, proxy) });
  const lost = refresh(session.refreshToken, system.apiUrls[2]).catch(() => "no answer" as const);
  await waitFor(async () => (await rowOf(session.id)).counter === 1, "the commit");
  system.apis[2]?.kill("SIGKILL");
  await system.apis[2]?.exited;
  expect(await lost).toBe("no answer");
  expect(lostOnes).toBe(1);
  await system.startApi(2);
  const again = await refresh(session.refreshToken, system.apiUrls[2]);
  expect(again.status).toBe(200);
  expect(again.json.refreshToken.split(".")[1]).toBe("1");
  expect((await rowOf(session.id)).counter).toBe(1);
  expect((await refresh(again.json.refreshToken, system.apiUrls[0])).status).toBe(200);
});

test("S7 of a refresh that races with signing out nothing survives", async () => {
  const { login } = await system.signUp();
  const rounds = long ? 2_000 : 60;
  const survivors: string[] = [];
  let refreshed = 0;
  const race = async (index: number) => {
    const session = await signIn(login);
    const url = system.apiUrls[index % 3];
    // Who comes first is up to the processes; a little start for one or the other makes all orders happen.
    const late = (ms: number) => (ms > 0 ? Bun.sleep(ms) : Promise.resolve());
    const [answer] = await Promise.all([
      late((index % 5) - 2).then(() => refresh(session.refreshToken, url)),
      late(2 - (index % 5)).then(() => signOut(session, system.apiUrls[(index + 1) % 3])),
    ]);
    const tokens = [session];
    if (answer.status === 200) {
      refreshed += 1;
      tokens.push(toSession(answer));
    } else if (answer.status !== 401) survivors.push(`${index}: ${answer.status}`);
    for (const each of tokens) {
      for (const api of system.apiUrls)
        await waitFor(async () => (await verify(each.token, api)) === 401, "refusal", 1_000).catch(() =>
          survivors.push(`${index}: an access token`),
        );
      if ((await refresh(each.refreshToken)).status !== 401) survivors.push(`${index}: a refresh token`);
    }
  };
  for (let index = 0; index < rounds; index += 4) await Promise.all([0, 1, 2, 3].map((offset) => race(index + offset)));
  expect(survivors).toEqual([]);
  expect(refreshed).toBeGreaterThan(0);
});

test("S9 a session ends at its time, however much it is used", async () => {
  const { login } = await system.signUp();
  const session = await signIn(login);
  const shorten = (seconds: number) =>
    system.db.query({
      name: "test_expire",
      text: `update account.session set expires_at = now() + make_interval(secs => $2) where id = $1`,
      values: [session.id, seconds],
    });
  await shorten(3600);
  const used = await refresh(session.refreshToken);
  expect(used.status).toBe(200);
  const { rows } = await system.db.query({
    name: "test_expires",
    text: `select expires_at <= now() + interval '1 hour' as "stays" from account.session where id = $1`,
    values: [session.id],
  });
  expect(rows).toEqual([{ stays: true }]);
  await shorten(-1);
  expect((await refresh(used.json.refreshToken)).status).toBe(401);
  expect((await refresh(session.refreshToken)).status).toBe(401);
});

test("S14 whoever looks at his sessions sees where they come from, and ends the one he means", async () => {
  const { login } = await system.signUp();
  const stranger = await system.signUp();
  const agent = { "user-agent": "Launcher/1.0 (Тест)" };
  const there = toSession(
    await system.call("POST", "/v1/auth/login", {
      body: { login, password },
      headers: { "user-agent": "Launcher/1.0" },
    }),
  );
  const kept = await signIn(login);
  const mine = await signIn(login);
  expect(agent["user-agent"]).toContain("Launcher");
  const call = openCall(system.url, mine.token);
  const { json } = await call("GET", "/v1/auth/sessions");
  const shown = json.items.find(({ id }: { id: string }) => id === there.id);
  expect(shown).toMatchObject({ current: false, device: "Launcher/1.0", address: "127.0.0.1" });
  expect(json.items.filter(({ current }: { current: boolean }) => current).map(({ id }: { id: string }) => id)).toEqual(
    [mine.id],
  );
  // Nobody else can, and a session that has not shown its password for long must show it first (ASVS 7.5.2).
  expect((await stranger.call("DELETE", `/v1/auth/sessions/${there.id}`)).status).toBe(404);
  await system.db.query({
    name: "test_stale",
    text: `update account.session set fresh_at = now() - interval '11 minutes' where id = $1`,
    values: [mine.id],
  });
  const stale = await call("DELETE", `/v1/auth/sessions/${there.id}`);
  expect([stale.status, stale.json.reason]).toEqual([403, "stale-session"]);
  expect((await call("DELETE", "/v1/auth/sessions?except=current")).status).toBe(403);
  const again = await signIn(login);
  const ended = await openCall(system.url, again.token)("DELETE", `/v1/auth/sessions/${there.id}`);
  expect([ended.status, ended.json]).toEqual([200, { ended: 1 }]);
  await expectDead(there);
  for (const session of [kept, mine, again])
    for (const url of system.apiUrls) expect(await verify(session.token, url)).toBe(204);
  expect((await openCall(system.url, again.token)("DELETE", `/v1/auth/sessions/${there.id}`)).status).toBe(404);
  // Signing out needs no password.
  expect((await signOut(mine)).json).toEqual({ ended: 1 });
  await expectDead(mine);
});

test("S12 no token, no signature and no session's id is in a log, a job or Redis", async () => {
  const { login } = await system.signUp();
  const session = await signIn(login);
  const next = await refresh(session.refreshToken);
  await openCall(system.url, session.token)("GET", "/v1/auth/sessions");
  await openCall(system.url)("GET", "/v1/auth/verify", { headers: { token: session.token } });
  await openCall(system.url)("GET", `/v1/packs?token=${session.token}`);
  await refresh(`${next.json.refreshToken}x`);
  await signOut(session);
  await expectDead(session);
  const secrets = [session.token, session.refreshToken, next.json.accessToken, next.json.refreshToken]
    .flatMap((token) => [token, token.split(".")[2] ?? ""])
    .concat(session.id, password);
  const { REDIS_URL } = system.environment;
  const places: Record<string, string> = { log: await Bun.file(logFile).text() };
  expect(places.log?.length).toBeGreaterThan(1_000);
  for (const [name, text] of [
    ["jobs", `select coalesce(string_agg(j::text, ' '), '') as text from job.job j`],
    ["mails", `select coalesce(string_agg(m::text, ' '), '') as text from mail.mail m`],
    ["facts", `select coalesce(string_agg(f::text, ' '), '') as text from outbox.fact f`],
  ] as const) {
    const { rows } = await system.db.query({ name: `test_${name}`, text, values: [] });
    places[name] = (rows[0] as { text: string }).text;
  }
  if (REDIS_URL) {
    const { Redis } = await import("ioredis");
    const redis = new Redis(REDIS_URL);
    const kept = [];
    for (const key of await redis.keys("*")) {
      const dumped = await redis.dumpBuffer(key);
      kept.push(key, dumped?.toString("latin1") ?? "");
    }
    redis.disconnect();
    places.redis = kept.join(" ");
  } else {
    const { rows } = await system.db.query({
      name: "test_queues",
      text: `select coalesce(string_agg(query_to_xml(format('select * from %I.%I', schemaname, tablename), true, false, '')::text, ' '), '') as text
        from pg_tables where schemaname = 'bullmq'`,
      values: [],
    });
    places.queues = (rows[0] as { text: string }).text;
  }
  const found = Object.entries(places).flatMap(([place, text]) =>
    secrets.filter((secret) => text.includes(secret)).map((secret) => `${place}: ${secret.slice(0, 12)}`),
  );
  expect(found).toEqual([]);
});
