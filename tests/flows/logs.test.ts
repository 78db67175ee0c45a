import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { makeTraceId } from "../../trace.ts";
import { parts, publishPack, type System, sha256, startSystem, type TestUser, waitFor } from "../harness.ts";
import { type MailServer, startMailServer, tokenOf } from "../mail-server.ts";

type Line = { id: string; time: string; level: string; service: string; traceId?: string; msg?: string } & Record<
  string,
  unknown
>;

let system: System;
let mails: MailServer;
let operator: TestUser;
let user: TestUser;

/** Standard error is a disk that is full, all the time. */
beforeAll(async () => {
  mails = await startMailServer();
  system = await startSystem({
    environment: {
      LOG_LEVEL: "debug",
      LOG_COLLECT: "debug",
      LOGS_EVERY_SECONDS: "1",
      SMTP_URL: mails.url,
      MAIL_FROM: "noreply@chest.example",
    },
    logFile: "/dev/full",
  });
  operator = await system.signUp("operator", ["ops"]);
  user = await system.signUp("user");
});
afterAll(async () => {
  await system?.stop();
  await mails?.close();
});

const traced = () => {
  const trace = makeTraceId();
  return { trace, headers: { traceparent: `00-${trace}-b7ad6b7169203331-01` } };
};

async function readLogs(query: Record<string, string>): Promise<{ items: Line[]; nextCursor: string | null }> {
  const { status, json, text } = await operator.call("GET", `/v1/ops/logs?${new URLSearchParams(query)}`);
  if (status !== 200) throw new Error(text);
  return json;
}

const waitForLines = (query: Record<string, string>, isThere: (items: Line[]) => boolean) =>
  waitFor(
    async () => {
      const { items } = await readLogs({ limit: "1000", ...query });
      return isThere(items) && items;
    },
    `lines of ${JSON.stringify(query)}`,
  );

test("the trace of a request shows the request, its caller, its queries, its jobs and its mails", async () => {
  const { trace, headers } = traced();
  const body = { login: "traced", email: "traced@mail.example", password: "a long test password" };
  const registered = await system.call("POST", "/v1/auth/register", { body, headers });
  expect(registered.status).toBe(201);
  expect(registered.headers.get("traceparent")).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
  const token = tokenOf(await mails.waitForMail(body.email), "verify");
  const expected = ["job", "a mail was sent", "request"];
  // Each process sends its lines by itself.
  const isWhole = (found: Line[]) => expected.every((msg) => found.some((line) => line.msg === msg));
  const items = await waitForLines({ trace }, isWhole);
  const [job, mail, request] = expected.map((msg) => items.find((line) => line.msg === msg));
  expect(request).toMatchObject({ method: "POST", route: "/v1/auth/register", status: 201, service: "api" });
  expect(job).toMatchObject({ actor: "send-mail", outcome: "completed" });
  expect(mail).toMatchObject({ actor: "send-mail", jobId: job?.jobId });
  expect(job?.service).toMatch(/^pod-\d$/);
  const queries = items.filter(({ msg }) => msg === "query");
  expect(queries.map(({ query }) => query)).toContain("mail_insert");
  expect(queries.map(({ query }) => query)).toContain("mail_claim");
  for (const line of queries) expect(line.durationMs).toBeGreaterThanOrEqual(0);
  expect(items.every(({ traceId }) => traceId === trace)).toBe(true);
  expect(JSON.stringify(items)).not.toContain(body.password);
  expect(JSON.stringify(items)).not.toContain(token);
});

test("who is signed in stands in every line of his request, and a failed one is found by the problem's trace", async () => {
  const { json: me } = await user.call("GET", "/v1/me");
  const answer = await user.call("GET", "/v1/packs/not-there");
  expect(answer.status).toBe(404);
  const items = await waitForLines({ trace: answer.json.traceId }, (found) =>
    found.some(({ msg }) => msg === "request"),
  );
  expect(items.find(({ msg }) => msg === "request")).toMatchObject({ caller: me.id, status: 404, level: "info" });
  expect(items.find(({ msg }) => msg === "query")).toMatchObject({ caller: me.id });
});

