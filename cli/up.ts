import { mkdtemp } from "node:fs/promises";
import { join, resolve } from "node:path";
import { openApi } from "../api/serve.ts";
import { beforeMigration } from "../backup/run.ts";
import type { Config } from "../config.ts";
import { type DataFolder, openDataFolder } from "../data-folder.ts";
import { hasAdmin } from "../db/account.ts";
import { startEmbeddedPostgres } from "../db/embedded.ts";
import { createDatabase, migrate } from "../db/migrate.ts";
import { openDeps } from "../deps.ts";
import { Fault } from "../fault.ts";
import { makeSecret, openKeys } from "../keys.ts";
import { type Log, openProcessLog } from "../log.ts";
import { migrateQueues } from "../queues/connection.ts";
import { madeSecrets } from "../secrets.ts";
import { supervisePods } from "../workers/supervise.ts";
import { defineCommand } from "./arguments.ts";
import type { Output } from "./output.ts";
import { readSettings, type SettingFlags } from "./settings.ts";

export const serverOptions = {
  port: { type: "string" },
  host: { type: "string" },
  data: { type: "string" },
  pods: { type: "string" },
  config: { type: "string" },
} as const;

export type RunningServer = { url: string; dataFolder: string; adminNeeded: boolean; close: () => Promise<void> };

/** Everything on this machine: database, API, worker pods. */
export const command = defineCommand({
  name: "up",
  usage: "up [--port N] [--host H] [--data DIR] [--pods N] [--config FILE] [--demo]",
  summary: "Start Sunduk on this machine and stay in the foreground",
  options: { ...serverOptions, demo: { type: "boolean" } },
  positionals: [],
  async run({ values, output, signal }) {
    const stopped = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => stopped.resolve(), { once: true });
    // Somebody looks at this: refused requests are told only when the log's level was chosen.
    const environment = values.config ? process.env : { LOG_LEVEL: "warn", ...process.env };
    const server = await startServer(values, { output, environment });
    try {
      output.say(output.text.ready(server.url));
      if (server.adminNeeded)
        output.say(output.text.firstAdmin(server.dataFolder === resolve("data") ? "" : ` --data ${server.dataFolder}`));
      output.result({ ok: true, url: server.url, data: server.dataFolder });
      if (values.demo) await demonstrate(server, { output, stopped: stopped.promise });
      await stopped.promise;
      output.say(output.text.stopping);
    } finally {
      await server.close();
    }
    return 0;
  },
});

/** Shows the demo until it ends or the server is to stop; the folders stay to be looked at. A demo that fails stops no server. */
async function demonstrate(
  { url, dataFolder }: RunningServer,
  { output, stopped }: { output: Output; stopped: Promise<void> },
): Promise<void> {
  const { sayWhereToLook, showDemo } = await import("./demo.ts");
  const end = new AbortController();
  const folder = await mkdtemp(join(dataFolder, "demo-"));
  const showing = showDemo({ url, output, folder, signal: end.signal }).then(
    (shown) => sayWhereToLook(shown, output),
    (error: Error) => !end.signal.aborted && output.say(output.text.demoFailed(error.message)),
  );
  await Promise.race([showing, stopped.then(() => end.abort(new DOMException("stopping", "AbortError")))]);
  await showing;
  if (!end.signal.aborted) output.say(output.text.stillServing(url));
}

type StartOptions = { output: Output; environment?: Record<string, string | undefined> };

