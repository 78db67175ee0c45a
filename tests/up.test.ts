import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmod, chown, mkdtemp, readdir, readFile, readlink, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { findEmbeddedPostgres } from "../db/embedded.ts";
import { hasCode } from "../fault.ts";
import { openCall, sha256, waitFor } from "./harness.ts";

const program = join(import.meta.dir, "..", "sunduk");
const stopLimitMs = 10_000;
const isRoot = process.getuid?.() === 0;
const nobody = 65_534;

type Started = { process: Bun.Subprocess; url: string; text: () => string };
type StartOptions = { data?: string; args?: string[]; env?: Record<string, string>; as?: number; home?: string };

let folder = "";
let data = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sunduk-up-"));
  await chmod(folder, 0o755);
  data = join(folder, "data");
});
afterEach(async () => {
  for (const pid of await listProcesses(folder)) killNow(pid);
  await waitFor(async () => (await listProcesses(folder)).length === 0, "the processes of this test to be gone");
  await rm(folder, { recursive: true, force: true });
});

/** Processes whose command line, environment or working folder names `path`: up, pods and PostgreSQL with its children. */
async function listProcesses(path: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const own = await Promise.all(
    pids.map(async (pid) => {
      const read = (name: string) => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => "");
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => "");
      return [await read("cmdline"), await read("environ"), cwd].some((text) => text.includes(path));
    }),
  );
  return pids.filter((_, index) => own[index]).map(Number);
}

async function listPods(): Promise<number[]> {
  const pids = await listProcesses(data);
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return pids.filter((_, index) => /main\.ts\0workers/.test(lines[index] ?? ""));
}

/** Runs `./sunduk` with everything it says collected, in a process group of its own. */
function spawnSunduk(words: string[], { env = {}, as, home = folder }: StartOptions = {}) {
  const child = Bun.spawn([program, ...words], {
    env: {
      PATH: process.env.PATH ?? "",
      HOME: home,
      TMPDIR: tmpdir(),
      LANG: "C",
      LOG_LEVEL: "info",
      FABRIC_META_URL: "off", // no test asks anybody outside
      ...env,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
    ...(as !== undefined && { uid: as, gid: as }),
  });
  let stdout = "";
  let stderr = "";
  const collect = async (stream: ReadableStream<Uint8Array>, add: (text: string) => void) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) add(decoder.decode(chunk, { stream: true }));
  };
  const ended = Promise.all([
    collect(child.stdout, (text) => {
      stdout += text;
    }),
    collect(child.stderr, (text) => {
      stderr += text;
    }),
  ]);
  return { child, ended, stdout: () => stdout, stderr: () => stderr, text: () => stdout + stderr };
}

async function startUp({ args = [], ...options }: StartOptions = {}): Promise<Started> {
  const { child, stdout, text } = spawnSunduk(["up", "--port", "0", "--data", data, ...args], options);
  const url = await waitFor(() => {
    if (child.exitCode !== null) throw new Error(`up ended with ${child.exitCode}: ${text()}`);
    return /ready at (http:\/\/\S+)/.exec(stdout())?.[1];
  }, "up to be ready");
  return { process: child, url, text };
}

/** Runs a command to its end. */
async function runToEnd(words: string[], options: StartOptions = {}) {
  const { child, ended, stdout, stderr } = spawnSunduk(words, options);
  const code = await child.exited;
  await ended;
  return { code, stdout: stdout(), stderr: stderr() };
}

/** Sends a signal and waits until nothing of the data folder runs any more. */
async function stopWith(send: () => void, { process: child }: Started): Promise<void> {
  const sentAt = performance.now();
  send();
  expect(await child.exited).toBe(0);
  expect(performance.now() - sentAt).toBeLessThan(stopLimitMs);
  expect(await listProcesses(data)).toEqual([]);
}

const password = "a long test password";

async function register(url: string, login: string) {
  const answer = await openCall(url)("POST", "/v1/auth/register", { body: { login, password } });
  expect(answer.status).toBe(201);
  return openCall(url, answer.json.accessToken);
}

