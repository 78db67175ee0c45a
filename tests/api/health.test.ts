import { afterAll, beforeAll, expect, test } from "bun:test";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { openApi } from "../../api/serve.ts";
import { addRuns, runBounds } from "../../db/log-run.ts";
import { readKeys } from "../../keys.ts";
import { want } from "../../queues/mailbox.ts";
import { verifyUpload } from "../../queues/verify-upload.ts";
import { startDelayProxy } from "../delay-proxy.ts";
import { findExpositionFlaws } from "../exposition.ts";
import { createTestDatabase, openCall, parts, waitFor } from "../harness.ts";
import { openTestApi, type TestApi } from "./open-test-api.ts";

let api: TestApi;
const lines: Record<string, unknown>[] = [];
let logged: { port: number; close: () => Promise<void> };
let call: ReturnType<typeof openCall>;

/** A second API on the same parts, whose log lines are kept. */
beforeAll(async () => {
  api = await openTestApi({ METRICS_TOKEN: "a metrics token" });
  const log = pino({ level: "debug" }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const deps = { ...api.deps, log };
  logged = await openApi(deps, { keys: readKeys(deps.config), host: "127.0.0.1", port: 0, features: [] });
  call = openCall(`http://127.0.0.1:${logged.port}`);
});
afterAll(async () => {
  await logged?.close();
  await api?.close();
});

const lastLine = (message: string) => lines.findLast((line) => line.msg === message);
const safe = { "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" };

test.each([
  ["GET", "/status", 200],
  ["GET", "/livez", 200],
  ["GET", "/v1/packs", 200],
  ["GET", "/v1/packs/none", 404],
  ["GET", "/nothing", 404],
  ["POST", "/v1/packs", 401],
  ["DELETE", "/nothing/at/all", 404],
] as const)("%s %s answers %i with the headers of every answer", async (method, path, status) => {
  const answer = await call(method, path, method === "POST" ? { body: { slug: "abc", name: "abc" } } : {});
  expect(answer.status).toBe(status);
  expect(answer.headers.toJSON()).toMatchObject(safe);
  expect(answer.headers.get("content-security-policy")).toStartWith("default-src 'none'");
});

test("each request is one line: trace, method, template, status, duration and who called", async () => {
  const { token } = await api.signUp("watched");
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const before = lines.length;
  const headers = { authorization: `Bearer ${token}`, traceparent: `00-${trace}-b7ad6b7169203331-01` };
  await call("GET", "/v1/packs", { headers });
  const written = lines.slice(before).filter((line) => line.msg === "request");
  expect(written.length).toBe(1);
  expect(written[0]).toMatchObject({ traceId: trace, method: "GET", route: "/v1/packs", status: 200, level: 20 });
  expect(written[0]?.caller).toMatch(/^[0-9a-f-]{36}$/);
  expect(written[0]?.durationMs).toBeGreaterThan(0);
});

test("a problem carries the trace id of its line; refusals are told at info", async () => {
  const before = lines.length;
  const answer = await call("GET", "/v1/packs/nowhere");
  expect(lines.slice(before).filter((line) => line.msg === "request").length).toBe(1);
  expect(lastLine("request")).toMatchObject({
    traceId: answer.json.traceId,
    route: "/v1/packs/:slug",
    status: 404,
    level: 30,
  });
});

test("answers with ready bytes and without a body count with their own status", async () => {
  await call("GET", "/openapi");
  expect(lastLine("request")).toMatchObject({ route: "/openapi", status: 200 });
  await call("GET", "/ops/queues");
  expect(lastLine("request")).toMatchObject({ status: 303 });
});

test("neither paths nor queries nor tokens get into the log", async () => {
  const secrets = ["path-token-123", "sig-456", "bearer-789", "cookie-012"];
  const headers = { authorization: `Bearer ${secrets[2]}`, cookie: `sunduk_ops=${secrets[3]}` };
  await call("GET", `/p/t/${secrets[0]}/pack`, { headers });
  await call("GET", `/v1/packs/${secrets[0]}?cursor=${secrets[1]}`, { headers });
  await call("PUT", `/storage/${secrets[0]}?signature=${secrets[1]}`, { body: {}, headers });
  await call("GET", `/v1/uploads/${secrets[0]}`, { headers });
  const text = JSON.stringify(lines);
  for (const secret of secrets) expect(text).not.toContain(secret);
});

test("/metrics wants its token, when there is one, from everybody", async () => {
  const ask = (headers: Record<string, string>) => call("GET", "/metrics", { headers });
  expect((await ask({})).status).toBe(404);
  expect((await ask({ authorization: "Bearer another token" })).status).toBe(404);
  expect((await ask({ authorization: "Bearer a metrics token" })).status).toBe(200);
});

test("/metrics without a token answers loopback, and nobody who comes through a proxy", async () => {
  const { METRICS_TOKEN: _token, ...config } = api.deps.config;
  const open = await openApi(
    { ...api.deps, config },
    { keys: readKeys(config), host: "127.0.0.1", port: 0, features: [] },
  );
  const ask = openCall(`http://127.0.0.1:${open.port}`);
  try {
    expect((await ask("GET", "/metrics")).status).toBe(200);
    for (const name of ["x-forwarded-for", "x-real-ip", "forwarded"])
      expect((await ask("GET", "/metrics", { headers: { [name]: "127.0.0.1" } })).status).toBe(404);
  } finally {
    await open.close();
  }
});

test("/metrics counts requests by template, and tells the queues and the process", async () => {
  const read = async () =>
    (await call("GET", "/metrics", { headers: { authorization: "Bearer a metrics token" } })).text;
  const count = (text: string) =>
    Number(
      /^sunduk_http_request_duration_seconds_count\{method="GET",route="\/v1\/packs\/:slug",status="404"\} (\d+)$/m.exec(
        text,
      )?.[1] ?? 0,
    );
  const before = count(await read());
  for (const slug of ["one", "two", "three"]) await call("GET", `/v1/packs/${slug}`);
  const text = await read();
  expect(count(text)).toBe(before + 3);
  expect(text).toMatch(/_bucket\{method="GET",route="\/v1\/packs\/:slug",status="404",le="\+Inf"\} \d+/);
  expect(text).toContain('sunduk_queue_messages{queue="verify-upload",state="waiting"} 0');
  expect(text).toContain("sunduk_nodejs_eventloop_lag_seconds");
  expect(text).toContain('sunduk_storage_bytes{state="live"} 0');
  expect(text).not.toContain("nowhere");
  for (const line of text.split("\n").filter(Boolean))
    expect(line).toMatch(/^(# (HELP|TYPE) |[a-z0-9_]+(\{([a-z_]+="[^"]*",?)+\})? (-?[\d.e+-]+|NaN)$)/);
});

test("/metrics tells how long runs took, who waits for a connection, and how old what we know of revocations is", async () => {
  const run = { actor: "verify-upload", outcome: "completed" as const, runs: 2, seconds: 1.5 };
  const buckets = (from: number) => runBounds.map((_, index) => (index < from ? 0 : 2));
  await addRuns(api.deps.db, [{ ...run, buckets: buckets(4) }]);
  await addRuns(api.deps.db, [{ ...run, buckets: buckets(9) }]);
  const wish = { payload: { uploadId: crypto.randomUUID() } };
  const { jobId } = await want(api.deps.db, verifyUpload, wish);
  await api.deps.db.query({
    name: "",
    text: `update job.job set wanted_at = now() - interval '1 hour', attempts = 3 where id = $1`,
    values: [jobId],
  });
  const { text } = await call("GET", "/metrics", { headers: { authorization: "Bearer a metrics token" } });
  const value = (name: string) =>
    Number(
      text
        .split("\n")
        .find((line) => line.startsWith(`${name} `))
        ?.slice(name.length),
    );
  const labels = 'actor="verify-upload",outcome="completed"';
  expect(value(`sunduk_job_duration_seconds_count{${labels}}`)).toBe(4);
  expect(value(`sunduk_job_duration_seconds_sum{${labels}}`)).toBe(3);
  expect(value(`sunduk_job_duration_seconds_bucket{${labels},le="0.5"}`)).toBe(0);
  expect(value(`sunduk_job_duration_seconds_bucket{${labels},le="1"}`)).toBe(2);
  expect(value(`sunduk_job_duration_seconds_bucket{${labels},le="+Inf"}`)).toBe(4);
  expect(value('sunduk_job_waiting_seconds{actor="verify-upload"}')).toBeGreaterThanOrEqual(3_600);
  expect(value('sunduk_job_attempts{actor="verify-upload"}')).toBe(3);
  expect(value('sunduk_database_connections{state="waiting"}')).toBe(0);
  expect(
    value('sunduk_database_connections{state="idle"}') + value('sunduk_database_connections{state="busy"}'),
  ).toBeGreaterThan(0);
  expect(value("sunduk_revocations_age_seconds")).toBeLessThan(5);
  expect(value("sunduk_log_lines_dropped_total")).toBe(0);
  for (const part of ["database", "storage", "queues", "revocations", "workers", "logs", "backups"])
    expect([part, value(`sunduk_part_up{part="${part}"}`)]).toEqual([part, 1]);
});

test("what /metrics says keeps to the exposition grammar: each family once, typed before its samples", async () => {
  const { text } = await call("GET", "/metrics", { headers: { authorization: "Bearer a metrics token" } });
  expect(findExpositionFlaws(text)).toEqual([]);
});

test("the buckets of a duration grow to its count", async () => {
  const { text } = await call("GET", "/metrics", { headers: { authorization: "Bearer a metrics token" } });
  const series = [...text.matchAll(/_bucket\{method="GET",route="\/v1\/packs",status="200",le="([^"]+)"\} (\d+)/g)];
  const values = series.map((match) => Number(match[2]));
  expect(values.length).toBe(14);
  expect([...values].sort((a, b) => a - b)).toEqual(values);
  expect(values.at(-1)).toBeGreaterThan(0);
});

test("/readyz is 503 while the database is away, says which part it is, and recovers", async () => {
  const url = new URL(await createTestDatabase());
  let proxy = startDelayProxy({ targetPort: Number(url.port) });
  const through = new URL(url);
  through.port = String(proxy.port);
  const cut = await openTestApi({ DATABASE_URL: through.href });
  try {
    expect((await cut.call("GET", "/readyz")).json).toEqual({ status: "ok" });
    const { port } = proxy;
    proxy.stop();
    const away = await waitFor(async () => {
      const answer = await cut.call("GET", "/readyz?verbose");
      return answer.status === 503 && answer;
    }, "readyz to notice");
    expect(away.json.status).toBe("unavailable");
    const down = { part: "database", ok: false, required: true, state: "down" };
    expect(away.json.checks).toContainEqual(expect.objectContaining(down));
    expect(away.json.degraded).toContain("database");
    expect(away.headers.get("cache-control")).toBe("no-store");
    expect((await cut.call("GET", "/livez")).status).toBe(200);
    const request = await cut.call("GET", "/v1/packs");
    expect([request.status, request.json.code]).toEqual([503, "unavailable"]);
    expect(Number(request.headers.get("retry-after"))).toBeWithin(1, 5);
    expect((await cut.call("GET", "/metrics")).status).toBe(200);
    proxy = startDelayProxy({ targetPort: Number(url.port), port });
    await waitFor(async () => (await cut.call("GET", "/readyz")).status === 200, "readyz to recover");
  } finally {
    await cut.close();
    proxy.stop();
  }
});

test.skipIf(parts === "cluster")("/readyz is 200 and degraded while the storage is away", async () => {
  const broken = await openTestApi();
  try {
    const folder = join(broken.deps.config.DATA, "objects");
    expect((await broken.call("GET", "/readyz")).json).toEqual({ status: "ok" });
    await rename(folder, `${folder}.away`);
    await writeFile(folder, "no folder");
    const answer = await waitFor(async () => {
      const { status, json } = await broken.call("GET", "/readyz?verbose");
      expect(status).toBe(200);
      return json.status === "degraded" && json;
    }, "readyz to notice");
    const lost = { part: "storage", ok: false, required: false, state: "degraded" };
    expect(answer.degraded).toEqual(["storage"]);
    expect(answer.checks).toContainEqual({ ...lost, detail: expect.any(String) });
    // What exactly is wrong, with paths and hosts, is not for those who come through a proxy.
    const far = await broken.call("GET", "/readyz?verbose", { headers: { "x-real-ip": "198.51.100.1" } });
    expect(far.json.checks).toContainEqual(lost);
  } finally {
    await broken.close();
  }
});

test("the keys that are shown are public ones", async () => {
  const { json, headers } = await call("GET", "/.well-known/jwks.json");
  expect(json.keys.length).toBeGreaterThan(0);
  for (const key of json.keys)
    for (const secret of ["d", "k", "p", "q", "dp", "dq", "qi"]) expect(secret in key).toBe(false);
  expect(headers.get("cache-control")).toBe("public, max-age=60");
});
