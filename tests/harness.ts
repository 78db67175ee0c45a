import { openSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { type Config, readConfig } from "../config.ts";
import { startEmbeddedPostgres } from "../db/embedded.ts";
import { createDatabase, migrate } from "../db/migrate.ts";
import { openPostgres, type Postgres } from "../db/postgres.ts";
import { type Deps, openDeps } from "../deps.ts";
import { makeSecret, makeSigningKey } from "../keys.ts";
import { type Log, openLog } from "../log.ts";
import { migrateQueues } from "../queues/connection.ts";
import { pickPorts, type Services, startServices } from "./services/cluster.ts";

/** Which parts the tests of this run use: "cluster" is Redis, S3 and nginx; both have a real PostgreSQL. */
export const parts = process.env.SUNDUK_PARTS === "cluster" ? "cluster" : "embedded";
/** Whether races, fuzz and faults run in full. */
export const long = process.env.SUNDUK_LONG === "1";
export const testLog: Log = openLog({ level: process.env.SUNDUK_TEST_LOG ?? "silent", service: "test" });

type Shared = { folder: string; databaseUrl: string; stop: () => Promise<void> };
let shared: Promise<Shared> | undefined;
let services: Promise<Services> | undefined;
let named = 0;
const databases: string[] = [];

/** A PostgreSQL of this test run with a migrated template: SUNDUK_TEST_DATABASE when the runner started one, else our own. */
function sharedServer(): Promise<Shared> {
  shared ??= (async () => {
    const folder = await mkdtemp(join(tmpdir(), "sunduk-test-"));
    const given = process.env.SUNDUK_TEST_DATABASE;
    if (given) {
      const stop = async () => {
        await dropDatabases(given);
        await rm(folder, { recursive: true, force: true });
      };
      return { folder, databaseUrl: given, stop };
    }
    await Bun.$`chmod 755 ${folder}`.quiet();
    const postgres = await startTestPostgres(join(folder, "postgres"));
    const stop = async () => {
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    };
    return { folder, databaseUrl: postgres.url, stop };
  })();
  return shared;
}

/** Ends what this process shares among its tests. */
export async function stopShared(): Promise<void> {
  await services?.then((running) => running.stop());
  await shared?.then((running) => running.stop());
}

/** Starts a throw-away PostgreSQL (no fsync) with the template database that tests clone. */
export async function startTestPostgres(folder: string) {
  const settings = { fsync: "off", full_page_writes: "off", max_connections: "300" };
  const postgres = await startEmbeddedPostgres({ folder, password: "test", log: testLog, settings });
  const template = new URL(postgres.url);
  template.pathname = "/sunduk_template";
  await createDatabase(template.href);
  await migrate(template.href);
  await migrateQueues(template.href);
  return postgres;
}

async function withAdmin(databaseUrl: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const address = new URL(databaseUrl);
  address.pathname = "/postgres";
  const client = new pg.Client({ connectionString: address.href });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** What this file made on a server that others go on using: it may lie in memory. */
const dropDatabases = (databaseUrl: string) =>
  withAdmin(databaseUrl, async (client) => {
    for (const name of databases.splice(0)) await client.query(`drop database ${name} with (force)`);
  });

/** A database of its own, cloned from the migrated template: by copying files, which a server without fsync does fastest. */
export async function createTestDatabase(): Promise<string> {
  const { databaseUrl } = await sharedServer();
  const name = `test_${process.pid}_${++named}_${Math.random().toString(36).slice(2, 8)}`;
  await withAdmin(databaseUrl, (client) =>
    client.query(`create database ${name} template sunduk_template strategy file_copy`),
  );
  databases.push(name);
  const address = new URL(databaseUrl);
  address.pathname = `/${name}`;
  return address.href;
}

/** A folder of its own below the run's. */
export async function createTestFolder(): Promise<string> {
  return mkdtemp(join((await sharedServer()).folder, "f-"));
}

let redisDatabase = 0;

async function clusterEnvironment(): Promise<Record<string, string>> {
  const given = process.env.SUNDUK_TEST_S3;
  services ??= sharedServer().then(({ folder }) =>
    startServices(join(folder, "services"), given ? JSON.parse(given) : undefined),
  );
  const { redisUrl, s3 } = await services;
  const { Client } = await import("minio");
  const { hostname, port } = new URL(s3.endpoint);
  const client = new Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: false,
    accessKey: s3.accessKey,
    secretKey: s3.secretKey,
    region: s3.region,
  });
  const bucket = `t${process.pid}-${++named}-${Math.random().toString(36).slice(2, 8)}`; // other files share the server
  await client.makeBucket(bucket, s3.region);
  const redis = new URL(redisUrl);
  redis.pathname = `/${redisDatabase++ % 16}`;
  const { Redis } = await import("ioredis");
  const cleaner = new Redis(redis.href);
  await cleaner.flushdb();
  cleaner.disconnect();
  return {
    REDIS_URL: redis.href,
    S3_ENDPOINT: s3.endpoint,
    S3_BUCKET: bucket,
    S3_REGION: s3.region,
    S3_ACCESS_KEY: s3.accessKey,
    S3_SECRET_KEY: s3.secretKey,
  };
}