/** Sends a file and waits until a pod has verified it. */
async function verifyFile(call: ReturnType<typeof openCall>, text: string): Promise<void> {
  const body = { sha256: sha256(text), size: text.length, name: "file" };
  const { json } = await call("POST", "/v1/uploads", { body });
  await fetch(json.url, { method: "PUT", headers: json.headers, body: text });
  await call("POST", `/v1/uploads/${json.id}/complete`);
  await waitFor(
    async () => (await call("GET", `/v1/uploads/${json.id}`)).json.state === "verified",
    "a pod to verify the upload",
    40_000,
  );
}

test("up says its address in one line when it is ready, tells nobody its secrets, and a second one who holds them", async () => {
  const up = await startUp();
  expect(up.text().match(/http:\/\/127\.0\.0\.1:\d+/g)).toEqual([up.url]);
  expect(up.text()).toContain(`./sunduk admin create --login NAME --data ${data}`);
  expect((await fetch(`${up.url}/readyz`)).status).toBe(200);
  expect(await Bun.file(join(data, "sunduk-data.json")).json()).toMatchObject({ format: 1 });
  await verifyFile(await register(up.url, "somebody"), "some bytes");

  const secretsFolder = join(data, "secrets");
  expect((await stat(secretsFolder)).mode & 0o777).toBe(0o700);
  const names = await readdir(secretsFolder);
  expect(names).toEqual(expect.arrayContaining(["SIGNING_KEY", "TOKEN_SECRET", "STORAGE_SECRET", "database-password"]));
  const said: string[] = [up.text()];
  for (const pid of await listProcesses(data)) {
    for (const file of ["cmdline", "environ"]) said.push(await readFile(`/proc/${pid}/${file}`, "utf8"));
  }
  for (const name of names) {
    expect((await stat(join(secretsFolder, name))).mode & 0o777).toBe(0o600);
    const secret = (await readFile(join(secretsFolder, name), "utf8")).trim();
    for (const text of said) expect(text).not.toContain(secret);
  }

  const second = await runToEnd(["up", "--port", "0", "--data", data]);
  expect(second.code).not.toBe(0);
  expect(second.stderr).toContain(`process ${up.process.pid} holds it`);
  expect(second.stderr).toContain(up.url);
  expect((await fetch(`${up.url}/readyz`)).status).toBe(200);
  await stopWith(() => up.process.kill("SIGTERM"), up);
});

test("there is no account and no database password that anybody could guess", async () => {
  const { url } = await startUp();
  for (const login of ["admin", "root", "sunduk", "postgres"]) {
    for (const guess of ["admin", "password", "sunduk", "postgres", "changeme", login]) {
      const answer = await openCall(url)("POST", "/v1/auth/login", { body: { login, password: guess } });
      expect(answer.status).toBe(401);
    }
  }
  for (const guess of ["", "sunduk", "postgres", "password"]) {
    const address = await findEmbeddedPostgres(join(data, "postgres"), guess);
    const client = new pg.Client({ connectionString: address });
    expect(client.connect()).rejects.toThrow();
  }
});

describe("every way to ask for the end stops everything", () => {
  test("SIGINT to the process", async () => {
    const up = await startUp();
    await stopWith(() => up.process.kill("SIGINT"), up);
  });

  test("SIGINT to the whole group, as Ctrl-C sends it", async () => {
    const up = await startUp();
    await stopWith(() => process.kill(-up.process.pid, "SIGINT"), up);
  });

  test("SIGTERM while connections are kept alive and uploads wait to be verified", async () => {
    const up = await startUp();
    const call = await register(up.url, "busy");
    await Promise.all(Array.from({ length: 20 }, (_, index) => verifyFile(call, `bytes ${index}`)));
    await stopWith(() => up.process.kill("SIGTERM"), up);
  });
});

