import { afterAll, beforeAll, expect, test } from "bun:test";
import { openApi } from "../../api/serve.ts";
import type { Config } from "../../config.ts";
import { readKeys } from "../../keys.ts";
import { want } from "../../queues/mailbox.ts";
import { verifyUpload } from "../../queues/verify-upload.ts";
import { makeTraceId, withTrace } from "../../trace.ts";
import { openCall, waitFor } from "../harness.ts";
import { findForeignLoads, openTestApi, type TestApi, testPassword } from "./open-test-api.ts";

let api: TestApi;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  api = await openTestApi();
  for (const [login, roles] of Object.entries({
    admin: ["admin"],
    operator: ["ops"],
    author: ["author"],
    user: [],
  }))
    tokens[login] = (await api.signUp(login, roles)).token;
});
afterAll(() => api?.close());

type Sent = { login?: string; password?: string; headers?: Record<string, string>; url?: string };

/** Sends the sign-in form as a browser does, from our own page unless told otherwise. */
async function sendForm({ login = "", password = testPassword, headers, url = api.url }: Sent) {
  const response = await fetch(`${url}/ops/sign-in`, {
    method: "POST",
    redirect: "manual",
    headers: { "content-type": "application/x-www-form-urlencoded", ...(headers ?? { origin: url }) },
    body: new URLSearchParams({ login, password }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const cookieOf = (answer: { headers: Headers }) => answer.headers.get("set-cookie")?.split(";")[0] ?? "";
const signIn = async (login: string) => ({ cookie: cookieOf(await sendForm({ login })), origin: api.url });
const bearer = (login: string) => ({ authorization: `Bearer ${tokens[login]}`, origin: api.url });

const pause = ["PUT", "/ops/queues/api/queues/verify-upload/pause"] as const;
const resume = ["PUT", "/ops/queues/api/queues/verify-upload/resume"] as const;

test("nobody signed in is sent to the sign-in page, and refused where no page is", async () => {
  for (const path of ["/ops", "/ops/queues", "/ops/queues/queue/verify-upload", "/ops/queues/static/images/logo.svg"]) {
    const answer = await api.call("GET", path);
    expect([path, answer.status]).toEqual([path, 303]);
    expect(answer.headers.get("location")).toBe(path === "/ops" ? "/ops/queues" : "/ops/sign-in");
  }
  expect((await api.call("GET", "/ops/queues/api/queues")).status).toBe(401);
  expect((await api.call(...pause, { headers: { origin: api.url } })).status).toBe(401);
});

test.each([
  ["admin", 200],
  ["operator", 200],
  ["author", 403],
  ["user", 403],
] as const)("the bearer token of %s gets %i", async (login, status) => {
  expect((await api.call("GET", "/ops/queues", { headers: bearer(login) })).status).toBe(status);
  expect((await api.call("GET", "/ops/queues/api/queues", { headers: bearer(login) })).status).toBe(status);
  expect((await api.call(...resume, { headers: bearer(login) })).status).toBe(status);
});

test("the sign-in page speaks Russian and English, runs nothing and loads nothing", async () => {
  const russian = await api.call("GET", "/ops/sign-in", { headers: { "accept-language": "ru-RU,ru;q=0.9,en;q=0.8" } });
  const english = await api.call("GET", "/ops/sign-in", { headers: { "accept-language": "de, en;q=0.5, ru;q=0.1" } });
  expect(russian.text).toContain("Войти");
  expect(english.text).toContain("Sign in");
  for (const { text, headers } of [russian, english]) {
    expect(findForeignLoads(text)).toEqual([]);
    expect(text).not.toMatch(/<script|\son\w+=/);
    expect(headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; form-action/,
    );
    // With no-referrer, browsers would send the form with "Origin: null".
    expect(headers.get("referrer-policy")).toBe("same-origin");
  }
});

test("an operator signs in with a cookie that scripts and other sites do not get", async () => {
  const answer = await sendForm({ login: "Operator" });
  expect([answer.status, answer.headers.get("location")]).toEqual([303, "/ops/queues"]);
  expect(answer.headers.get("set-cookie")).toMatch(
    /^sunduk_ops=[\w.-]+; Path=\/ops; HttpOnly; SameSite=Strict; Max-Age=43200$/,
  );
  expect((await api.call("GET", "/ops/queues", { headers: { cookie: cookieOf(answer) } })).status).toBe(200);
});

test("wrong passwords, unknown logins and other people's accounts get no cookie", async () => {
  for (const [login, password, status] of [
    ["operator", "wrong", 401],
    ["nobody", testPassword, 401],
    ["author", testPassword, 403],
    ["", "", 401],
  ] as const) {
    const answer = await sendForm({ login, password });
    expect([login, answer.status, answer.headers.get("set-cookie")]).toEqual([login, status, null]);
    expect(answer.text).toContain('role="alert"');
  }
  const quoted = await sendForm({ login: '"><script>alert(1)</script>', password: "x" });
  expect(quoted.text).not.toContain("<script>");
});

test("a cookie that was changed, or made without the key, is nobody's", async () => {
  const { cookie } = await signIn("operator");
  const [name, value = ""] = cookie.split("=");
  const [sessionId, mac = ""] = value.split(".");
  const flipped = (mac[0] === "A" ? "B" : "A") + mac.slice(1);
  for (const forged of [`${sessionId}.${flipped}`, `${sessionId}.`, `${sessionId}`, `${crypto.randomUUID()}.${mac}`]) {
    const answer = await api.call("GET", "/ops/queues/api/queues", { headers: { cookie: `${name}=${forged}` } });
    expect([forged, answer.status]).toEqual([forged, 401]);
  }
});

test("changes need our own origin, whoever is signed in", async () => {
  const { cookie } = await signIn("operator");
  const strangers: Record<string, string>[] = [
    {},
    { origin: "https://evil.example" },
    { origin: "null" },
    { origin: `${api.url}.evil.example` },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
  ];
  for (const headers of strangers) {
    for (const [method, path] of [pause, ["POST", "/ops/sign-out"]] as const)
      expect((await api.call(method, path, { headers: { ...headers, cookie } })).status).toBe(403);
    expect((await sendForm({ login: "operator", headers })).status).toBe(403);
    const authorization = `Bearer ${tokens.admin}`;
    expect((await api.call(...pause, { headers: { ...headers, authorization } })).status).toBe(403);
  }
  const queue = await openQueue(cookie);
  expect(queue.isPaused).toBe(false);
  for (const headers of [{ origin: api.url }, { "sec-fetch-site": "same-origin" }])
    expect((await api.call(...pause, { headers: { ...headers, cookie } })).status).toBe(200);
  expect((await openQueue(cookie)).isPaused).toBe(true);
  expect((await api.call(...resume, { headers: { origin: api.url, cookie } })).status).toBe(200);
});

async function openQueue(cookie: string, query = "") {
  const { json } = await api.call("GET", `/ops/queues/api/queues?activeQueue=verify-upload&status=latest${query}`, {
    headers: { cookie },
  });
  return json.queues.find((queue: { name: string }) => queue.name === "verify-upload");
}

test("messages are shown, looked into and removed", async () => {
  const headers = await signIn("admin");
  await api.deps.mailbox.send("verify-upload", { jobId: crypto.randomUUID(), wanted: 1 });
  const [job] = await waitFor(async () => {
    const { jobs } = await openQueue(headers.cookie);
    return jobs.length > 0 && jobs;
  }, "the message to be shown");
  const path = `/ops/queues/api/queues/verify-upload/${job.id}`;
  expect((await api.call("GET", path, { headers })).json.job.data.wanted).toBe(1);
  expect((await api.call("GET", `${path}/flow`, { headers })).json.isFlowNode).toBe(false);
  expect((await api.call("GET", `${path}/logs`, { headers })).status).toBe(200);
  expect((await api.call("PUT", `${path}/clean`, { headers })).status).toBe(204);
  expect((await openQueue(headers.cookie)).jobs).toEqual([]);
});

test("each message links to its job's row and trace, a page for operators alone that shows what anybody wrote as text", async () => {
  const headers = await signIn("admin");
  const payload = { uploadId: crypto.randomUUID() };
  const trace = makeTraceId();
  const { jobId, wanted } = await withTrace({ id: trace }, () => want(api.deps.db, verifyUpload, { payload }));
  await api.deps.db.query({
    name: "",
    text: `update job.job set state = 'failed', problem = '{"detail": "<script>alert(1)</script>"}' where id = $1`,
    values: [jobId],
  });
  const said = {
    id: "l-1",
    level: 40,
    time: new Date().toISOString(),
    service: "pod-0",
    traceId: trace,
    msg: "<b>a run</b> failed",
  };
  await api.deps.logs.append(`${JSON.stringify(said)}\n`);
  await api.deps.mailbox.send("verify-upload", { jobId, wanted });
  const job = await waitFor(async () => {
    const { jobs } = await openQueue(headers.cookie);
    return jobs.find(({ data }: { data: { jobId: string } }) => data.jobId === jobId);
  }, "the message to be shown");
  expect(job.externalUrl.href).toBe(`/ops/jobs/${jobId}`);
  const page = await api.call("GET", job.externalUrl.href, { headers });
  expect(page.status).toBe(200);
  expect(page.text).toContain(trace);
  expect(page.text).toContain("failed");
  expect(page.text).toContain("pod-0 &#60;b&#62;a run");
  expect(page.text).not.toMatch(/<script|<b>/);
  expect(findForeignLoads(page.text)).toEqual([]);
  const russian = await api.call("GET", job.externalUrl.href, { headers: { ...headers, "accept-language": "ru" } });
  expect(russian.text).toContain("Трасса");
  expect((await api.call("GET", job.externalUrl.href)).headers.get("location")).toBe("/ops/sign-in");
  expect((await api.call("GET", job.externalUrl.href, { headers: bearer("user") })).status).toBe(403);
  expect((await api.call("GET", `/ops/jobs/${crypto.randomUUID()}`, { headers })).status).toBe(404);
});

test("the session is looked at each time: signing out, losing the role and being disabled end it at once", async () => {
  const look = async (cookie: string) =>
    (await api.call("GET", "/ops/queues/api/queues", { headers: { cookie } })).status;
  const set = (text: string, values: unknown[]) => api.deps.db.query({ name: "", text, values });
  const left = await signIn("operator");
  expect(await look(left.cookie)).toBe(200);
  const out = await api.call("POST", "/ops/sign-out", { headers: left });
  expect([out.status, out.headers.get("location")]).toEqual([303, "/ops/sign-in"]);
  expect(out.headers.get("set-cookie")).toContain("Max-Age=0");
  expect(await look(left.cookie)).toBe(401);
  const demoted = await signIn("operator");
  await set(`update account."user" set roles = '{}' where login = $1`, ["operator"]);
  expect(await look(demoted.cookie)).toBe(403);
  await set(`update account."user" set roles = '{operator}', disabled_at = now() where login = $1`, ["operator"]);
  expect(await look(demoted.cookie)).toBe(401);
  expect(
    (await api.call("GET", "/ops/queues", { headers: { authorization: `Bearer ${tokens.operator}` } })).status,
  ).toBe(401);
  await set(`update account."user" set disabled_at = null where login = $1`, ["operator"]);
});

test("pages and all their assets come from this server", async () => {
  const headers = await signIn("admin");
  const page = await api.call("GET", "/ops/queues/", { headers });
  const policy = page.headers.get("content-security-policy") ?? "";
  expect(policy).toStartWith("default-src 'none'; script-src 'self';");
  expect(policy).not.toMatch(/https?:|\*|script-src[^;]*unsafe/);
  expect(findForeignLoads(page.text)).toEqual([]);
  const assets = await listAssets();
  const named = [...page.text.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map((match) => match[1] ?? "");
  expect(named.length).toBeGreaterThan(5);
  for (const name of named) expect(assets).toContain(name);
  expect(assets.length).toBeGreaterThan(20);
  for (const name of assets) {
    const asset = await api.call("GET", `/ops/queues/${name}`, { headers });
    expect([name, asset.status]).toEqual([name, 200]);
    expect(asset.headers.get("x-content-type-options")).toBe("nosniff");
    if (!/\.(png|ico)$/.test(name)) expect([name, ...findForeignLoads(asset.text)]).toEqual([name]);
    expect([name, /fonts\.(googleapis|gstatic)|cdn\.|unpkg|jsdelivr/.exec(asset.text)?.[0]]).toEqual([name, undefined]);
  }
});

async function listAssets(): Promise<string[]> {
  const here = Bun.resolveSync("@bull-board/ui/package.json", import.meta.dir);
  const cwd = here.replace(/package\.json$/, "dist");
  return [...new Bun.Glob("static/**/*").scanSync({ cwd })];
}

test("what is no asset is not served", async () => {
  const headers = await signIn("admin");
  for (const path of [
    "static/../../package.json",
    "static/..%2f..%2fpackage.json",
    "static/%2e%2e/index.ejs",
    "index.ejs",
  ])
    expect((await api.call("GET", `/ops/queues/${path}`, { headers })).status).toBe(404);
});

test("behind https the cookie is bound to this host, and http counts as somebody else", async () => {
  const deps = { ...api.deps, publicUrl: () => "https://packs.example" };
  const other = await openApi(deps, { keys: readKeys(deps.config), host: "127.0.0.1", port: 0, features: ["ops"] });
  const url = `http://127.0.0.1:${other.port}`;
  try {
    const host = { host: "packs.example" };
    const answer = await sendForm({ login: "admin", url, headers: { ...host, origin: "https://packs.example" } });
    expect(answer.headers.get("set-cookie")).toMatch(
      /^__Host-sunduk_ops=[\w.-]+; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200$/,
    );
    const plain = await sendForm({ login: "admin", url, headers: { ...host, origin: "http://packs.example" } });
    expect(plain.status).toBe(403);
    const cookie = cookieOf(answer);
    expect((await openCall(url)("GET", "/ops/queues", { headers: { cookie } })).status).toBe(200);
    const renamed = cookie.replace("__Host-", "");
    expect((await openCall(url)("GET", "/ops/queues", { headers: { cookie: renamed } })).status).toBe(303);
  } finally {
    await other.close();
  }
});

test("tries to sign in are limited: from one address, and at one account", async () => {
  const tryAll = async (limits: Partial<Config>, logins: string[]) => {
    const config = { ...api.deps.config, ...limits };
    const deps = { ...api.deps, config };
    const other = await openApi(deps, { keys: readKeys(config), host: "127.0.0.1", port: 0, features: ["ops"] });
    const url = `http://127.0.0.1:${other.port}`;
    try {
      const statuses = [];
      for (const login of logins) statuses.push((await sendForm({ login, password: "wrong", url })).status);
      return statuses;
    } finally {
      await other.close();
    }
  };
  const logins = ["admin", "admin", "admin", "admin", "operator"];
  expect(await tryAll({ LIMIT_SIGN_INS_PER_ACCOUNT: 3 }, logins)).toEqual([401, 401, 401, 429, 401]);
  expect(await tryAll({ LIMIT_SIGN_INS_PER_MINUTE: 3 }, logins)).toEqual([401, 401, 401, 429, 429]);
});
