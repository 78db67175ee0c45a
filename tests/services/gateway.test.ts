import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AwsClient } from "aws4fetch";
import { Client } from "minio";
import { findServices, type Gateway, type Services, startServices } from "./cluster.ts";

const found = findServices();
if (found.missing.length > 0) console.warn(`skipped: the live gateway, not found: ${found.missing.join(", ")}`);

type Heard = { server: number; method: string; path: string; headers: Headers; body: string };

/** An API of a few lines: it remembers what it was sent, and answers what a path asks for. */
function serveApi(server: number, heard: Heard[]) {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const body = await request.text();
      heard.push({ server, method: request.method, path: pathname + search, headers: request.headers, body });
      const verdict = { nobody: 401, somebody: 403, broken: 503 }[request.headers.get("authorization")?.slice(7) ?? ""];
      if (pathname === "/v1/auth/verify" && verdict !== undefined) return new Response(null, { status: verdict });
      if (pathname.endsWith("/events")) return new Response(eventStream(), eventHead);
      const cacheControl = pathname.includes("private") ? "private, no-store" : "public, no-cache";
      const etag = '"one"';
      if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers: { etag } });
      return Response.json({ server, count: heard.length }, { headers: { "cache-control": cacheControl, etag } });
    },
  });
}

const eventHead = { headers: { "content-type": "text/event-stream" } };
const eventStream = () =>
  new ReadableStream({
    start: (controller) => controller.enqueue("id: 1\ndata: {}\n\n"),
  });