describe("what kill -9 leaves behind is put right", () => {
  test("after a kill of the whole tree the next up recovers alone, with its data", async () => {
    const first = await startUp();
    await verifyFile(await register(first.url, "survivor"), "bytes to keep");
    for (const pid of await listProcesses(data)) killNow(pid);
    await first.process.exited;
    const second = await startUp();
    const answer = await openCall(second.url)("POST", "/v1/auth/login", { body: { login: "survivor", password } });
    expect(answer.status).toBe(200);
    const call = openCall(second.url, answer.json.accessToken);
    const known = { sha256: sha256("bytes to keep"), size: 13, name: "file" };
    expect((await call("POST", "/v1/uploads", { body: known })).json.state).toBe("verified");
    await verifyFile(call, "other bytes");
    await stopWith(() => second.process.kill("SIGTERM"), second);
  });

  test("after a kill of the parent alone the pods leave, and the next up stops the orphaned PostgreSQL", async () => {
    const first = await startUp();
    await register(first.url, "survivor");
    first.process.kill("SIGKILL");
    await waitFor(async () => (await listPods()).length === 0, "the pods to leave");
    const orphans = await listProcesses(data);
    expect(orphans.length).toBeGreaterThan(0);
    const second = await startUp();
    expect((await listProcesses(data)).filter((pid) => orphans.includes(pid))).toEqual([]);
    const answer = await openCall(second.url)("POST", "/v1/auth/login", { body: { login: "survivor", password } });
    expect(answer.status).toBe(200);
    await stopWith(() => second.process.kill("SIGTERM"), second);
  });

  test("a killed pod is started anew and takes work", async () => {
    const up = await startUp({ args: ["--pods", "1"], env: { LOCK_SECONDS: "2" } });
    const [pod] = await waitFor(async () => {
      const pods = await listPods();
      return pods.length === 1 && pods;
    }, "the pod");
    process.kill(pod ?? 0, "SIGKILL");
    await waitFor(async () => (await listPods()).some((pid) => pid !== pod), "another pod");
    await verifyFile(await register(up.url, "author"), "for the new pod");
    await stopWith(() => up.process.kill("SIGTERM"), up);
  });
});

test("a disk that dies: what was backed up while up ran goes on in a new folder, with its secrets", async () => {
  const options = { env: { BACKUP_KEY: "a passphrase that is kept elsewhere" } };
  const place = join(folder, "backups");
  const first = await startUp({ args: ["--pods", "1"] });
  await verifyFile(await register(first.url, "survivor"), "bytes to keep");
  const made = await runToEnd(["backup", "create", "--to", place, "--data", data], options);
  expect(made).toMatchObject({ code: 0, stdout: expect.stringContaining("The server's secrets are in it") });
  expect(await runToEnd(["backup", "verify", "--from", place, "--data", data], options)).toMatchObject({ code: 0 });
  const restore = ["backup", "restore", "latest", "--from", place, "--data", data];
  const held = await runToEnd([...restore, "--replace"], options);
  expect(held.code).not.toBe(0);
  expect(held.stderr).toContain("holds it");
  const secret = await readFile(join(data, "secrets", "TOKEN_SECRET"), "utf8");
  await stopWith(() => first.process.kill("SIGTERM"), first);
  await rm(data, { recursive: true });

  expect(await runToEnd(restore, options)).toMatchObject({ code: 0 });
  expect(await readFile(join(data, "secrets", "TOKEN_SECRET"), "utf8")).toBe(secret);
  expect((await stat(join(data, "secrets", "TOKEN_SECRET"))).mode & 0o777).toBe(0o600);
  const second = await startUp({ args: ["--pods", "1"] });
  const answer = await openCall(second.url)("POST", "/v1/auth/login", { body: { login: "survivor", password } });
  expect(answer.status).toBe(200);
  const call = openCall(second.url, answer.json.accessToken);
  const signed = await call("GET", `/v1/blobs/${sha256("bytes to keep")}`);
  expect(await (await fetch(signed.headers.get("location") ?? "")).text()).toBe("bytes to keep");
  await stopWith(() => second.process.kill("SIGTERM"), second);
}, 120_000);

