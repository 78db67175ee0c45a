import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PublishServer, startPublishServer } from "./publish-server.ts";

const program = join(import.meta.dir, "../../cli/index.ts");
let folder = "";
let server: PublishServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sunduk-publish-test-"));
  server = startPublishServer({ partBytes: 1024 * 1024 });
});
afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the real command line in its own process, with its own home. */
async function sunduk(args: string[], options: { stdin?: string; env?: Record<string, string> } = {}) {
  const child = Bun.spawn([process.execPath, program, ...args], {
    env: { PATH: process.env.PATH ?? "", XDG_CONFIG_HOME: join(folder, "config"), LANG: "C", ...options.env },
    stdin: new Blob([options.stdin ?? ""]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, code, json: args.includes("--json") ? JSON.parse(stdout) : undefined };
}

const login = () => sunduk(["login", `${server.url}/`, "--login", "author", "--password-stdin"], { stdin: "secret\n" });

async function writePack(files: Record<string, string | Uint8Array>, version = "1.0.0"): Promise<string> {
  const root = join(folder, "pack");
  await rm(root, { recursive: true, force: true });
  await Bun.write(join(root, "sunduk.toml"), `name = "Test Pack"\nversion = "${version}"\nminecraft = "1.21"\n`);
  for (const [path, content] of Object.entries(files)) await Bun.write(join(root, path), content);
  return root;
}

test("login keeps the tokens for the owner alone and never prints them", async () => {
  const outcome = await login();
  expect(outcome.code).toBe(0);
  expect(outcome.stdout + outcome.stderr).not.toMatch(/access-|refresh-|secret/);
  const path = join(folder, "config/sunduk/servers.json");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const kept = await Bun.file(path).json();
  expect(kept.current).toBe(server.url);
  expect(kept.servers[server.url]).toMatchObject({ login: "author", refreshToken: "refresh-1" });
});

test("publish uploads what is missing, big files in parts, and the same again does nothing", async () => {
  await login();
  const big = crypto.getRandomValues(new Uint8Array(60_000)).toBase64().repeat(40);
  const root = await writePack({ "a.txt": "a", "b.txt": "b", "copy-of-b.txt": "b", "empty.txt": "", "big.bin": big });
  const first = await sunduk(["pack", "publish", root, "--json"]);
  expect(first.stderr).toContain("Published test-pack 1.0.0");
  expect(first.json).toMatchObject({
    ok: true,
    slug: "test-pack",
    version: "1.0.0",
    files: 5,
    alreadyPublished: false,
  });
  expect(server.blobs.size).toBe(4);
  expect(server.log.filter((line) => line.includes("?part="))).toHaveLength(Math.ceil(big.length / 1024 ** 2));
  expect(server.state.sawTokenAtStorage).toBe(false);
  const uploads = server.log.filter((line) => line.startsWith("POST /v1/uploads")).length;

  const again = await sunduk(["pack", "publish", root, "--json"]);
  expect(again).toMatchObject({ code: 0, json: { ok: true, alreadyPublished: true, uploadedBytes: 0 } });
  expect(server.log.filter((line) => line.startsWith("POST /v1/uploads"))).toHaveLength(uploads);

  await writePack({ "a.txt": "other" });
  const other = await sunduk(["pack", "publish", root, "--json"]);
  expect(other).toMatchObject({ code: 5, json: { ok: false, error: { code: "conflict" } } });

  await writePack({ "a.txt": "a2", "b.txt": "b", "c.txt": "c" }, "1.1.0");
  const next = await sunduk(["pack", "publish", root, "--json"]);
  expect(next.json.changes).toEqual({
    added: ["c.txt"],
    changed: ["a.txt"],
    removed: ["big.bin", "copy-of-b.txt", "empty.txt"],
  });
  expect(next.json.uploadedBytes).toBe(3);
});

test("Ctrl-C in the middle of uploads ends with 130, and the next run goes on", async () => {
  await login();
  const root = await writePack({ "a.txt": "a", "b.txt": "bb" });
  const gate = Promise.withResolvers<void>();
  server.holding.puts = gate.promise;
  const child = Bun.spawn([process.execPath, program, "pack", "publish", root], {
    env: { PATH: process.env.PATH ?? "", XDG_CONFIG_HOME: join(folder, "config") },
    stdout: "ignore",
    stderr: "pipe",
  });
  for (let look = 0; look < 1000 && !server.log.some((line) => line.startsWith("PUT")); look += 1) await Bun.sleep(10);
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  expect(await new Response(child.stderr).text()).toContain("interrupted");
  expect(server.blobs.size).toBe(0);
  gate.resolve();
  const again = await sunduk(["pack", "publish", root, "--json"]);
  expect(again).toMatchObject({ code: 0, json: { ok: true, alreadyPublished: false } });
  expect(server.blobs.size).toBe(2);
});

test("a file that the server rejects fails the publish with its reason", async () => {
  await login();
  const root = await writePack({ "a.txt": "a", "bad.jar": "bad" });
  const sha256 = new Bun.CryptoHasher("sha256").update("bad").digest("hex");
  server.rejected.set(sha256, "it is blocked on this server");
  const outcome = await sunduk(["pack", "publish", root, "--json"]);
  expect(outcome.code).toBe(1);
  expect(outcome.json.error.errors).toEqual([{ detail: "bad.jar: it is blocked on this server" }]);
  expect(server.log.some((line) => line.endsWith("/publish"))).toBe(false);
});

test("a dry run creates nothing", async () => {
  await login();
  const root = await writePack({ "a.txt": "a", "b.txt": "bb" });
  const outcome = await sunduk(["pack", "publish", root, "--dry-run", "--json"]);
  expect(outcome).toMatchObject({ code: 0, json: { ok: true, dryRun: true, uploadBytes: 3 } });
  expect(server.log.filter((line) => !line.startsWith("GET") && !line.includes("/auth/"))).toEqual([]);
});

test("uploads that fail at first are sent again, and answers that say later are waited for", async () => {
  await login();
  const root = await writePack({ "a.txt": "a", "big.bin": "0123456789abcdef".repeat(200_000) });
  server.failing.puts = 4;
  server.failing.answers = 2;
  const outcome = await sunduk(["pack", "publish", root, "--json"]);
  expect(outcome).toMatchObject({ code: 0, json: { ok: true } });
  expect(server.blobs.size).toBe(2);
}, 30_000);

test("an expired access token is renewed once, also by processes that run at the same time", async () => {
  server.state.tokenSeconds = 1;
  await login();
  server.state.tokenSeconds = 600;
  const root = await writePack({ "a.txt": "a" });
  const outcomes = await Promise.all(
    Array.from({ length: 4 }, () => sunduk(["pack", "publish", root, "--dry-run", "--json"])),
  );
  expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  expect(server.state.refreshes).toBe(1);
});

test("a stranger is told to sign in, a missing server to be reached, a wrong option how it is used", async () => {
  const root = await writePack({ "a.txt": "a" });
  const env = { SUNDUK_URL: server.url };
  expect(await sunduk(["pack", "publish", root, "--json"], { env })).toMatchObject({ code: 4, json: { ok: false } });
  const gone = await sunduk(["pack", "publish", root, "--json", "--server", "http://127.0.0.1:1"]);
  expect(gone).toMatchObject({ code: 6, json: { error: { code: "unavailable" } } });
  const wrong = await sunduk(["pack", "publish", root, "--nope"]);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain("usage: sunduk pack publish PATH");
  expect((await sunduk(["pack", "publish"])).code).toBe(2);
  expect((await sunduk(["pack", "publish", root, "more"])).code).toBe(2);
  expect((await sunduk(["pack", "publish", root, "--channel", "nightly"], { env })).code).toBe(2);
  expect((await sunduk(["pack", "publish", join(folder, "nothing")], { env })).code).toBe(3);
}, 30_000);

test("a token from the environment is not sent to another server", async () => {
  const root = await writePack({ "a.txt": "a" });
  const env = { SUNDUK_TOKEN: server.token(), SUNDUK_URL: server.url };
  expect((await sunduk(["pack", "publish", root], { env })).code).toBe(0);
  const elsewhere = { ...env, SUNDUK_URL: "https://sunduk.example" };
  expect((await sunduk(["pack", "publish", root, "--server", server.url], { env: elsewhere })).code).toBe(4);
});

test("help tells the commands in the reader's language, and unknown ones are a wrong usage", async () => {
  const help = await sunduk(["help", "pack"], { env: { LANG: "ru_RU.UTF-8" } });
  expect(help.code).toBe(0);
  expect(help.stdout).toContain("sunduk pack publish PATH");
  expect(help.stdout).toContain("Опубликовать сборку");
  expect(help.stdout).not.toContain("sunduk login");
  expect((await sunduk(["--version"])).stdout).toMatch(/^sunduk \d+\.\d+\.\d+\n$/);
  expect(await sunduk(["pakc", "list"])).toMatchObject({ code: 2, stdout: "" });
});