test("what is told to others by a fact still belongs to the request that stated it", async () => {
  await publishPack(user, { slug: "traced-pack", version: "1.0", files: { "a.txt": "a" } });
  // The webhook's host is not to be reached, which is an outcome too.
  const hook = await operator.call("POST", "/v1/me/webhooks", {
    body: { name: "hook", url: "https://nobody.invalid/hook", kinds: ["version.published"] },
  });
  expect([hook.status, hook.text]).toEqual([201, hook.text]);
  expect((await operator.call("PUT", "/v1/me/following/pack/traced-pack")).status).toBe(204);
  const { trace, headers } = traced();
  const declared = await user.call("POST", "/v1/packs/traced-pack/versions", {
    body: {
      version: "1.1",
      channel: "release",
      minecraft: "1.21.1",
      loader: { name: "fabric", version: "0.16.0" },
      files: [{ path: "b.txt", sha256: sha256("a"), size: 1, side: "both" }],
    },
  });
  expect(declared.status).toBe(201);
  const publishing = await user.call("POST", "/v1/packs/traced-pack/versions/1.1/publish", { headers });
  expect(publishing.status).toBe(202);
  // Each process sends its lines by itself.
  const actors = ["publish-version", "notify"];
  await waitForLines({ trace, query: '"msg":"job"' }, (found) =>
    actors.every((name) => found.some(({ actor }) => actor === name)),
  );
  const [delivery] = await waitForLines({ trace, query: '"msg":"delivery"' }, (found) => found.length > 0);
  expect(delivery).toMatchObject({ actor: "deliver-webhook", traceId: trace });
  const { rows } = await system.db.query({
    name: "",
    text: `select trace_id from job.job where id = $1`,
    values: [publishing.json.job.id],
  });
  expect(rows).toEqual([{ trace_id: trace }]);
});