describe("up refuses, and says what to do", () => {
  test("a port that is taken", async () => {
    const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const refused = await runToEnd(["up", "--port", String(taken.port), "--data", data]);
    taken.stop(true);
    expect(refused.code).toBe(5);
    expect(refused.stderr).toContain(`Cannot listen on 127.0.0.1:${taken.port}: the port is taken`);
    expect(refused.stderr).toContain("--port 0");
    expect(await listProcesses(data)).toEqual([]);
  });

  test("a folder that holds something else, which stays as it was", async () => {
    await Bun.write(join(data, "thesis.txt"), "years of work");
    const refused = await runToEnd(["up", "--port", "0", "--data", data]);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("--data");
    expect(refused.stderr).not.toContain("    at ");
    expect(await readdir(data)).toEqual(["thesis.txt"]);
  });

  test("wrong settings of file and environment, all at once", async () => {
    const config = join(folder, "sunduk.toml");
    await Bun.write(config, 'registraton = "closed"\npods = 1000\n');
    const refused = await runToEnd(["up", "--data", data, "--config", config, "--port", "http"], {
      env: { S3_ENDPOINT: "http://s3", LIMIT_PACK_FILES: "-1", TOKEN_SECRET_FILE: join(folder, "missing") },
    });
    expect(refused.code).toBe(2);
    for (const word of ["registraton", "PODS", "PORT", "LIMIT_PACK_FILES", "TOKEN_SECRET_FILE"])
      expect(refused.stderr).toContain(word);
    expect(await stat(data).catch(() => undefined)).toBeUndefined();
  });
});

test("--config FILE is read, and the environment wins", async () => {
  const config = join(folder, "sunduk.toml");
  await Bun.write(config, 'registration = "closed"\npods = 3\nlimit_pack_files = 7\n');
  const up = await startUp({ args: ["--config", config], env: { PODS: "1" } });
  const answer = await openCall(up.url)("POST", "/v1/auth/register", { body: { login: "somebody", password } });
  expect(answer.status).toBe(403);
  await waitFor(async () => (await listPods()).length > 0, "a pod");
  expect(await listPods()).toHaveLength(1);
  await stopWith(() => up.process.kill("SIGTERM"), up);
});

test("doctor finds a running server in order, and says who holds the folder", async () => {
  const up = await startUp({ args: ["--pods", "1"] });
  await verifyFile(await register(up.url, "author"), "the first bytes");
  const doctor = await runToEnd(["doctor", "--data", data, "--json"]);
  expect(doctor.code).toBe(0);
  const { checks } = JSON.parse(doctor.stdout);
  const states = Object.fromEntries(checks.map(({ area, state }: any) => [area, state]));
  const healthy = {
    settings: "ok",
    "data folder": "ok",
    database: "ok",
    migrations: "ok",
    queues: "ok",
    storage: "ok",
  };
  expect(states).toMatchObject(healthy);
  expect(checks.find(({ area }: any) => area === "data folder").detail).toContain(`${up.process.pid}, ${up.url}`);
  await stopWith(() => up.process.kill("SIGTERM"), up);
});

describe("the first admin", () => {
  const signIn = async (url: string, login: string, secret: string) =>
    (await openCall(url)("POST", "/v1/auth/login", { body: { login, password: secret } })).json;

  test("is made while up runs, and by a command that starts the database for itself", async () => {
    const made = await runToEnd(["admin", "create", "--login", "First", "--data", data, "--json"]);
    expect(made.code).toBe(0);
    const { password: secret, created } = JSON.parse(made.stdout);
    expect(created).toBe(true);
    expect(made.stderr).not.toContain(secret);
    expect(await listProcesses(data)).toEqual([]);

    const up = await startUp();
    expect(up.text()).not.toContain("admin create");
    expect((await signIn(up.url, "first", secret)).user.roles).toEqual(["admin"]);
    await register(up.url, "second");
    const promoted = await runToEnd(["admin", "create", "--login", "second", "--data", data]);
    expect(promoted).toMatchObject({ code: 0 });
    expect(promoted.stdout).toContain("password stays");
    expect((await signIn(up.url, "second", password)).user.roles).toEqual(["admin"]);
    await stopWith(() => up.process.kill("SIGTERM"), up);
  });

  test("has a password that fits the rules, or is not made", async () => {
    const child = Bun.spawn([program, "admin", "create", "--login", "first", "--password-stdin", "--data", data], {
      env: { PATH: process.env.PATH ?? "", HOME: folder, LANG: "C" },
      stdin: new Blob(["short\n"]),
      stdout: "ignore",
      stderr: "pipe",
    });
    expect(await new Response(child.stderr).text()).toContain("8 to 256");
    expect(await child.exited).toBe(1);
    expect(await stat(data).catch(() => undefined)).toBeUndefined();
  });
});

