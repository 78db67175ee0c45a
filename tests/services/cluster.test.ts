import { afterEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findServices, startRedis } from "./cluster.ts";

const present = findServices().redis;
if (!present) console.warn("skipped: the life of a service, redis-server not found");

const dirs: string[] = [];
async function makeDir() {
  const dir = await mkdtemp(join(tmpdir(), "sunduk-redis-"));
  dirs.push(dir);
  return dir;
}

afterEach(async () => {
  for (const dir of dirs.splice(0)) await rm(dir, { recursive: true, force: true });
});

async function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = await Bun.connect({ hostname, port: Number(port), socket: { data: () => undefined } }).catch(
    () => null,
  );
  socket?.end();
  return socket !== null;
}

async function isGone(url: string): Promise<boolean> {
  const deadline = performance.now() + 10_000;
  while (await answers(url)) {
    if (performance.now() > deadline) return false;
    await Bun.sleep(20);
  }
  return true;
}

async function setting(url: string, name: string): Promise<unknown> {
  const client = new Bun.RedisClient(url);
  const reply = await client.send("CONFIG", ["GET", name]);
  client.close();
  return reply;
}

test.if(present)("startRedis() runs it as production does, or as it is told", async () => {
  const usual = await startRedis(await makeDir());
  expect(JSON.stringify(await setting(usual.url, "maxmemory-policy"))).toContain("noeviction");
  expect(JSON.stringify(await setting(usual.url, "appendonly"))).toContain("yes");
  await usual.stop();
  expect(await answers(usual.url)).toBe(false);
  const other = await startRedis(await makeDir(), ["--maxmemory-policy", "allkeys-lru", "--maxmemory", "8mb"]);
  expect(JSON.stringify(await setting(other.url, "maxmemory-policy"))).toContain("allkeys-lru");
  await other.stop();
});

test.if(present)("a run that is killed leaves no service behind", async () => {
  const program = `
    import { startRedis } from ${JSON.stringify(join(import.meta.dir, "cluster.ts"))};
    console.log((await startRedis(${JSON.stringify(await makeDir())})).url);
    setInterval(() => {}, 1000);`;
  const run = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" });
  const { value } = await run.stdout.getReader().read();
  const url = new TextDecoder().decode(value).trim();
  expect(await answers(url)).toBe(true);
  run.kill("SIGKILL");
  expect(await isGone(url)).toBe(true);
});
