import { afterAll, beforeAll, expect, test } from "bun:test";
import sharp from "sharp";
import type { Deps } from "../../deps.ts";
import { stagingKey } from "../../storage/keys.ts";
import { handle } from "../../workers/render-image.ts";
import { openTestDeps, sha256 } from "../harness.ts";
import { makePng } from "../pictures.ts";
import { addUser } from "../storage-rows.ts";
import { call, findLeftovers, query } from "./arrange.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());

type Sent = { digest?: string; size?: number };

/** An image whose bytes have arrived, with its room in the quota. */
async function arrange(bytes: Uint8Array, { digest = sha256(bytes), size = bytes.byteLength }: Sent = {}) {
  const [id, ownerId] = [Bun.randomUUIDv7(), await addUser(deps.db)];
  await query(
    deps,
    `insert into image.image (id, owner_id, state, name, rank, sha256, size_bytes, expires_at)
      values ($1, $2, 'processing', 'picture.png', 'a0', $3, $4, now() + interval '1 day')`,
    [id, ownerId, digest, size],
  );
  await query(deps, `insert into image.quota (user_id, images, size_bytes) values ($1, 1, $2)`, [ownerId, size]);
  const { signal } = new AbortController();
  await deps.storage.write(stagingKey(id), new Blob([Buffer.from(bytes)]).stream(), { signal });
  return { id, ownerId };
}

async function render(bytes: Uint8Array, sent: Sent = {}) {
  const { id, ownerId } = await arrange(bytes, sent);
  const result = await call(handle, deps, { imageId: id });
  const [row] = await query(deps, `select * from image.image where id = $1`, [id]);
  const [quota] = await query(deps, `select images, size_bytes from image.quota where user_id = $1`, [ownerId]);
  return { id, ownerId, result, row, quota };
}

async function readVariant(id: string, name: string, format = "webp"): Promise<Buffer> {
  const [row] = await query(
    deps,
    `select b.key from image.variant v join blob.blob b on b.id = v.blob_id where v.image_id = $1 and v.name = $2 and v.format = $3`,
    [id, name, format],
  );
  const { signal } = new AbortController();
  return Buffer.concat(await Array.fromAsync(await deps.storage.read(row.key, { signal })));
}

test("a picture becomes four WebP variants that fit their squares and are never enlarged", async () => {
  const bytes = makePng({ width: 1200, height: 600 });
  const { id, result, row } = await render(bytes);
  expect(result).toEqual({ state: "ready" });
  expect(row).toMatchObject({ state: "ready", width: 1200, height: 600, animated: false, renderer: 1, tries: 0 });
  expect(row.placeholder).toMatch(/^data:image\/webp;base64,/);
  expect(row.placeholder.length).toBeLessThanOrEqual(200);
  const variants = await query(deps, `select name, format, width, height from image.variant where image_id = $1`, [id]);
  expect(Object.fromEntries(variants.map(({ name, width, height }) => [name, [width, height]]))).toEqual({
    thumb: [320, 160],
    preview: [960, 480],
    large: [1200, 600],
    original: [1200, 600],
  });
  for (const { name, width, height } of variants)
    expect(await sharp(await readVariant(id, name)).metadata()).toMatchObject({ format: "webp", width, height });
  expect(await deps.storage.stat(stagingKey(id))).toBeUndefined();
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
});
