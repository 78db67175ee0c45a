import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type FaultProxy, startFaultProxy, throughProxy } from "../fault-proxy.ts";
import { createTestFolder, openCall, parts, type System, startSystem, type TestUser, waitFor } from "../harness.ts";
import { startRedis } from "../services/cluster.ts";

/** Three API processes. Database and Redis are behind proxies, so that they can go away, and the bus can go deaf. */
let system: System;
let database: FaultProxy;
let redis: FaultProxy | undefined;
let ownRedis: Awaited<ReturnType<typeof startRedis>> | undefined;
/** While set, nobody can listen on the bus: every message is lost, and only the lease is left. */
let deaf = false;
const hardBoundMs = 1_000;
const password = "a long test password";

beforeAll(async () => {
  if (parts === "cluster") ownRedis = await startRedis(join(await createTestFolder(), "redis"));
  const environment: Record<string, string> = ownRedis ? { REDIS_URL: ownRedis.url } : {};
  system = await startSystem({
    apis: 3,
    pods: 0,
    environment,
    reshape: ({ DATABASE_URL = "", REDIS_URL }) => {
      database = startFaultProxy({
        targetPort: Number(new URL(DATABASE_URL).port),
        judge: (text, first) => (first && deaf && text.includes("sunduk bus") ? "refuse" : undefined),
      });
      if (REDIS_URL) redis = startFaultProxy({ targetPort: Number(new URL(REDIS_URL).port) });
      return {
        DATABASE_URL: throughProxy(DATABASE_URL, database),
        ...(REDIS_URL && redis && { REDIS_URL: throughProxy(REDIS_URL, redis) }),
      };
    },
  });
});
afterAll(async () => {
  await system?.stop();
  database?.stop();
  redis?.stop();
  await ownRedis?.stop();
});
afterEach(async () => {
  deaf = false;
  database.heal();
  redis?.heal();
  for (const url of system.apiUrls)
    await waitFor(async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.ok, "recovery");
});

const verify = async (token: string, url: string) => (await openCall(url, token)("GET", "/v1/auth/verify")).status;
const signOut = async ({ token }: { token: string }, url = system.url) =>
  (await openCall(url, token)("DELETE", "/v1/auth/sessions/current")).status;
const signInAgain = async ({ login }: TestUser) => {
  const { json } = await system.call("POST", "/v1/auth/login", { body: { login, password } });
  return { token: json.accessToken as string, refreshToken: json.refreshToken as string };
};

/** Milliseconds until every process refuses the token, each asked again and again; fails past the bound. */
async function timeRefusal(token: string, urls = system.apiUrls): Promise<number> {
  const started = performance.now();
  const deadline = started + hardBoundMs + 500;
  const times = await Promise.all(
    urls.map(async (url) => {
      while (performance.now() < deadline) {
        const asked = performance.now();
        if ((await verify(token, url)) === 401) return asked - started;
      }
      return Number.POSITIVE_INFINITY;
    }),
  );
  return Math.max(...times);
}

/** Makes every process know the token, so that what is remembered of it is what is revoked. */
async function warm(token: string): Promise<void> {
  for (const url of system.apiUrls) expect(await verify(token, url)).toBe(204);
}

test("S1 whoever signs out is out, on every process, at once", async () => {
  const user = await system.signUp();
  const times: number[] = [];
  for (let round = 0; round < 20; round++) {
    const session = await signInAgain(user);
    await warm(session.token);
    expect(await signOut(session, system.apiUrls[round % 3])).toBe(200);
    times.push(await timeRefusal(session.token));
    expect(
      (await system.call("POST", "/v1/auth/refresh", { body: { refreshToken: session.refreshToken } })).status,
    ).toBe(401);
  }
  times.sort((one, other) => one - other);
  expect(times.at(-1)).toBeLessThan(hardBoundMs);
  // Not the bound of a quiet machine: that the messages arrive, and not the lease alone.
  expect(times[Math.floor(times.length / 2)]).toBeLessThan(200);
});

test("the process that ends a session refuses it in its very next answer", async () => {
  const user = await system.signUp();
  for (const url of system.apiUrls) {
    const session = await signInAgain(user);
    await warm(session.token);
    expect(await signOut(session, url)).toBe(200);
    expect(await verify(session.token, url)).toBe(401);
  }
});

