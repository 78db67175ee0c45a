import { afterAll, beforeAll, expect, test } from "bun:test";
import sharp from "sharp";
import { readConfig } from "../../config.ts";
import { type Deps, openDeps } from "../../deps.ts";
import { handle as backfill } from "../../workers/backfill-images.ts";
import { testEnvironment, testLog } from "../harness.ts";
import { makePng } from "../pictures.ts";
import { runSweep } from "../storage-rows.ts";
import { call, findLeftovers, query } from "./arrange.ts";
import { arrangeImage, makeAnimatedWebp, readVariants, renderBytes } from "./arrange-image.ts";

let deps: Deps;
let withAvif: Deps;

beforeAll(async () => {
  const environment = await testEnvironment({ SWEEP_GRACE_SECONDS: "0", SWEEP_DOOMED_SECONDS: "0" });
  const open = (extra: Record<string, string>) => {
    const config = readConfig({ environment: { ...environment, ...extra } });
    return openDeps({ config, log: testLog, name: "test", publicUrl: () => "http://127.0.0.1:1" });
  };
  deps = await open({ IMAGE_AVIF: "off" });
  withAvif = await open({ IMAGE_AVIF: "on" });
});
afterAll(async () => {
  await deps?.close();
  await withAvif?.close();
});

const rowOf = async (id: string) => (await query(deps, `select * from image.image where id = $1`, [id]))[0];
const rendererOf = async (id: string) => (await rowOf(id)).renderer;
const names = async (id: string) => Object.keys(await readVariants(deps, id));
const run = (on: Deps, before?: string) => call(backfill, on, { scope: "all", ...(before && { before }) });
const picture = () => makePng({ width: 500, height: 400 }, (x, y) => [x & 255, y & 255, (x ^ y) & 255]);
const later = () => new Date(Date.now() + 60_000).toISOString();

test("what lacks AVIF gets it beside the small WebP variants, once; what moves and avatars do not", async () => {
  const still = await renderBytes(deps, picture());
  const moving = await renderBytes(deps, await makeAnimatedWebp({ frames: 3 }));
  expect(await run(deps)).toEqual({ made: 0 }); // not where AVIF is off
  expect(await run(withAvif)).toEqual({ made: 2 });
  expect(await names(still.id)).toEqual([
    ...["large.avif", "large.webp", "original.webp", "preview.avif"],
    ...["preview.webp", "thumb.avif", "thumb.webp"],
  ]);
  expect((await names(moving.id)).filter((name) => name.endsWith("avif"))).toEqual([]);
  const { "thumb.avif": thumb } = await readVariants(deps, still.id);
  expect(await sharp(thumb?.bytes).metadata()).toMatchObject({ format: "heif", width: 320, height: 256 });
  expect(await rowOf(still.id)).toMatchObject({ renderer: 2, tries: 0, revision: still.row.revision });
  expect(await run(withAvif)).toEqual({ made: 0 });
});

test("all again: each image once, also when the run is killed on its way and begins anew", async () => {
  const [first, second] = [await renderBytes(deps, picture()), await renderBytes(deps, picture())];
  await run(withAvif);
  await query(deps, `delete from image.variant where name = 'preview'`);
  const before = later();
  const end = new AbortController();
  // The pod is told to end when the first image is made.
  const unsubscribe = withAvif.bus.subscribe("images.changed", () => end.abort(new Error("killed")));
  const killed = call(backfill, withAvif, { scope: "all", before }, { signal: end.signal });
  expect(await killed.catch((error: Error) => error.message)).toBe("killed");
  unsubscribe();
  const left = await query(deps, `select id from image.image where state = 'ready' and renderer = 0`);
  expect(left.length).toBeGreaterThan(0);
  expect(await run(withAvif)).toEqual({ made: left.length });
  for (const { id } of [first, second]) {
    expect(await rendererOf(id)).toBe(2);
    expect(await names(id)).toContain("preview.webp");
  }
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
});

test("two back-fills at the same time share the images", async () => {
  for (let count = 0; count < 4; count++) await renderBytes(deps, picture());
  const results = await Promise.all([run(withAvif), run(withAvif)]);
  expect(results.reduce((sum, result) => sum + Number(result?.made), 0)).toBe(4);
});