test.each([
  "nonsense",
  "00-00000000000000000000000000000000-b7ad6b7169203331-01",
  "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
])("a traceparent that is not valid (%s) gets a trace of its own", async (traceparent) => {
  const answer = await system.call("GET", `/v1/jobs/${crypto.randomUUID()}`, { headers: { traceparent } });
  expect(answer.json.traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(traceparent).not.toContain(answer.json.traceId);
  expect(answer.headers.get("traceparent")).toContain(answer.json.traceId);
});

test("an answer that a shared cache may give to many names no trace", async () => {
  const answer = await system.call("GET", "/v1/packs");
  if (parts === "cluster") expect(answer.headers.get("traceparent")).toBeNull();
  else expect(answer.headers.get("traceparent")).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  const own = await system.call("GET", "/v1/events");
  const [, trace = ""] = /^00-([0-9a-f]{32})-/.exec(own.headers.get("traceparent") ?? "") ?? [];
  const items = await waitForLines({ trace }, (found) => found.length > 0);
  expect(items.some(({ route }) => route === "/v1/events")).toBe(true);
});

test("pages hold every line once, the newest first, whatever is written meanwhile", async () => {
  const to = new Date().toISOString();
  // What was written before that moment has been sent.
  await waitForLines({ from: to }, (found) => new Set(found.map(({ service }) => service)).size > 1);
  const whole = await readLogs({ to, limit: "1000" });
  const walked: Line[] = [];
  let cursor: string | null = null;
  do {
    const page = await readLogs({ to, limit: "97", ...(cursor !== null && { cursor }) });
    walked.push(...page.items);
    cursor = page.nextCursor;
    await user.call("GET", "/v1/me");
  } while (cursor !== null && walked.length < 1_000);
  expect(walked.slice(0, 1_000).map(({ id }) => id)).toEqual(whole.items.map(({ id }) => id).slice(0, walked.length));
  expect(new Set(walked.map(({ id }) => id)).size).toBe(walked.length);
  const times = walked.map(({ time }) => time);
  expect(times).toEqual([...times].sort().reverse());
});

test("levels, services, times and texts are filters", async () => {
  const all = await waitForLines({}, (found) => found.length > 100);
  const refusals = await readLogs({ level: "info", service: "api", query: "NOT-THERE-AT-ALL" });
  expect(refusals.items).toEqual([]);
  const info = await readLogs({ level: "info", limit: "1000" });
  expect(info.items.length).toBeGreaterThan(3);
  expect(info.items.filter(({ level }) => level === "debug")).toEqual([]);
  const pods = await readLogs({ service: "pod-0" });
  expect(new Set(pods.items.map(({ service }) => service))).toEqual(new Set(["pod-0"]));
  const middle = all[Math.floor(all.length / 2)]?.time ?? "";
  const later = await readLogs({ from: middle, limit: "1000" });
  expect(later.items.length).toBeGreaterThan(0);
  expect(later.items.filter(({ time }) => time < middle)).toEqual([]);
  const texts = await readLogs({ query: "TRACED-pack", limit: "10" });
  expect(texts.items.length).toBe(0); // paths are not logged
});

test("lines get into files by service and day, and are found there once", async () => {
  const folder = join(system.environment.DATA ?? "", "logs");
  const { trace, headers } = traced();
  await user.call("GET", "/v1/me", { headers });
  const held = async () => {
    const files = (await readdir(folder, { recursive: true }).catch(() => [])).filter((name) =>
      name.endsWith(".ndjson"),
    );
    const texts = await Promise.all(files.map((name) => Bun.file(join(folder, name)).text()));
    return files.filter((_, index) => texts[index]?.includes(trace));
  };
  const [file] = await waitFor(async () => {
    const found = await held();
    return found.length > 0 && found;
  }, "a file to hold the trace");
  expect(file).toMatch(/^api\/\d{4}-\d\d-\d\d\.1\.ndjson$/);
  const { items } = await readLogs({ trace });
  expect(items.filter(({ msg }) => msg === "request")).toHaveLength(1);
  expect(new Set(items.map(({ id }) => id)).size).toBe(items.length);
});

test("`sunduk logs` shows a trace, the oldest line first, and follows what comes", async () => {
  const { trace, headers } = traced();
  await user.call("GET", "/v1/me", { headers });
  await waitForLines({ trace }, (found) => found.some(({ msg }) => msg === "request"));
  const run = (...words: string[]) =>
    Bun.spawn([process.execPath, join(import.meta.dir, "../../cli/index.ts"), "logs", ...words], {
      env: {
        PATH: process.env.PATH ?? "",
        SUNDUK_URL: system.url,
        SUNDUK_TOKEN: operator.token,
        HOME: system.environment.DATA ?? "",
      },
      stdout: "pipe",
      stderr: "pipe",
    });
  const told = JSON.parse(await new Response(run("--trace", trace, "--json").stdout).text());
  expect(told.items.at(-1)).toMatchObject({ msg: "request", route: "/v1/me", traceId: trace });
  const times = told.items.map(({ time }: Line) => time);
  expect(times).toEqual([...times].sort());
  const text = await new Response(run("--trace", trace, "--query", '"msg":"request"').stdout).text();
  expect(text).toMatch(/^\d{4}-\S+Z debug api request .*route=\/v1\/me .*status=200/);
  const fresh = traced();
  const following = run("--trace", fresh.trace, "--follow", "--json");
  await user.call("GET", "/v1/me", { headers: fresh.headers });
  let seen = "";
  for await (const chunk of following.stdout) {
    seen += new TextDecoder().decode(chunk);
    if (seen.includes('"msg":"request"')) break;
  }
  following.kill("SIGTERM");
  expect(seen).toContain(fresh.trace);
});

test("logs are for operators and admins, and nothing unknown is asked", async () => {
  expect((await system.call("GET", "/v1/ops/logs")).status).toBe(401);
  expect((await user.call("GET", "/v1/ops/logs")).status).toBe(403);
  for (const query of [
    "traceid=1",
    "trace=xyz",
    "level=loud",
    "limit=0",
    "limit=1001",
    "cursor=abc",
    "from=yesterday",
    "service=../etc",
  ])
    expect([query, (await operator.call("GET", `/v1/ops/logs?${query}`)).status]).toEqual([query, 400]);
});
