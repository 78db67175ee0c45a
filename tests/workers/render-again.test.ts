import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import type { Deps } from "../../deps.ts";
import { handle as backfill } from "../../workers/backfill-images.ts";
import { handle as render } from "../../workers/render-image.ts";
import { openTestDeps } from "../harness.ts";
import { makePng } from "../pictures.ts";
import { call, findLeftovers, query } from "./arrange.ts";
import { arrangeImage } from "./arrange-image.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps({ IMAGE_AVIF: "off", IMAGE_SOURCE_DAYS: "0" });
});
afterAll(() => deps?.close());

/** A rendered image whose sent bytes are not kept. */
async function arrange(bytes: Uint8Array): Promise<string> {
  const { id } = await arrangeImage(deps, bytes);
  expect(await call(render, deps, { imageId: id })).toEqual({ state: "ready" });
  return id;
}

const listVariants = (id: string): Promise<any[]> =>
  query(
    deps,
    `select v.name, v.width, b.key from image.variant v join blob.blob b on b.id = v.blob_id where v.image_id = $1 order by v.name`,
    [id],
  );

async function countFrames(key: string): Promise<number> {
  const { signal } = new AbortController();
  const bytes = Buffer.concat(await Array.fromAsync(await deps.storage.read(key, { signal })));
  return (await sharp(bytes, { animated: true }).metadata()).pages ?? 1;
}

/** Two frames of noise, smaller than the smallest variant. */
async function makeGif(): Promise<Uint8Array> {
  const frames = [makePng({ width: 40, height: 30 }), makePng({ width: 40, height: 30 })].map((each) =>
    Buffer.from(each),
  );
  return sharp(frames, { join: { animated: true } })
    .gif()
    .toBuffer();
}

test("an image whose sent bytes are gone is made again of its original, which stays as it is: what moves goes on moving", async () => {
  const id = await arrange(await makeGif());
  const before = await listVariants(id);
  const framesOf = async (variants: any[]) =>
    Object.fromEntries(await Promise.all(variants.map(async ({ name, key }) => [name, await countFrames(key)])));
  expect(await framesOf(before)).toEqual({ large: 2, original: 2, preview: 2, thumb: 1 });
  for (let times = 0; times < 2; times++)
    expect(
      await call(backfill, deps, { scope: "all", before: new Date(Date.now() + 1000).toISOString() }),
    ).toMatchObject({
      made: 1,
    });
  const after = await listVariants(id);
  expect(await framesOf(after)).toEqual({ large: 2, original: 2, preview: 2, thumb: 1 });
  expect(after.find(({ name }) => name === "original")).toEqual(before.find(({ name }) => name === "original"));
  expect(await query(deps, `select state, renderer, animated, tries from image.image where id = $1`, [id])).toEqual([
    { state: "ready", renderer: 1, animated: true, tries: 0 },
  ]);
  expect((await findLeftovers(deps)).rows).toEqual([]);
});

test.if(existsSync("/dev/full"))(
  "a full disk is no fault of the image: it waits for room, and no try is counted",
  async () => {
    const { id } = await arrangeImage(deps, makePng());
    const { decoder } = deps;
    /** Folders in which a file cannot be written, as long as the disk is full. */
    const openFull = async () => {
      const folder = await decoder.openFolder();
      await symlink("/dev/full", join(folder.path, "thumb.webp"));
      return folder;
    };
    for (let times = 0; times < 4; times++)
      await expect(
        call(render, { ...deps, decoder: { ...decoder, openFolder: openFull } }, { imageId: id }),
      ).rejects.toMatchObject({ code: "storage-full" });
    expect(await query(deps, `select state, tries from image.image where id = $1`, [id])).toEqual([
      { state: "processing", tries: 0 },
    ]);
    expect(await call(render, deps, { imageId: id })).toEqual({ state: "ready" });
  },
);
