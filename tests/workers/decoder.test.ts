import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { readConfig } from "../../config.ts";
import { type Deps, openDeps } from "../../deps.ts";
import { want } from "../../queues/mailbox.ts";
import { renderImage } from "../../queues/render-image.ts";
import { handle } from "../../workers/render-image.ts";
import { hurry, type System, startSystem, testEnvironment, testLog, waitFor } from "../harness.ts";
import { makePng } from "../pictures.ts";
import { call, findLeftovers, query } from "./arrange.ts";
import { arrangeImage, makeBitPng, makeSlowImage, readVariants, renderBytes } from "./arrange-image.ts";

let environment: Record<string, string>;
let deps: Deps;
let slow: Buffer;
const closing: Deps[] = [];

async function open(extra: Record<string, string> = {}): Promise<Deps> {
  const config = readConfig({ environment: { ...environment, ...extra } });
  const opened = await openDeps({ config, log: testLog, name: "test", publicUrl: () => "http://127.0.0.1:1" });
  closing.push(opened);
  return opened;
}

beforeAll(async () => {
  environment = await testEnvironment();
  deps = await open();
  slow = await makeSlowImage();
});
afterAll(async () => {
  for (const each of closing) await each.close();
});

const rowOf = async (id: string) => (await query(deps, `select * from image.image where id = $1`, [id]))[0];
const triesOf = async (id: string): Promise<number> => (await rowOf(id))?.tries ?? -1;

/** Bytes and a seed, so that each is another image: what follows a JPEG's end is skipped. */
const another = (bytes: Buffer) => Buffer.concat([bytes, Buffer.from(Bun.randomUUIDv7())]);

test("a decoder that is killed takes nothing with it: its image is begun again, its sibling does not notice", async () => {
  const [first, sibling] = [await arrangeImage(deps, another(slow)), await arrangeImage(deps, makePng())];
  const rendering = call(handle, deps, { imageId: first.id });
  const pid = await waitFor(
    async () => (await triesOf(first.id)) === 1 && deps.decoder.pids()[0],
    "the decoding to begin",
  );
  const beside = call(handle, deps, { imageId: sibling.id });
  process.kill(pid, "SIGKILL");
  expect(await Promise.all([rendering, beside])).toEqual([{ state: "ready" }, { state: "ready" }]);
  expect(deps.decoder.pids()).not.toContain(pid);
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
});

test("an image that ends every decoder is begun three times, then rejected; the next one is rendered", async () => {
  const { id } = await arrangeImage(deps, another(slow));
  const rendering = call(handle, deps, { imageId: id });
  for (let tries = 1; tries <= 3; tries++) {
    await waitFor(async () => (await triesOf(id)) === tries && deps.decoder.pids().length > 0, `try ${tries}`);
    for (const pid of deps.decoder.pids()) process.kill(pid, "SIGKILL");
  }
  expect(await rendering).toEqual({ state: "rejected", reason: "it could not be decoded safely" });
  expect((await renderBytes(deps, makePng())).result).toEqual({ state: "ready" });
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
});

test("one that has taken its whole pod with it three times is not begun again", async () => {
  const { id } = await arrangeImage(deps, makePng());
  await query(deps, `update image.image set tries = 3 where id = $1`, [id]);
  const result = await call(handle, deps, { imageId: id });
  expect(result).toEqual({ state: "rejected", reason: "it could not be decoded safely" });
});