/**
 * What is lost is noticed and sent again at once: for files that kill pods or lose messages. Each system that is in such a
 * hurry keeps a tenth of a core busy, so that others are not.
 */
export const hurry = { RESEND_EVERY_SECONDS: "1", LOCK_SECONDS: "2" };

/** Settings of one system under test, as environment variables: its own database, objects and secrets; quick timings. */
export async function testEnvironment(extra: Record<string, string> = {}): Promise<Record<string, string>> {
  const secrets = {
    SIGNING_KEY: await makeSigningKey(),
    TOKEN_SECRET: makeSecret(),
    STORAGE_SECRET: makeSecret(),
    NOTIFICATION_SECRET: makeSecret(),
    MANIFEST_KEY: await makeSigningKey(),
  };
  const cluster = parts === "cluster" ? await clusterEnvironment() : {};
  const quick = {
    LIMIT_SIGN_INS_PER_MINUTE: "100000",
    LIMIT_SIGN_INS_PER_ACCOUNT: "100000",
    LIMIT_ALBUM_ARCHIVES_PER_MINUTE: "100000",
    LIMIT_EVENTS_PER_MINUTE: "100000",
    RESEND_AFTER_SECONDS: "3",
    RESEND_EVERY_SECONDS: "3",
    LOCK_SECONDS: "5",
    LINGER_SECONDS: "0",
    // One file tests AVIF; in all others it would only take the time of two cores.
    IMAGE_AVIF: "off",
    // No test asks anybody outside.
    FABRIC_META_URL: "off",
    QUILT_META_URL: "off",
  };
  return {
    DATABASE_URL: await createTestDatabase(),
    DATA: await createTestFolder(),
    LOG_LEVEL: process.env.SUNDUK_TEST_LOG ?? "silent",
    // One file collects; in all others it would only keep the database busy.
    LOG_COLLECT: "off",
    ...secrets,
    ...quick,
    ...cluster,
    ...extra,
  };
}

/** Deps in this process, on parts of their own. */
export async function openTestDeps(extra: Record<string, string> = {}): Promise<Deps> {
  const config: Config = readConfig({ environment: await testEnvironment(extra) });
  return openDeps({ config, log: testLog, name: "test", publicUrl: () => config.PUBLIC_URL ?? "http://127.0.0.1:1" });
}

export type TestUser = { login: string; token: string; refreshToken: string; call: Call };
export type Call = (
  method: string,
  path: string,
  options?: { body?: unknown; headers?: Record<string, string>; redirect?: "follow" | "manual" },
) => Promise<Answer>;
export type Answer = { status: number; headers: Headers; json: any; text: string };

export type System = {
  /** Where clients go: the gateway in the cluster, the API else. */
  url: string;
  /** Each API process by itself. */
  apiUrls: string[];
  environment: Record<string, string>;
  /** Straight into the database, for arranging and for looking. */
  db: Postgres;
  /** The API processes, in the order of apiUrls. */
  apis: Bun.Subprocess[];
  /** Starts the API process of that place again, on its port, and waits until it is ready. */
  startApi: (index: number, extra?: Record<string, string>) => Promise<void>;
  pods: Bun.Subprocess[];
  startPod: (extra?: Record<string, string>) => Bun.Subprocess;
  call: Call;
  /** Registers somebody; `roles` are given behind the API's back. */
  signUp: (login?: string, roles?: string[]) => Promise<TestUser>;
  stop: () => Promise<void>;
};

