import { beforeMigration } from "./backup/run.ts";
import { createBackupBucket } from "./backup/store.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { createDatabase, migrate } from "./db/migrate.ts";
import { openDeps, readS3Options } from "./deps.ts";
import { Fault } from "./fault.ts";
import { openKeys } from "./keys.ts";
import { type Log, openLog, openProcessLog } from "./log.ts";
import { migrateQueues } from "./queues/connection.ts";
import { listSecrets } from "./redact.ts";
import { writeSecrets } from "./secrets.ts";
import { createBucket } from "./storage/s3.ts";

const usage = `usage: bun main.ts ROLE
  api [feature…]      answers requests
  workers [actor…]    takes messages
  migrate             brings the database up to date, then ends
  bucket              makes the buckets in S3, then ends
  secrets DIR         makes the secrets that the roles need as files, then ends
Everything on one machine: ./sunduk up`;

const shutdownLimitMs = 9_500;

/** Opens the API of this process and waits for its end. */
async function runApi(config: Config, features: string[]): Promise<void> {
  const { log, buffer } = openProcessLog(config, "api");
  const keys = await openKeys({ config, log });
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => keys.close());
  let port = config.PORT;
  const deps = await openDeps({
    config,
    log,
    buffer,
    name: "api",
    publicUrl: () => config.PUBLIC_URL ?? `http://${config.HOST}:${port}`,
  });
  stack.defer(deps.close);
  const ended = waitForEnd(log); // heard from before the first request on
  const { openApi } = await import("./api/serve.ts"); // a pod has no use for it
  const api = await openApi(deps, { keys, host: config.HOST, port, features });
  stack.defer(api.close);
  port = api.port;
  log.info({ port }, "the API is ready");
  await ended;
}

/** Opens a pod in this process and waits for its end. */
async function runWorkers(config: Config, actors: string[]): Promise<void> {
  const { log, buffer } = openProcessLog(config, process.env.POD ? `pod-${process.env.POD}` : "workers");
  await using stack = new AsyncDisposableStack();
  const deps = await openDeps({ config, log, buffer, name: "workers", publicUrl: () => config.PUBLIC_URL ?? "" });
  stack.defer(deps.close);
  const ended = waitForEnd(log); // heard from before the first message on
  const deaf = Promise.withResolvers<void>();
  const { openPod } = await import("./workers/pod.ts");
  const pod = await openPod(deps, {
    names: actors,
    onDeaf: (queue) => {
      log.error({ queue }, "this pod does not hear its queue any more: it ends to be started anew");
      process.exitCode = 1;
      deaf.resolve();
    },
  });
  stack.defer(pod.close);
  if (!process.env.SUPERVISED) stack.use(openPodHealth({ host: config.HOST, port: config.PORT }));
  log.debug("the pod is ready");
  await Promise.race([ended, deaf.promise]);
}

/** Answers /livez and /readyz of a pod that runs by itself, in a container. */
function openPodHealth({ host, port }: { host: string; port: number }): Disposable {
  const server = Bun.serve({
    hostname: host,
    port,
    fetch: (request) =>
      /\/(livez|readyz)$/.test(new URL(request.url).pathname)
        ? Response.json({ status: "ok" })
        : new Response(null, { status: 404 }),
  });
  return { [Symbol.dispose]: () => void server.stop(true) };
}

/** Resolves on SIGTERM or SIGINT, or when a supervisor that holds our standard input has gone. Closing may then take 9.5 s. */
async function waitForEnd(log: Log): Promise<void> {
  const end = Promise.withResolvers<string>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => end.resolve(signal));
  if (process.env.SUPERVISED) {
    process.stdin
      .on("end", () => end.resolve("the supervisor is gone"))
      .on("close", () => end.resolve("the supervisor is gone"))
      .resume();
  }
  log.debug({ reason: await end.promise }, "stopping");
  setTimeout(() => process.exit(1), shutdownLimitMs).unref();
}

async function runMigrate(config: Config): Promise<void> {
  const log = openLog({ level: config.LOG_LEVEL, service: "migrate", secrets: listSecrets(config) });
  if (!config.DATABASE_URL) throw new Error("Cannot migrate: DATABASE_URL is not set");
  await createDatabase(config.DATABASE_URL);
  const options = beforeMigration({ config, url: config.DATABASE_URL, log });
  log.info({ applied: await migrate(config.DATABASE_URL, options) }, "the database is up to date");
  if (!config.REDIS_URL) await migrateQueues(config.DATABASE_URL);
}

async function runBucket(config: Config): Promise<void> {
  await createBucket(readS3Options(config));
  await createBackupBucket(config);
}

async function run([role = "", ...rest]: string[]): Promise<void> {
  const config = () =>
    readConfig({ environment: process.env, ...(process.env.CONFIG_FILE && { file: process.env.CONFIG_FILE }) });
  if (role === "api") return runApi(config(), rest);
  if (role === "workers") return runWorkers(config(), rest);
  if (role === "migrate") return runMigrate(config());
  if (role === "bucket") return runBucket(config());
  if (role === "secrets" && rest[0]) return writeSecrets(rest[0]);
  process.stderr.write(`${usage}\n`);
  process.exitCode = 2;
}

if (import.meta.main) {
  try {
    await run(process.argv.slice(2));
    process.exit();
  } catch (error) {
    const known =
      error instanceof ConfigError ||
      error instanceof Fault ||
      (error instanceof Error && error.message.startsWith("Cannot"));
    process.stderr.write(`${known ? error.message : error instanceof Error ? error.stack : error}\n`);
    process.exit(1);
  }
}