test("one that cannot be made again stays as it is, and is not begun for ever", async () => {
  const { id } = await renderBytes(deps, picture());
  const shown = await readVariants(deps, id);
  await query(deps, `update image.image set renderer = 0, tries = 3 where id = $1`, [id]);
  await run(deps);
  expect(await rowOf(id)).toMatchObject({ state: "ready", renderer: 1, tries: 0 });
  expect(await readVariants(deps, id)).toEqual(shown);
});

test("the bytes that were sent go after IMAGE_SOURCE_DAYS; later variants are made of the full size, which stays as it is", async () => {
  const { id, row } = await renderBytes(deps, picture());
  const key = async () => (await query(deps, `select key from blob.blob where id = $1`, [row.source_blob_id]))[0]?.key;
  const kept = await key();
  await runSweep(deps, { force: true });
  expect(await key()).toBe(kept);
  await query(deps, `update image.image set created_at = now() - interval '366 days' where id = $1`, [id]);
  await runSweep(deps, { force: true });
  expect([(await rowOf(id)).source_blob_id, await key()]).toEqual([null, undefined]);
  await runSweep(deps, { force: true });
  expect(await deps.storage.stat(kept)).toBeUndefined();
  const before = await readVariants(deps, id);
  await query(deps, `delete from image.variant where image_id = $1 and name = 'thumb'`, [id]);
  await query(deps, `update image.image set renderer = 0 where id = $1`, [id]);
  await run(deps);
  const after = await readVariants(deps, id);
  expect(Object.keys(after)).toEqual(Object.keys(before));
  expect(after["original.webp"]).toEqual(before["original.webp"] ?? { width: 0, height: 0, bytes: Buffer.alloc(0) });
});

test("what is uploaded goes before what is filled back", async () => {
  const order: string[] = [];
  const { decoder } = deps;
  const folders = await Promise.all(Array.from({ length: 6 }, () => decoder.openFolder()));
  const wanted = [{ name: "thumb", format: "webp" as const, side: 320, crop: false }];
  const { signal } = new AbortController();
  const tasks = folders.map(async ({ path }, index) => {
    await Bun.write(`${path}/input`, picture());
    return { task: { folder: path, wanted, focus: { x: 0.5, y: 0.5 } }, urgent: index >= 4, name: `${index}` };
  });
  const ready = await Promise.all(tasks);
  await Promise.all(
    ready.map(({ task, urgent, name }) => decoder.decode(task, { urgent, signal }).then(() => order.push(name))),
  );
  // The first two find a decoder at once; of those that wait, the urgent ones come first.
  const waited = order.filter((name) => Number(name) >= 2);
  expect(waited.slice(0, 2).toSorted()).toEqual(["4", "5"]);
  for (const folder of folders) await folder[Symbol.asyncDispose]();
});

test("an avatar is a square around its focal point and takes the place of the former one", async () => {
  const bytes = makePng({ width: 900, height: 300 }, (x) =>
    x < 300 ? [255, 0, 0] : x < 600 ? [0, 255, 0] : [0, 0, 255],
  );
  const owner = await renderBytes(deps, bytes);
  const shown: string[] = [];
  for (const focus of [0, 1]) {
    const { id } = await arrangeImage(deps, bytes);
    await query(
      deps,
      `update image.image set kind = 'avatar', owner_id = $2, focus_x = $3, source_blob_id = $4 where id = $1`,
      [id, owner.ownerId, focus, owner.row.source_blob_id],
    );
    const { handle } = await import("../../workers/render-image.ts");
    expect(await call(handle, deps, { imageId: id })).toEqual({ state: "ready" });
    const variants = await readVariants(deps, id);
    expect(Object.values(variants).map(({ width, height }) => [width, height])).toEqual([
      [128, 128],
      [256, 256],
      [300, 300],
      [64, 64],
    ]);
    const { data } = await sharp(variants["64.webp"]?.bytes).raw().toBuffer({ resolveWithObject: true });
    const middle = [...data.subarray((32 * 64 + 32) * 3).subarray(0, 3)].map((value) => value > 128);
    expect(middle).toEqual(focus === 0 ? [true, false, false] : [false, false, true]);
    shown.push(id);
  }
  const left = await query(deps, `select id from image.image where owner_id = $1 and kind = 'avatar'`, [owner.ownerId]);
  expect(left.map(({ id }) => id)).toEqual(shown.slice(-1));
});