describe.if(found.missing.length === 0)("the gateway", () => {
  const heard: Heard[] = [];
  let dir = "";
  let services: Services;
  let gateway: Gateway;
  let apis: ReturnType<typeof serveApi>[] = [];
  /** Signs for the gateway's address, as the product does for S3_PUBLIC_ENDPOINT. */
  let signer: Client;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "sunduk-services-"));
    services = await startServices(dir);
    apis = [serveApi(0, heard), serveApi(1, heard)];
    const { endpoint, accessKey, secretKey, region } = services.s3;
    const apiPorts = apis.map((api) => api.port ?? 0);
    gateway = await services.startGateway({ apiPorts, storagePort: Number(new URL(endpoint).port), port: 0 });
    const port = Number(new URL(gateway.url).port);
    signer = new Client({ endPoint: "127.0.0.1", port, useSSL: false, accessKey, secretKey, region });
  }, 60_000);

  afterAll(async () => {
    await services?.stop();
    for (const api of apis) await api.stop(true);
    await rm(dir, { recursive: true, force: true });
  });

  const ask = (path: string, init: RequestInit = {}) => fetch(gateway.url + path, { redirect: "manual", ...init });
  const last = () => heard.at(-1)?.headers ?? new Headers();

  test("spreads requests over the API's processes", async () => {
    const from = heard.length;
    for (let index = 0; index < 8; index += 1) await ask("/v1/packs/x/access");
    expect(new Set(heard.slice(from).map(({ server }) => server))).toEqual(new Set([0, 1]));
  });

  test("tells the API who is there, and lets nobody claim it", async () => {
    const forged = {
      "X-User-Id": "1",
      "X-User-Roles": "admin",
      "X-User-Anything": "1",
      "X-Forwarded-For": "10.9.8.7",
      "X-Forwarded-Host": "evil.example",
      "X-Forwarded-Proto": "https",
      "X-Real-IP": "10.9.8.7",
      Forwarded: "for=10.9.8.7",
      "X-Original-URL": "/ops/queues",
    };
    await ask("/v1/me", { headers: { ...forged, Authorization: "Bearer t", "Idempotency-Key": "k" } });
    const headers = last();
    const names = [...headers.keys()].filter((name) => /^(x-|forwarded)/.test(name));
    expect(names.sort()).toEqual(["x-forwarded-for", "x-forwarded-proto", "x-real-ip", "x-request-id"]);
    expect(headers.get("x-forwarded-for")).toBe("127.0.0.1");
    expect(headers.get("x-real-ip")).toBe("127.0.0.1");
    expect(headers.get("x-forwarded-proto")).toBe("http");
    expect(headers.get("host")).toBe(new URL(gateway.url).host);
    expect(headers.get("authorization")).toBe("Bearer t");
    expect(headers.get("idempotency-key")).toBe("k");
  });

  test("asks the API before it lets anybody to the queues, and believes no header about who it is", async () => {
    const get = (path: string, pass: string, init: RequestInit = {}) =>
      ask(path, { ...init, headers: { Authorization: `Bearer ${pass}`, "X-User-Id": "1", "X-User-Roles": "admin" } });
    const seen = () => heard.splice(0).map(({ method, path, headers }) => [method, path, headers.get("x-user-roles")]);
    heard.length = 0;
    expect((await get("/ops/queues/api/queues", "operator")).status).toBe(200);
    expect(seen()).toEqual([
      ["GET", "/v1/auth/verify?role=ops", null],
      ["GET", "/ops/queues/api/queues", null],
    ]);
    const sent = await get("/ops/queues/api/queues/x/pause", "operator", { method: "PUT", body: "the body" });
    expect(sent.status).toBe(200);
    expect(heard.map(({ method, body }) => [method, body])).toEqual([
      ["GET", ""],
      ["PUT", "the body"],
    ]);
    for (const [pass, path, status, location] of [
      ["nobody", "/ops/queues", 303, "/ops/sign-in"],
      ["nobody", "/ops/queues/api/queues", 401, null],
      ["somebody", "/ops/queues", 403, null],
      ["broken", "/ops/queues", 503, null],
    ] as const) {
      heard.length = 0;
      const answer = await get(path, pass);
      expect([pass, answer.status]).toEqual([pass, status]);
      const { pathname = null } = answer.headers.has("location")
        ? new URL(answer.headers.get("location") ?? "", gateway.url)
        : {};
      expect(pathname).toBe(location);
      if (status !== 303) expect(await answer.json()).toMatchObject({ status });
      expect(heard.every((one) => one.path.startsWith("/v1/auth/verify"))).toBe(true);
    }
    expect((await ask("/ops-guard")).status).toBe(404);
  });

  test("hands bodies over whole, and refuses too large ones with a problem", async () => {
    const body = JSON.stringify({ name: "x".repeat(300_000) });
    await ask("/v1/packs", { method: "POST", body, headers: { "Content-Type": "application/json" } });
    expect(heard.at(-1)?.body).toBe(body);
    expect(last().get("content-type")).toBe("application/json");
    const count = heard.length;
    const refused = await ask("/v1/packs", { method: "POST", body: new Uint8Array(8 * 1024 ** 2 + 1) });
    expect(refused.status).toBe(413);
    expect(refused.headers.get("content-type")).toBe("application/problem+json");
    expect(await refused.json()).toMatchObject({ status: 413, code: "too-large" });
    expect(heard.length).toBe(count);
  });

  test("does not serve /metrics, however it is written", async () => {
    const count = heard.length;
    for (const path of ["/metrics", "/metrics/", "/%6Detrics", "/x/..%2fmetrics", "/metrics?x=1"]) {
      expect((await ask(path)).status).toBe(404);
    }
    expect(heard.length).toBe(count);
  });

  test("answers public heads out of its cache for a second", async () => {
    const path = "/v1/packs/public/latest?channel=beta";
    const first = await ask(path);
    const second = await ask(path);
    expect([first, second].map((answer) => answer.headers.get("x-cache"))).toEqual(["MISS", "HIT"]);
    expect(await second.text()).toBe(await first.text());
    expect(second.headers.get("cache-control")).toBe("public, no-cache");
    expect((await ask(path, { headers: { "If-None-Match": '"one"' } })).status).toBe(304);
    expect((await ask("/v1/packs/public/latest")).headers.get("x-cache")).toBe("MISS");
    const host = { Host: "alias.example" };
    expect((await ask(path, { headers: host })).headers.get("x-cache")).toBe("MISS");
    const deadline = performance.now() + 5_000;
    const expired = async () => (await ask(path)).headers.get("x-cache") !== "HIT";
    while (!(await expired()) && performance.now() < deadline) await Bun.sleep(20);
    expect(performance.now()).toBeLessThan(deadline);
  });

  test("keeps no page of a pack, where views are counted, and hands conditions on", async () => {
    const path = "/v1/packs/public";
    for (let time = 0; time < 2; time++) expect((await ask(path)).headers.get("x-cache")).toBeNull();
    const count = heard.length;
    expect((await ask(path, { headers: { "If-None-Match": '"one"' } })).status).toBe(304);
    expect(heard.length).toBe(count + 1);
    expect(last().get("if-none-match")).toBe('"one"');
  });

  test("keeps no head that the API calls private, and none from or for credentials", async () => {
    const twice = async (path: string, headers: Record<string, string> = {}) => {
      const answers = [await ask(path, { headers }), await ask(path, { headers })];
      return answers.map((answer) => answer.headers.get("x-cache"));
    };
    expect(await twice("/v1/packs/private/latest")).toEqual(["MISS", "MISS"]);
    for (const headers of [{ Authorization: "Bearer t" }, { Token: "t" }, { Cookie: "session=1" }, { Share: "s" }]) {
      const path = `/v1/packs/${Object.keys(headers)[0]}/versions/1/manifest`;
      expect(await twice(path, headers)).toEqual(["BYPASS", "BYPASS"]);
      expect(await twice(path)).toEqual(["MISS", "HIT"]);
      expect(await twice(path, headers)).toEqual(["BYPASS", "BYPASS"]);
      expect((await ask(path, { headers: { ...headers, "If-None-Match": '"one"' } })).status).toBe(304);
      expect(last().get("if-none-match")).toBe('"one"');
    }
    expect(await twice("/v1/packs/public/latest?token=t")).toEqual(["BYPASS", "BYPASS"]);
    expect((await ask("/p/t/secret/pack/pack.toml")).headers.get("x-cache")).toBeNull();
  });

  test("sends a job's events on as they happen", async () => {
    const answer = await ask("/v1/jobs/1/events");
    const reader = answer.body?.getReader();
    const chunk = await reader?.read();
    expect(new TextDecoder().decode(chunk?.value)).toContain("id: 1");
    await reader?.cancel();
  });

  test("limits sign-in by address with a problem", async () => {
    const apiPorts = apis.map((api) => api.port ?? 0);
    const strict = await services.startGateway({ apiPorts, storagePort: 9, port: 0, authRate: "1r/m" });
    const answers = await Promise.all(Array.from({ length: 60 }, () => fetch(`${strict.url}/v1/auth/login`)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBe(60 - 41);
    expect(await refused[0]?.json()).toMatchObject({ code: "too-many" });
    // The API answers with a slash at the end too.
    for (const path of ["/device", "/oauth/authorize/sign-in", "/yggdrasil/authserver/authenticate"])
      for (const end of ["", "/"])
        expect([path + end, (await fetch(`${strict.url}${path}${end}`)).status]).toEqual([path + end, 429]);
    for (const path of ["/v1/me", "/oauth/authorize", "/oauth/token"])
      expect([path, (await fetch(`${strict.url}${path}`)).status]).toEqual([path, 200]);
    await strict.stop();
  });

  test("goes on with the other process when one breaks off, and sends no POST twice", async () => {
    let broken = 0;
    const breakOff = (socket: { end(): void }) => {
      broken += 1;
      socket.end();
    };
    const breaking = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: breakOff } });
    const working: Heard[] = [];
    const api = serveApi(2, working);
    const pair = await services.startGateway({ apiPorts: [breaking.port, api.port ?? 0], storagePort: 9, port: 0 });
    const call = async (method: string) => (await fetch(`${pair.url}/v1/me`, { method })).status;
    const posts = [await call("POST"), await call("POST"), await call("POST")];
    expect(broken).toBeGreaterThan(0);
    expect(posts.filter((status) => status === 503)).toHaveLength(broken);
    expect(working).toHaveLength(posts.length - broken);
    for (let index = 0; index < 10; index += 1) expect(await call("GET")).toBe(200);
    breaking.stop(true);
    await api.stop(true);
    const answer = await fetch(`${pair.url}/v1/me`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ status: 503, code: "unavailable" });
    await pair.stop();
  });

  test("passes signed URLs of its own address to storage, with ranges and any credentials left out", async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(3_000_000));
    const { bucket } = services.s3;
    const put = await fetch(await signer.presignedPutObject(bucket, "a folder/ä+b", 60), {
      method: "PUT",
      body: bytes,
    });
    expect(put.status).toBe(200);
    const url = await signer.presignedGetObject(bucket, "a folder/ä+b", 60, {
      "response-content-disposition": 'attachment; filename="a b"',
    });
    const credentials = { Authorization: "Bearer t", Cookie: "session=1" };
    const whole = await fetch(url, { headers: credentials });
    expect(whole.status).toBe(200);
    expect(whole.headers.getSetCookie()).toEqual([]);
    expect(whole.headers.get("content-disposition")).toBe('attachment; filename="a b"');
    expect(whole.headers.get("x-content-type-options")).toBe("nosniff");
    expect(whole.headers.get("content-security-policy")).toBe("sandbox; default-src 'none'");
    expect(Buffer.from(await whole.arrayBuffer()).equals(Buffer.from(bytes))).toBe(true);
    const part = await fetch(url, { headers: { Range: "bytes=1000-1999" } });
    expect(part.status).toBe(206);
    expect(part.headers.get("content-range")).toBe("bytes 1000-1999/3000000");
    expect(Buffer.from(await part.arrayBuffer()).equals(Buffer.from(bytes.subarray(1000, 2000)))).toBe(true);
  });

  test("shows an image without letting it do, set or learn anything", async () => {
    const asked: Headers[] = [];
    const storage = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: ({ headers }) => {
        asked.push(headers);
        const told = {
          "content-type": "image/webp",
          "set-cookie": "session=2",
          "content-security-policy": "script-src *",
        };
        return new Response("RIFF", { headers: told });
      },
    });
    const apiPorts = apis.map((api) => api.port ?? 0);
    const own = await services.startGateway({ apiPorts, storagePort: storage.port ?? 0, port: 0 });
    const credentials = { Cookie: "session=1", Authorization: "Bearer t", Token: "t", Share: "s" };
    const { headers } = await fetch(`${own.url}/${services.s3.bucket}/blobs/made/x`, { headers: credentials });
    expect(headers.get("content-type")).toBe("image/webp");
    expect(headers.get("content-security-policy")).toBe("sandbox; default-src 'none'");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.getSetCookie()).toEqual([]);
    for (const name of Object.keys(credentials)) expect([name, asked[0]?.get(name)]).toEqual([name, null]);
    await own.stop();
    await storage.stop(true);
  });

  test("takes forms with images that are larger than other bodies, and refuses what no image can be", async () => {
    const form = new Uint8Array(32 * 1024 ** 2 + 60_000);
    const sent = await ask("/v1/upload", {
      method: "POST",
      body: form,
      headers: { "Content-Type": "multipart/form-data" },
    });
    expect(sent.status).toBe(200);
    expect(heard.at(-1)?.body.length).toBe(form.length);
    const count = heard.length;
    const refused = await ask("/v1/upload", { method: "POST", body: new Uint8Array(33 * 1024 ** 2 + 1) });
    expect([refused.status, heard.length]).toEqual([413, count]);
  });

  test("leaves a signed length and digest to storage, which refuses other bytes", async () => {
    const { bucket, accessKey, secretKey: secretAccessKey, region } = services.s3;
    const signing = new AwsClient({ accessKeyId: accessKey, secretAccessKey, region, service: "s3" });
    const bytes = Buffer.from("the right bytes");
    const headers = {
      "Content-Length": String(bytes.length),
      "X-Amz-Content-Sha256": createHash("sha256").update(bytes).digest("hex"),
    };
    const aws = { signQuery: true, allHeaders: true };
    const { url } = await signing.sign(`${gateway.url}/${bucket}/exact`, { method: "PUT", headers, aws });
    const put = async (body: Buffer) => {
      const sent = { "X-Amz-Content-Sha256": headers["X-Amz-Content-Sha256"] };
      return (await fetch(url, { method: "PUT", headers: sent, body })).status;
    };
    expect(await put(Buffer.from("the right bytes, and more"))).toBe(403);
    expect(await put(Buffer.from("the wrong bytes"))).toBe(400);
    expect(await put(bytes)).toBe(200);
  });

  test("opens no stored object without its signature, and says nosniff then too", async () => {
    const { bucket } = services.s3;
    const url = await signer.presignedGetObject(bucket, "nothing", 60);
    const statuses = [url.split("?")[0] ?? "", url.replace("nothing", "other"), `${gateway.url}/${bucket}/`];
    for (const forged of statuses) {
      const answer = await fetch(forged);
      expect(answer.status).toBe(403);
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    }
    const storage = Number(new URL(services.s3.endpoint).port);
    const elsewhere = url.replace(new URL(gateway.url).port, String(storage));
    expect((await fetch(elsewhere)).status).toBe(403);
  });

  test("logs paths without queries, share links and object names", async () => {
    const { bucket } = services.s3;
    await ask("/solder/t/hidden-ticket/mods/a/a-1.zip");
    await ask("/solder/api/verify/hidden-key");
    await ask("/p/t/hidden-token/pack/pack.toml");
    await ask("//p/t/hidden-token/pack/index.toml");
    await ask(`/${bucket}/hidden-object?X-Amz-Signature=hidden-signature`);
    await ask("/v1/files?query=hidden-query");
    const log = () => Bun.file(join(dir, "gateway-1/nginx.out")).text();
    const deadline = performance.now() + 5_000;
    while (!(await log()).includes('"/v1/files"') && performance.now() < deadline) await Bun.sleep(10);
    const lines = (await log())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).path);
    const solder = ["/solder/t/-", "/solder/api/verify/-"];
    expect(lines.slice(-6)).toEqual([...solder, "/p/t/-", "/p/t/-", `/${bucket}/-`, "/v1/files"]);
    expect(await log()).not.toContain("hidden");
    expect(await Bun.file(join(dir, "gateway-1/nginx.err")).text()).not.toContain("hidden");
  });
});