/** Starts all parts in order and says what to close them with, in reverse. Nothing is left running when one of them fails. */
export async function startServer(
  values: SettingFlags,
  { output, environment: surroundings = process.env }: StartOptions,
): Promise<RunningServer> {
  await using stack = new AsyncDisposableStack();
  const given = readSettings(values, surroundings);
  const { log, buffer } = openProcessLog(given, "up");
  const folder = await openDataFolder(given.DATA);
  stack.defer(async () => folder.release());
  const making = makeSecrets(folder); // the first time beside the database's, since one takes a second
  making.catch(() => undefined);
  const databaseUrl = given.DATABASE_URL ?? (await startDatabase({ folder, log, stack, output }));
  const { secrets, files } = await making;
  await createDatabase(databaseUrl);
  await migrate(databaseUrl, beforeMigration({ config: { ...given, DATA: folder.path }, url: databaseUrl, log }));
  if (!given.REDIS_URL) await migrateQueues(databaseUrl);
  const config: Config = {
    ...secrets,
    ...ownKeyFile(given, files),
    ...given,
    DATA: folder.path,
    DATABASE_URL: databaseUrl,
  };
  const databaseFile = await folder.keep("database-url", databaseUrl);
  let url = "";
  const deps = await openDeps({ config, log, buffer, name: "up", publicUrl: () => config.PUBLIC_URL ?? url });
  stack.defer(deps.close);
  const keys = await openKeys({ config, log });
  stack.defer(async () => keys.close());
  const api = await openApi(deps, { keys, host: config.HOST, port: config.PORT, features: [] }).catch((cause) => {
    throw portTaken(config, cause);
  });
  url = `http://${config.HOST.includes(":") ? `[${config.HOST}]` : config.HOST === "0.0.0.0" ? "127.0.0.1" : config.HOST}:${api.port}`;
  // Pods read the secrets from files, so that no environment or command line shows them. They need no keys that sign.
  const {
    SIGNING_KEY_FILE: _key,
    TOKEN_SECRET_FILE: _secret,
    MANIFEST_KEY_FILE: _manifest,
    YGGDRASIL_KEY_FILE: _game,
    ...podFiles
  } = files;
  const {
    DATABASE_URL: _url,
    SIGNING_KEY: _own,
    TOKEN_SECRET: _too,
    MANIFEST_KEY: _that,
    YGGDRASIL_KEY: _this,
    ...environment
  } = surroundings;
  const pods = supervisePods({
    count: config.PODS,
    command: [process.execPath, join(import.meta.dir, "..", "main.ts"), "workers"],
    environment: {
      ...environment,
      ...podFiles,
      DATABASE_URL_FILE: databaseFile,
      DATA: folder.path,
      PUBLIC_URL: config.PUBLIC_URL ?? url,
      ...(values.config && { CONFIG_FILE: resolve(values.config) }),
    },
    log,
  });
  // Both drain for some seconds, and neither needs the other for it.
  stack.defer(async () => void (await Promise.all([pods.stop(), api.close()])));
  await folder.announce(url);
  const adminNeeded = !(await hasAdmin(deps.db));
  const running = stack.move();
  return { url: config.PUBLIC_URL ?? url, dataFolder: folder.path, adminNeeded, close: () => running.disposeAsync() };
}

/** The secrets of the folder, made where they are missing, and the settings that name their files. */
async function makeSecrets(folder: DataFolder) {
  const files: Record<string, string> = {};
  const secrets: Record<string, string> = {};
  for (const [name, make] of Object.entries(madeSecrets)) {
    const secret = await folder.secret(name, make);
    secrets[name] = secret.value;
    files[`${name}_FILE`] = secret.file;
  }
  return { files, secrets };
}

/** Our own file of signing keys is watched, unless the key comes from elsewhere. */
function ownKeyFile({ SIGNING_KEY }: Config, files: Record<string, string>): { SIGNING_KEY_FILE?: string } {
  return SIGNING_KEY === undefined && files.SIGNING_KEY_FILE ? { SIGNING_KEY_FILE: files.SIGNING_KEY_FILE } : {};
}

type StartDatabase = {
  folder: DataFolder;
  log: Log;
  stack: AsyncDisposableStack;
  output: Output;
};

async function startDatabase({ folder, log, stack, output }: StartDatabase): Promise<string> {
  output.say(output.text.startingDatabase);
  const password = await folder.secret("database-password", makeSecret);
  const postgres = await startEmbeddedPostgres({
    folder: join(folder.path, "postgres"),
    password: password.value,
    log,
  });
  stack.defer(postgres.stop);
  return postgres.url;
}

function portTaken({ HOST, PORT }: Config, cause: unknown): unknown {
  const taken =
    cause instanceof Error && /EADDRINUSE|in use/i.test(`${"code" in cause ? cause.code : ""} ${cause.message}`);
  return taken
    ? new Fault(
        "conflict",
        `Cannot listen on ${HOST}:${PORT}: the port is taken. Choose another with --port, or --port 0 for a free one`,
        { cause },
      )
    : cause;
}