type SystemOptions = {
  environment?: Record<string, string>;
  /** One when not given; 0 where nobody waits for a job. Each takes a second to start. */
  pods?: number;
  /** API processes: one on embedded parts and two on cluster parts when not given. */
  apis?: number;
  /** Changes what the processes are told, and not the test: to put a proxy in the middle. */
  reshape?: (environment: Record<string, string>) => Record<string, string>;
  /** Where the processes log to; what the test runs with when not given. */
  logFile?: string;
};

/** Starts a whole system as processes: one API and one pod on embedded parts; two APIs, a pod and the gateway on cluster parts. */
export async function startSystem({
  environment: extra = {},
  pods: podCount = 1,
  apis: apiCount = parts === "cluster" ? 2 : 1,
  reshape = () => ({}),
  logFile,
}: SystemOptions = {}): Promise<System> {
  await using stack = new AsyncDisposableStack();
  const environment = await testEnvironment(extra);
  const ports = pickPorts(apiCount + 1);
  const gatewayPort = ports[apiCount];
  if (parts === "cluster") {
    environment.S3_PUBLIC_ENDPOINT = `http://127.0.0.1:${gatewayPort}`;
    environment.TRUSTED_PROXIES = "127.0.0.1";
    environment.PUBLIC_URL ??= `http://127.0.0.1:${gatewayPort}`;
  }
  let owner: AsyncDisposableStack = stack;
  const told = reshape(environment);
  const output = logFile === undefined ? "inherit" : openSync(logFile, "a");
  const spawn = (role: string, more: Record<string, string> = {}) => {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "..", "main.ts"), role], {
      env: { PATH: process.env.PATH ?? "", ...environment, ...told, ...more },
      stdin: "pipe",
      stdout: output,
      stderr: output,
    });
    owner.defer(async () => {
      child.kill("SIGCONT");
      child.kill("SIGTERM");
      await child.exited;
    });
    return child;
  };
  const apiPorts = ports.slice(0, apiCount);
  const spawnApi = (port: number, more: Record<string, string> = {}) =>
    spawn("api", { PORT: String(port), SUPERVISED: "1", ...more });
  const apis = apiPorts.map((port) => spawnApi(port));
  const pods: Bun.Subprocess[] = [];
  const startPod = (more: Record<string, string> = {}) => {
    const pod = spawn("workers", { SUPERVISED: "1", POD: String(pods.length), ...more });
    pods.push(pod);
    return pod;
  };
  for (let index = 0; index < podCount; index++) startPod();
  const apiUrls = apiPorts.map((port) => `http://127.0.0.1:${port}`);
  const waitForReady = (url: string) =>
    waitFor(async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.ok, `${url} to be ready`);
  for (const url of apiUrls) await waitForReady(url);
  const startApi = async (index: number, more: Record<string, string> = {}) => {
    apis[index] = spawnApi(apiPorts[index] ?? 0, more);
    await waitForReady(apiUrls[index] ?? "");
  };
  let url = apiUrls[0] ?? "";
  if (parts === "cluster") {
    const { startGateway, s3 } = await (services ?? Promise.reject(new Error("no services")));
    const gateway = await startGateway({
      apiPorts,
      storagePort: Number(new URL(s3.endpoint).port),
      port: gatewayPort ?? 0,
      bucket: environment.S3_BUCKET ?? "",
    });
    stack.defer(gateway.stop);
    url = gateway.url;
  }
  const db = openPostgres(environment.DATABASE_URL ?? "", { max: 4, log: testLog, name: "test" });
  stack.defer(db.close);
  const call = openCall(url);
  const signUp = async (
    login = `user-${Math.random().toString(36).slice(2, 10)}`,
    roles: string[] = [],
  ): Promise<TestUser> => {
    const password = "a long test password";
    const registered = await call("POST", "/v1/auth/register", { body: { login, password } });
    if (registered.status !== 201) throw new Error(`registering ${login}: ${registered.text}`);
    let session = registered.json;
    if (roles.length > 0) {
      await db.query({
        name: "test_roles",
        text: `update account."user" set roles = $2 where login = $1`,
        values: [login, roles],
      });
      session = (await call("POST", "/v1/auth/login", { body: { login, password } })).json;
    }
    return {
      login,
      token: session.accessToken,
      refreshToken: session.refreshToken,
      call: openCall(url, session.accessToken),
    };
  };
  const running = stack.move();
  owner = running; // pods that are started from now on
  const stop = () => running.disposeAsync();
  return { url, apiUrls, environment, db, apis, startApi, pods, startPod, call, signUp, stop };
}