test("S11 with every message lost, the lease alone refuses within a second", async () => {
  const user = await system.signUp();
  deaf = true;
  // Those who listen are cut off, and nobody gets in again.
  if (redis) redis.cut();
  else {
    await system.db.query({
      name: "test_deafen",
      text: `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sunduk bus' and datname = current_database()`,
      values: [],
    });
    await waitFor(async () => {
      const { rows } = await system.db.query({
        name: "test_listeners",
        text: `select 1 from pg_stat_activity where application_name = 'sunduk bus' and datname = current_database()`,
        values: [],
      });
      return rows.length === 0;
    }, "nobody to listen");
  }
  const times: number[] = [];
  for (let round = 0; round < 6; round++) {
    const session = await signInAgain(user);
    await warm(session.token);
    expect(await signOut(session, system.apiUrls[round % 3])).toBe(200);
    times.push(await timeRefusal(session.token));
  }
  expect(Math.max(...times)).toBeLessThan(hardBoundMs);
  // That the messages were lost indeed.
  expect(Math.max(...times)).toBeGreaterThan(20);
});

test("a process that was frozen accepts no revoked token when it wakes", async () => {
  const user = await system.signUp();
  const [first = "", , frozenUrl = ""] = system.apiUrls;
  const frozen = system.apis[2];
  const session = await signInAgain(user);
  const stays = await signInAgain(user);
  await warm(session.token);
  await warm(stays.token);
  frozen?.kill("SIGSTOP");
  expect(await signOut(session, first)).toBe(200);
  // These wait in its socket: they are the first that it answers when it wakes.
  const asked = Array.from({ length: 120 }, () => verify(session.token, frozenUrl).catch(() => 0));
  const kept = Array.from({ length: 5 }, () => verify(stays.token, frozenUrl).catch(() => 0));
  const stoppedAt = performance.now();
  await waitFor(() => performance.now() - stoppedAt > 2_000, "its lease to be over");
  frozen?.kill("SIGCONT");
  const answers = await Promise.all(asked);
  expect(answers.filter((status) => status !== 401 && status !== 503)).toEqual([]);
  expect((await Promise.all(kept)).filter((status) => status !== 204 && status !== 503)).toEqual([]);
  await waitFor(async () => (await verify(stays.token, frozenUrl)) === 204, "the others to go on");
  expect(await verify(session.token, frozenUrl)).toBe(401);
});

test("while the database is away a token is neither believed nor refused: 503, and all goes on when it is back", async () => {
  const user = await system.signUp();
  const ended = await signInAgain(user);
  await warm(user.token);
  await warm(ended.token);
  expect(await signOut(ended)).toBe(200);
  await timeRefusal(ended.token);
  database.cut();
  const cutAt = performance.now();
  const seen = new Map<string, Set<number>>([
    ["good", new Set()],
    ["ended", new Set()],
    ["late", new Set()],
  ]);
  const ask = async (url: string) => {
    while (performance.now() - cutAt < 4_000) {
      const late = performance.now() - cutAt > hardBoundMs;
      const [status, statusOfEnded] = await Promise.all([verify(user.token, url), verify(ended.token, url)]);
      seen.get(late ? "late" : "good")?.add(status);
      seen.get("ended")?.add(statusOfEnded);
    }
  };
  await Promise.all(system.apiUrls.map(ask));
  expect([...(seen.get("late") ?? [])]).toEqual([503]);
  for (const status of seen.get("good") ?? []) expect([204, 503]).toContain(status);
  for (const status of seen.get("ended") ?? []) expect([401, 503]).toContain(status);
  const refused = await openCall(system.apiUrls[0] ?? "", user.token)("GET", "/v1/auth/verify");
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
  // Whoever has no token needs no lease.
  expect((await openCall(system.apiUrls[0] ?? "")("GET", "/status")).status).toBe(200);
  database.heal();
  for (const url of system.apiUrls) {
    await waitFor(async () => (await verify(user.token, url)) === 204, "the lease to come back");
    expect(await verify(ended.token, url)).toBe(401);
  }
});