describe("the demo", () => {
  test("runs by itself, matches, and leaves nothing", async () => {
    const before = (await readdir(tmpdir())).filter((name) => name.startsWith("sunduk-demo-"));
    const demo = await runToEnd(["demo", "--json"], { env: { DATABASE_URL: "postgres://nobody@127.0.0.1:1/none" } });
    expect(demo).toMatchObject({ code: 0 });
    const told = JSON.parse(demo.stdout);
    expect(told).toMatchObject({ ok: true, matched: true, wrong: [], kept: ["config/ember-4.json", "options.txt"] });
    expect(told.fetchedBytes).toBeGreaterThan(1_000_000);
    const after = (await readdir(tmpdir())).filter((name) => name.startsWith("sunduk-demo-"));
    expect(after.filter((name) => !before.includes(name))).toEqual([]);
    expect(await Bun.file(join(folder, ".config/sunduk/servers.json")).exists()).toBe(false);
  });

  test("goes before the serving with up --demo, in the reader's language", async () => {
    const { child, stdout } = spawnSunduk(["up", "--port", "0", "--data", data, "--demo"], {
      env: { LANG: "ru_RU.UTF-8" },
    });
    await waitFor(() => stdout().includes("Сервер работает"), "the demo to end");
    expect(stdout()).toContain("Всё сошлось");
    const url = /Сундук готов: (\S+)/.exec(stdout())?.[1] ?? "";
    const pack = /Сборка: (\S+)/.exec(stdout())?.[1] ?? "";
    expect(pack).toStartWith(url);
    expect((await fetch(pack)).status).toBe(200);
    const player = /Папка игрока: (\S+)/.exec(stdout())?.[1] ?? "";
    expect(await readFile(join(player, "options.txt"), "utf8")).toContain("the player was here");
    await stopWith(() => child.kill("SIGTERM"), { process: child, url, text: stdout });
  });
});

/** Whether an ordinary user could run this clone: it may lie below a folder that only root may enter. */
function isReachable(): boolean {
  try {
    const options = { uid: nobody, gid: nobody, env: { PATH: process.env.PATH ?? "" } };
    return isRoot && Bun.spawnSync([program, "--version"], options).success;
  } catch (error) {
    if (hasCode(error, "EACCES")) return false;
    throw error;
  }
}

const reachable = isReachable();
if (!reachable) console.warn("skipped: up as another user needs root, and a clone that others may read");
test.if(reachable)("an ordinary user starts and stops everything where root does", async () => {
  const home = join(folder, "home");
  await Bun.write(join(home, "empty"), "");
  await chown(home, nobody, nobody);
  data = join(home, "data");
  const up = await startUp({ as: nobody, home });
  await verifyFile(await register(up.url, "somebody"), "bytes of an ordinary user");
  for (const pid of await listProcesses(data)) expect((await stat(`/proc/${pid}`)).uid).toBe(nobody);
  expect((await stat(join(data, "postgres"))).uid).toBe(nobody);
  await stopWith(() => up.process.kill("SIGTERM"), up);
});

test.if(isRoot)("started by root, PostgreSQL runs as somebody else", async () => {
  const up = await startUp();
  const pid = Number((await readFile(join(data, "postgres/postmaster.pid"), "utf8")).split("\n")[0]);
  expect((await stat(`/proc/${pid}`)).uid).not.toBe(0);
  await stopWith(() => up.process.kill("SIGTERM"), up);
});

/** Kills a process that may have ended since it was listed. */
function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!hasCode(error, "ESRCH")) throw error;
  }
}
