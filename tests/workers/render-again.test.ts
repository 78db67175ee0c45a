import { afterAll, beforeAll, expect, test } from "bun:test";
import sharp from "sharp";
import type { Deps } from "../../deps.ts";
import { stagingKey } from "../../storage/keys.ts";
import { handle as backfill } from "../../workers/backfill-images.ts";
import { handle as render } from "../../workers/render-image.ts";
import { openTestDeps, sha256 } from "../harness.ts";
import { makePng } from "../pictures.ts";
import { addUser } from "../storage-rows.ts";
import { call, findLeftovers, query } from "./arrange.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps({ IMAGE_AVIF: "off", IMAGE_SOURCE_DAYS: "0" });
});
afterAll(() => deps?.close());

/** A rendered image whose sent bytes are not kept. */
async function arrange(bytes: Uint8Array): Promise<string> {
  const [id, ownerId] = [Bun.randomUUIDv7(), await addUser(deps.db)];
  await query(
    deps,
    `insert into image.image (id, owner_id, state, name, rank, sha256, size_bytes, expires_at)
      values ($1, $2, 'processing', 'picture.gif', 'a0', $3, $4, now() + interval '1 day')`,
    [id, ownerId, sha256(bytes), bytes.byteLength],
  );
  const { signal } = new AbortController();
  await deps.storage.write(stagingKey(id), new Blob([Buffer.from(bytes)]).stream(), { signal });
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