test("what was ended while a process could not hear or ask is refused from its first answer on", async () => {
  const user = await system.signUp();
  const session = await signInAgain(user);
  await warm(session.token);
  database.cut();
  for (const url of system.apiUrls)
    await waitFor(async () => (await verify(session.token, url)) === 503, "the lease to end");
  // Ended behind the backs of all.
  const { rowCount } = await system.db.query({
    name: "test_revoke",
    text: `with ended as (update account.session set ended_at = now() where user_id = (select id from account."user" where login = $1) returning id)
      insert into account.revocation (id, kind, subject, ver) select gen_random_uuid(), 'session', id, null from ended`,
    values: [user.login],
  });
  expect(rowCount).toBe(2);
  database.heal();
  for (const url of system.apiUrls) {
    const answers = new Set<number>();
    await waitFor(async () => {
      const status = await verify(session.token, url);
      answers.add(status);
      return status === 401;
    }, "an answer");
    expect([...answers].sort()).not.toContain(204);
  }
});

test("a process that starts knows what was revoked before", async () => {
  const user = await system.signUp();
  const session = await signInAgain(user);
  expect(await signOut(session)).toBe(200);
  system.apis[1]?.kill("SIGKILL");
  await system.apis[1]?.exited;
  const starting = system.startApi(1);
  const answers = new Set<number>();
  await waitFor(async () => {
    const status = await verify(session.token, system.apiUrls[1] ?? "").catch(() => 0);
    if (status > 0) answers.add(status);
    return status === 401;
  }, "its first answers");
  await starting;
  expect(answers).not.toContain(204);
});

test("a revocation whose transaction commits late is not passed over", async () => {
  const user = await system.signUp();
  const [early, late] = [await signInAgain(user), await signInAgain(user)];
  await warm(early.token);
  await warm(late.token);
  const idOf = ({ token }: { token: string }) =>
    JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()).sid as string;
  const revoke = {
    text: `insert into account.revocation (id, kind, subject) values (gen_random_uuid(), 'session', $1)`,
  };
  await system.db.transaction(async (tx) => {
    // Numbered first, committed last: many others come and go meanwhile.
    await tx.query({ name: "test_late", ...revoke, values: [idOf(late)] });
    await system.db.query({ name: "test_early", ...revoke, values: [idOf(early)] });
    expect(await timeRefusal(early.token)).toBeLessThan(hardBoundMs);
    await warm(late.token);
  });
  expect(await timeRefusal(late.token)).toBeLessThan(hardBoundMs);
});

test("role changes end the tokens that were made before them", async () => {
  const user = await system.signUp();
  await warm(user.token);
  await system.db.transaction(async (tx) => {
    await tx.query({
      name: "test_ver",
      text: `with changed as (update account."user" set roles = '{ops}', ver = ver + 1 where login = $1 returning id, ver)
        insert into account.revocation (id, kind, subject, ver) select gen_random_uuid(), 'user', id, ver from changed`,
      values: [user.login],
    });
  });
  expect(await timeRefusal(user.token)).toBeLessThan(hardBoundMs);
  const next = await system.call("POST", "/v1/auth/refresh", { body: { refreshToken: user.refreshToken } });
  expect([next.status, next.json.user.roles]).toEqual([200, ["ops"]]);
  await warm(next.json.accessToken);
});

// Embedded parts have no Redis that could forget.
const testWithRedis = parts === "cluster" ? test : () => undefined;
testWithRedis("S10 Redis forgets everything, or is away at the start: what was ended stays ended", async () => {
  const user = await system.signUp();
  const session = await signInAgain(user);
  await warm(session.token);
  expect(await signOut(session)).toBe(200);
  await timeRefusal(session.token);
  const { Redis } = await import("ioredis");
  const client = new Redis(ownRedis?.url ?? "");
  await client.flushall();
  client.disconnect();
  for (const url of system.apiUrls) expect(await verify(session.token, url)).toBe(401);
  system.apis[1]?.kill("SIGKILL");
  await system.apis[1]?.exited;
  redis?.cut();
  const starting = system.startApi(1).catch(() => undefined);
  const answers = new Set<number>();
  const startedAt = performance.now();
  while (performance.now() - startedAt < 2_500)
    answers.add(await verify(session.token, system.apiUrls[1] ?? "").catch(() => 0));
  expect(answers).not.toContain(204);
  redis?.heal();
  if (system.apis[1]?.exitCode !== null) await system.startApi(1); // it may have refused to start without Redis
  await starting;
  expect(await verify(session.token, system.apiUrls[1] ?? "")).toBe(401);
});