/** Calls a server; redirects come back as they are unless asked otherwise. */
export function openCall(url: string, token?: string): Call {
  return async (method, path, { body, headers = {}, redirect = "manual" } = {}) => {
    const sent = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    };
    const response = await fetch(path.startsWith("http") ? path : `${url}${path}`, {
      method,
      headers: sent,
      redirect,
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    const json = response.headers.get("content-type")?.includes("json") && text !== "" ? JSON.parse(text) : undefined;
    return { status: response.status, headers: response.headers, json, text };
  };
}

/** Waits for a condition: its first value that is neither false nor undefined. Fails after `limitMs`. */
export async function waitFor<T>(
  look: () => Promise<T | undefined | false> | T | undefined | false,
  what = "the condition",
  limitMs = 20_000,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const value = await look();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`waited ${limitMs} ms in vain for ${what}`);
    await Bun.sleep(25);
  }
}

export const sha256 = (bytes: string | Uint8Array) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

/** Uploads bytes as a client does, until they are verified; answers with their digest. */
export async function upload(user: TestUser, bytes: string | Uint8Array, name = "file"): Promise<string> {
  const data = new Blob([bytes]);
  const digest = sha256(bytes);
  const opened = await user.call("POST", "/v1/uploads", { body: { sha256: digest, size: data.size, name } });
  if (opened.status === 200) return digest;
  if (opened.status !== 201) throw new Error(`opening an upload: ${opened.text}`);
  const sent = await fetch(opened.json.url, { method: "PUT", headers: opened.json.headers, body: data });
  if (!sent.ok) throw new Error(`sending bytes: ${sent.status} ${await sent.text()}`);
  await user.call("POST", `/v1/uploads/${opened.json.id}/complete`);
  await waitFor(async () => {
    const { json } = await user.call("GET", `/v1/uploads/${opened.json.id}`);
    if (json.state === "rejected") throw new Error(`rejected: ${json.reason}`);
    return json.state === "verified";
  }, `upload ${name} to be verified`);
  return digest;
}

/** Waits until a job has ended and answers with it. */
export function waitForJob(user: { call: Call }, id: string): Promise<any> {
  return waitFor(async () => {
    const { json } = await user.call("GET", `/v1/jobs/${id}`);
    return (json.state === "completed" || json.state === "failed") && json;
  }, `job ${id}`);
}

type Files = Record<string, string | Uint8Array>;

/** Publishes a version made of these files, making the pack when it is new. */
export async function publishPack(
  user: TestUser,
  {
    slug,
    version,
    files,
    visibility = "public",
    channel = "release",
    loader = { name: "fabric", version: "0.16.0" },
  }: {
    slug: string;
    version: string;
    files: Files;
    visibility?: string;
    channel?: string;
    loader?: { name: string; version: string } | null;
  },
): Promise<void> {
  await user.call("POST", "/v1/packs", { body: { slug, name: slug, visibility } });
  const declared = [];
  for (const [path, bytes] of Object.entries(files))
    declared.push({ path, sha256: await upload(user, bytes, path), size: new Blob([bytes]).size, side: "both" });
  const draft = await user.call("POST", `/v1/packs/${slug}/versions`, {
    body: { version, channel, minecraft: "1.21.1", loader, files: declared },
  });
  if (draft.status !== 201) throw new Error(`declaring ${version}: ${draft.text}`);
  const publishing = await user.call("POST", `/v1/packs/${slug}/versions/${version}/publish`);
  if (publishing.status !== 202) throw new Error(`publishing ${version}: ${publishing.text}`);
  const job = await waitForJob(user, publishing.json.job.id);
  if (job.state !== "completed") throw new Error(`publishing ${version}: ${JSON.stringify(job.problem)}`);
}
