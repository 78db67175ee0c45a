import { deflateSync } from "node:zlib";
import sharp from "sharp";
import type { Deps } from "../../deps.ts";
import { stagingKey } from "../../storage/keys.ts";
import { handle } from "../../workers/render-image.ts";
import { sha256 } from "../harness.ts";
import { addUser } from "../storage-rows.ts";
import { call, query } from "./arrange.ts";

type Sent = { digest?: string; size?: number; name?: string };

/** An image whose bytes have arrived, with its room in the quota, straight into database and storage. */
export async function arrangeImage(
  deps: Deps,
  bytes: Uint8Array,
  { digest = sha256(bytes), size = bytes.byteLength, name = "picture.png" }: Sent = {},
): Promise<{ id: string; ownerId: string }> {
  const [id, ownerId] = [Bun.randomUUIDv7(), await addUser(deps.db)];
  await query(
    deps,
    `insert into image.image (id, owner_id, state, name, rank, sha256, size_bytes, expires_at)
      values ($1, $2, 'processing', $5, 'a0', $3, $4, now() + interval '1 day')`,
    [id, ownerId, digest, size, name],
  );
  await query(deps, `insert into image.quota (user_id, images, size_bytes) values ($1, 1, $2)`, [ownerId, size]);
  const { signal } = new AbortController();
  await deps.storage.write(stagingKey(id), new Blob([Buffer.from(bytes)]).stream(), { signal });
  return { id, ownerId };
}

/** Renders bytes as a pod would: what the run answered, the image's row, and its owner's quota. */
export async function renderBytes(deps: Deps, bytes: Uint8Array, sent: Sent = {}) {
  const { id, ownerId } = await arrangeImage(deps, bytes, sent);
  const result = await call(handle, deps, { imageId: id });
  const [row] = await query(deps, `select * from image.image where id = $1`, [id]);
  const [quota] = await query(deps, `select images, size_bytes as "sizeBytes" from image.quota where user_id = $1`, [
    ownerId,
  ]);
  return { id, ownerId, result, row, quota };
}

/** An image's variants by name and format, with their bytes. */
export async function readVariants(
  deps: Deps,
  imageId: string,
): Promise<Record<string, { width: number; height: number; bytes: Buffer }>> {
  const rows = await query(
    deps,
    `select v.name, v.format, v.width, v.height, b.key from image.variant v join blob.blob b on b.id = v.blob_id
      where v.image_id = $1 order by v.name, v.format`,
    [imageId],
  );
  const { signal } = new AbortController();
  const found: Awaited<ReturnType<typeof readVariants>> = {};
  for (const { name, format, width, height, key } of rows) {
    const bytes = Buffer.concat(await Array.fromAsync(await deps.storage.read(key, { signal })));
    found[`${name}.${format}`] = { width, height, bytes };
  }
  return found;
}

/** A picture that takes seconds to encode: time to kill something. */
export function makeSlowImage(side = 2_000): Promise<Buffer> {
  return sharp({
    create: {
      width: side,
      height: side,
      channels: 3,
      background: "#000",
      noise: { type: "gaussian", mean: 128, sigma: 40 },
    },
  })
    .jpeg({ quality: 60, progressive: true })
    .toBuffer();
}

/** A PNG of grey pixels, one bit each, whose header may say something else; `rows` of them are really there. */
export function makeBitPng({ width, height, rows = height }: { width: number; height: number; rows?: number }): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([1, 0], 8);
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const framed = Buffer.alloc(body.length + 8);
    framed.writeUInt32BE(data.length, 0);
    framed.set(body, 4);
    framed.writeUInt32BE(Bun.hash.crc32(body), framed.length - 4);
    return framed;
  };
  const pixels = Buffer.alloc(rows * (1 + Math.ceil(width / 8)));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(pixels)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** An animated WebP (RFC 9649, 2.7.1) of many small frames on a canvas of any size: a few dozen bytes each. */
export async function makeAnimatedWebp({ frames, side = 16 }: { frames: number; side?: number }): Promise<Buffer> {
  const still = await sharp({ create: { width: 16, height: 16, channels: 3, background: "#c33" } })
    .webp({ lossless: true })
    .toBuffer();
  const uint24 = (value: number) => [value & 255, (value >> 8) & 255, (value >> 16) & 255];
  const chunk = (type: string, data: Buffer) => {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(data.length);
    return Buffer.concat([Buffer.from(type), size, data, Buffer.alloc(data.length % 2)]);
  };
  const frame = chunk(
    "ANMF",
    Buffer.concat([
      Buffer.from([...uint24(0), ...uint24(0), ...uint24(15), ...uint24(15), ...uint24(40), 0]),
      still.subarray(12),
    ]),
  );
  const canvas = Buffer.from([2, 0, 0, 0, ...uint24(side - 1), ...uint24(side - 1)]);
  const body = Buffer.concat([
    Buffer.from("WEBP"),
    chunk("VP8X", canvas),
    chunk("ANIM", Buffer.from([0, 0, 0, 0, 0, 0])),
    ...Array.from({ length: frames }, () => frame),
  ]);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(body.length);
  return Buffer.concat([Buffer.from("RIFF"), size, body]);
}