test("U3 a decoder that takes more memory than it may is ended, and the image rejected", async () => {
  const limitMiB = 128;
  const narrow = await open({ IMAGE_MEMORY_BYTES: String(limitMiB * 1024 ** 2) });
  // Small to send, and 49 megapixels to encode.
  const { id } = await arrangeImage(narrow, makeBitPng({ width: 7_000, height: 7_000 }));
  let peakMiB = 0;
  const watch = setInterval(async () => {
    for (const pid of narrow.decoder.pids()) {
      const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
      peakMiB = Math.max(peakMiB, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
    }
  }, 20);
  const result = await call(handle, narrow, { imageId: id }).finally(() => clearInterval(watch));
  expect(result).toEqual({ state: "rejected", reason: "it could not be decoded safely" });
  expect(peakMiB).toBeGreaterThan(0);
  expect(peakMiB).toBeLessThan(limitMiB * 2); // it is looked at ten times a second
});

test("an image that is decoded when its pod is told to end has not been tried", async () => {
  const { id } = await arrangeImage(deps, another(slow));
  const end = new AbortController();
  const rendering = call(handle, deps, { imageId: id }, { signal: end.signal });
  await waitFor(async () => (await triesOf(id)) === 1 && deps.decoder.pids().length > 0, "the decoding to begin");
  end.abort(new Error("the pod ends"));
  expect(rendering).rejects.toThrow("the pod ends");
  await rendering.catch(() => undefined);
  expect(await rowOf(id)).toMatchObject({ state: "processing", tries: 0 });
});

test("an image that is deleted while it is decoded leaves nothing", async () => {
  const { id } = await arrangeImage(deps, another(slow));
  const rendering = call(handle, deps, { imageId: id });
  await waitFor(async () => (await triesOf(id)) === 1, "the decoding to begin");
  await query(deps, `delete from image.image where id = $1`, [id]);
  expect(await rendering).toEqual({ state: "gone" });
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
});

test("two processes render the same image at the same time: one set of variants, no spare copy", async () => {
  const other = await open();
  const listAttempts = () => query(deps, `select key from blob.attempt union all select key from blob.doomed`);
  const before = await listAttempts();
  for (let round = 0; round < 5; round++) {
    const { id } = await arrangeImage(deps, makePng({ width: 700, height: 500 }));
    const results = await Promise.allSettled([deps, other].map((each) => call(handle, each, { imageId: id })));
    expect(results.map((result) => result.status === "fulfilled" && result.value)).toEqual(
      Array(2).fill({ state: "ready" }),
    );
    expect(Object.keys(await readVariants(deps, id))).toHaveLength(4);
    expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
    expect(await listAttempts()).toEqual(before);
  }
});

test("a decoder is told none of our secrets", async () => {
  await renderBytes(deps, makePng());
  const [pid = 0] = deps.decoder.pids();
  const told = await readFile(`/proc/${pid}/environ`, "utf8");
  expect(told).toContain("TMPDIR=");
  const secrets = [environment.DATABASE_URL, environment.TOKEN_SECRET, environment.SIGNING_KEY];
  for (const secret of secrets) expect(told).not.toContain(secret ?? "?");
});

test("a process that starts removes what those before it have left, and nothing of those that run", async () => {
  const parent = join(environment.DATA ?? "", "decoding");
  const dead = join(parent, `999999999-${Date.now()}-left`);
  await mkdir(dead, { recursive: true });
  const before = (await readdir(parent)).filter((name) => !dead.endsWith(name));
  expect(before.length).toBeGreaterThan(0);
  const fresh = await open();
  await using _folder = await fresh.decoder.openFolder();
  expect(existsSync(dead)).toBe(false);
  expect(await readdir(parent)).toEqual(expect.arrayContaining(before));
});

test("a pod killed while it decodes: another renders the image, and no decoder is left behind", async () => {
  const system: System = await startSystem({ pods: 1, environment: hurry });
  const config = readConfig({ environment: system.environment });
  const own = await openDeps({ config, log: testLog, name: "test", publicUrl: () => system.url });
  try {
    const { id, ownerId } = await arrangeImage(own, another(slow));
    const message = await want(own.db, renderImage, { payload: { imageId: id }, ownerId });
    await own.mailbox.send(renderImage.name, message);
    const look = async () => (await query(own, `select state, tries from image.image where id = $1`, [id]))[0];
    await waitFor(async () => (await look()).tries === 1, "the decoding to begin");
    const [pod] = system.pods;
    pod?.kill("SIGKILL");
    await pod?.exited;
    system.startPod();
    await waitFor(async () => (await look()).state === "ready", "another pod to render it", 60_000);
    const parent = join(system.environment.DATA ?? "", "decoding");
    expect((await readdir(parent)).filter((name) => name.startsWith(`${pod?.pid}-`))).toEqual([]);
    await waitFor(async () => (await listDecodersIn(parent, pod?.pid ?? 0)).length === 0, "its decoder to end");
    expect(await findLeftovers(own)).toEqual({ objects: [], rows: [] });
  } finally {
    await own.close();
    await system.stop();
  }
});

/** Decoders that work in a folder of that pod; Linux only. */
async function listDecodersIn(parent: string, podPid: number): Promise<string[]> {
  const { readlink } = await import("node:fs/promises");
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const places = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => "")));
  return places.filter((place) => place.startsWith(join(parent, `${podPid}-`)));
}
