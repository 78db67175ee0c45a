import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "minio";

const startTimeoutMs = 90_000;
const daemonPath = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`;

export type S3Service = { endpoint: string; bucket: string; accessKey: string; secretKey: string; region: string };
export type Gateway = { url: string; stop(): Promise<void> };
export type GatewayOptions = {
  apiPorts: number[];
  storagePort: number;
  /** Where the gateway listens; 0 picks a free port. */
  port: number;
  /** Requests a second that one address may send to `/v1/auth/`, "100000r/s" when not given. */
  authRate?: string;
  /** Also serves TLS on a port, and sends whoever comes without it there. Files in PEM. */
  tls?: { certificate: string; key: string; port: number };
  /** The bucket whose path goes to storage, "sunduk" when not given. */
  bucket?: string;
};
export type Services = {
  redisUrl: string;
  s3: S3Service;
  startGateway(options: GatewayOptions): Promise<Gateway>;
  stop(): Promise<void>;
};

/** Which services of the cluster can be started on this machine, and which programs are missing for the others. */
export function findServices(): { redis: boolean; nginx: boolean; s3: boolean; missing: string[] } {
  const lacks = (programs: string[]) => programs.filter((program) => !Bun.which(program, { PATH: daemonPath }));
  const redis = lacks(["redis-server"]);
  const nginx = lacks(["nginx"]);
  const s3 = lacks(["radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "monmaptool"]);
  const missing = [...redis, ...nginx, ...s3];
  return { redis: redis.length === 0, nginx: nginx.length === 0, s3: s3.length === 0, missing };
}

/**
 * `count` TCP ports of 127.0.0.1, free a moment ago and all different. They lie below the range that systems take for
 * outgoing connections (from 32768 on Linux), any of which could get such a port before its server does. Test files that
 * run at the same time pick from ranges of their own.
 */
export function pickPorts(count: number): number[] {
  const portsEach = 4_000;
  const firstPort = 15_000 + portsEach * (Number(process.env.BUN_TEST_WORKER_ID ?? 0) % 4);
  const held: { port: number; stop: (force: boolean) => void }[] = [];
  for (let tries = 0; held.length < count && tries < 1_000; tries++) {
    const port = firstPort + Math.floor(Math.random() * portsEach);
    try {
      held.push(Bun.listen({ hostname: "127.0.0.1", port, exclusive: true, socket: { data: () => undefined } }));
    } catch {
      // taken: try another
    }
  }
  if (held.length < count)
    throw new Error(`Cannot find ${count} free ports between ${firstPort} and ${firstPort + portsEach}`);
  const ports = held.map((listener) => listener.port);
  for (const listener of held) listener.stop(true);
  return ports;
}

type Part = { script: string; dir: string; env?: Record<string, string> };

/** Runs a service script's start; a guard beside it stops the service when asked to, or when this process ends in any way. */
async function startPart({ script, dir, env = {} }: Part, args: string[]): Promise<() => Promise<void>> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = join(import.meta.dir, script);
  const guard = Bun.spawn([join(import.meta.dir, "guard.sh"), path, dir], { stdin: "pipe", stdout: "ignore" });
  guard.unref();
  const stop = async () => {
    await guard.stdin.end();
    await guard.exited;
  };
  const start = Bun.spawn([path, "start", dir, ...args], {
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    timeout: startTimeoutMs,
  });
  const told = await new Response(start.stderr).text();
  if ((await start.exited) === 0) return stop;
  await stop();
  throw new Error(`Starting ${script}: failed\n${told}`);
}

type Started = { ports: number[]; stop(): Promise<void> };
type PortOptions = { ports: number; more?: string[] };

/** Starts a part on free ports, and once more on others when somebody took one of them meanwhile. */
async function startOnPorts(part: Part, { ports: count, more = [] }: PortOptions): Promise<Started> {
  const attempt = async () => {
    const ports = pickPorts(count);
    return { ports, stop: await startPart(part, [...ports.map(String), ...more]) };
  };
  return attempt().catch(attempt);
}

/**
 * Starts a Redis of its own under `dir`, with noeviction and an append-only file unless `options` (of redis-server's
 * command line, such as `--maxmemory-policy allkeys-lru`) say otherwise.
 */
export async function startRedis(dir: string, options: string[] = []): Promise<{ url: string; stop(): Promise<void> }> {
  const { ports, stop } = await startOnPorts({ script: "redis.sh", dir }, { ports: 1, more: options });
  return { url: `redis://127.0.0.1:${ports[0]}`, stop };
}

/** Starts an S3 server of its own under `dir`, with an empty bucket. */
export async function startS3(dir: string): Promise<{ s3: S3Service; stop(): Promise<void> }> {
  const region = "us-east-1";
  const accessKey = "sunduk-tests";
  const secretKey = Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString("base64url");
  const keys = { S3_ACCESS_KEY: accessKey, S3_SECRET_KEY: secretKey };
  const { ports, stop } = await startOnPorts({ script: "rgw.sh", dir, env: keys }, { ports: 2 });
  const [port = 0] = ports;
  const s3 = { endpoint: `http://127.0.0.1:${port}`, bucket: "sunduk", accessKey, secretKey, region };
  const client = new Client({ endPoint: "127.0.0.1", port, useSSL: false, accessKey, secretKey, region });
  await client.makeBucket(s3.bucket, region);
  return { s3, stop };
}

/**
 * Starts Redis and an S3 server under `dir`, each on free loopback ports, with an empty bucket; gateways on demand. An S3
 * server that runs already is taken when it is given. What was started is gone after `stop()`, and also when this process
 * ends without calling it.
 */
export async function startServices(dir: string, given?: S3Service): Promise<Services> {
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    await Promise.all(stops.splice(0).map((stopPart) => stopPart()));
  };
  const starting = await Promise.allSettled([
    startRedis(join(dir, "redis")),
    given ? { s3: given, stop: async () => undefined } : startS3(join(dir, "rgw")),
  ]);
  for (const part of starting) if (part.status === "fulfilled") stops.push(part.value.stop);
  const [redis, rgw] = starting;
  if (redis.status === "rejected" || rgw.status === "rejected") {
    await stop();
    const reasons = starting.flatMap((part) => (part.status === "rejected" ? [part.reason] : []));
    throw new AggregateError(reasons, `Starting the services: failed\n${reasons.map(String).join("\n")}`);
  }
  const { s3 } = rgw.value;

  let gateways = 0;
  const startGateway = async ({
    apiPorts,
    storagePort,
    port,
    authRate = "100000r/s",
    bucket = s3.bucket,
    tls,
  }: GatewayOptions): Promise<Gateway> => {
    gateways += 1;
    const [listenPort = 0] = port === 0 ? pickPorts(1) : [port];
    const part = {
      script: "nginx.sh",
      dir: join(dir, `gateway-${gateways}`),
      env: {
        S3_BUCKET: bucket,
        AUTH_RATE: authRate,
        ...(tls && {
          TLS_CERTIFICATE: tls.certificate,
          TLS_KEY: tls.key,
          TLS_LISTEN: `127.0.0.1:${tls.port}`,
          PUBLIC_URL: `https://localhost:${tls.port}`,
        }),
      },
    };
    const stopGateway = await startPart(part, [listenPort, storagePort, ...apiPorts].map(String));
    stops.push(stopGateway);
    return { url: `http://127.0.0.1:${listenPort}`, stop: stopGateway };
  };
  return { redisUrl: redis.value.url, s3, startGateway, stop };
}
