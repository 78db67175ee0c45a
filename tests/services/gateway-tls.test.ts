import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { findServices, type Gateway, pickPorts, startServices } from "./cluster.ts";

const found = findServices();
const runs = found.nginx && found.redis && Bun.which("openssl") !== null;
if (!runs) console.warn("skipped: TLS at the gateway, not found: nginx, redis-server or openssl");
const Counted = t.Object({ count: t.Integer() });

describe.if(runs)("the gateway with a certificate", () => {
  let dir = "";
  let plain: Gateway;
  let url = "";
  let port = 0;
  let ca = "";
  let api: ReturnType<typeof Bun.serve>;
  const heard: { path: string; proto: string | null }[] = [];
  const stops: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "sunduk-tls-"));
    const [certificate, key] = [join(dir, "certificate.pem"), join(dir, "key.pem")];
    const made = Bun.spawnSync([
      ..."openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost".split(" "),
      ..."-addext subjectAltName=DNS:localhost -keyout".split(" "),
      key,
      "-out",
      certificate,
    ]);
    expect(made.exitCode).toBe(0);
    ca = await Bun.file(certificate).text();
    api = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => {
        const { pathname } = new URL(request.url);
        heard.push({ path: pathname, proto: request.headers.get("x-forwarded-proto") });
        const kept = pathname.includes("private") ? "private, no-store" : "public, no-cache";
        return Response.json({ count: heard.length }, { headers: { "cache-control": kept } });
      },
    });
    // Neither Redis nor an S3 server is asked for anything here.
    const s3 = { endpoint: "http://127.0.0.1:9", bucket: "sunduk", accessKey: "x", secretKey: "x", region: "x" };
    const services = await startServices(dir, s3);
    stops.push(services.stop);
    [port = 0] = pickPorts(1);
    url = `https://localhost:${port}`;
    const tls = { certificate, key, port };
    plain = await services.startGateway({ apiPorts: [api.port ?? 0], storagePort: 9, port: 0, tls });
  }, 60_000);
  afterAll(async () => {
    for (const stop of stops) await stop();
    await api?.stop(true);
    await rm(dir, { recursive: true, force: true });
  });

  const ask = (address: string, init: RequestInit = {}) =>
    fetch(address, { redirect: "manual", tls: { ca }, ...init } as RequestInit);

  /** What a client gets that offers only this: protocol and cipher, or undefined when it is refused. */
  function handshake(...offer: string[]): string | undefined {
    const words = ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "localhost", "-brief", ...offer];
    const { exitCode, stderr } = Bun.spawnSync(["openssl", ...words], { stdin: new Blob([""]) });
    const told = /Protocol version: (\S+)\s+Ciphersuite: (\S+)/.exec(stderr.toString());
    return exitCode === 0 && told ? `${told[1]} ${told[2]}` : undefined;
  }

  test("speaks TLS 1.2 and 1.3 with forward secrecy, and nothing older or weaker", async () => {
    expect(handshake("-tls1_3")).toStartWith("TLSv1.3 ");
    expect(handshake("-tls1_2")).toStartWith("TLSv1.2 ECDHE-");
    const anything = ["-cipher", "ALL:@SECLEVEL=0"];
    expect(handshake("-tls1_2", ...anything)).toStartWith("TLSv1.2 ECDHE-");
    for (const old of ["-tls1", "-tls1_1"]) expect(handshake(old, ...anything)).toBeUndefined();
    // Without forward secrecy, without authenticated encryption.
    for (const weak of ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA"])
      expect(handshake("-tls1_2", "-cipher", `${weak}:@SECLEVEL=0`)).toBeUndefined();
  });

  test("tells browsers to come back with TLS, in whatever it answers, and the API that they did", async () => {
    const sign = "max-age=63072000";
    for (const path of [
      "/v1/me",
      "/v1/packs/public/latest",
      "/metrics",
      "/ops/queues",
      "/sunduk/nothing",
      "/gateway",
    ]) {
      const answer = await ask(`${url}${path}`);
      expect([path, answer.headers.get("strict-transport-security")]).toEqual([path, sign]);
    }
    const refused = await ask(`${url}/v1/me`, { method: "TRACE" }).catch(() => undefined);
    if (refused) expect(refused.headers.get("strict-transport-security")).toBe(sign);
    await ask(`${url}/v1/me`);
    expect(heard.at(-1)).toEqual({ path: "/v1/me", proto: "https" });
  });

  test("sends whoever comes without TLS to it, by the public name and with his method, and hands nothing on", async () => {
    const count = heard.length;
    for (const [method, path] of [
      ["GET", "/v1/packs?query=a%20b"],
      ["POST", "/v1/auth/login"],
      ["GET", "/sunduk/blobs/x?signature=y"],
    ] as const) {
      const answer = await ask(`${plain.url}${path}`, { method, headers: { host: "evil.example" } });
      expect([path, answer.status, answer.headers.get("location")]).toEqual([path, 308, `${url}${path}`]);
      expect(answer.headers.get("strict-transport-security")).toBeNull(); // RFC 6797, 7.2
    }
    expect(heard.length).toBe(count);
    for (const path of ["/gateway", "/livez", "/readyz"])
      expect([path, (await ask(`${plain.url}${path}`)).ok]).toEqual([path, true]);
  });

  test("keeps private answers out of its cache here too", async () => {
    const count = async (path: string) => Value.Parse(Counted, await (await ask(`${url}${path}`)).json()).count;
    expect(await count("/v1/packs/private/latest")).not.toBe(await count("/v1/packs/private/latest"));
    const first = await ask(`${url}/v1/packs/public/versions`);
    const second = await ask(`${url}/v1/packs/public/versions`);
    expect([first, second].map(({ headers }) => headers.get("x-cache"))).toEqual(["MISS", "HIT"]);
  });
});
