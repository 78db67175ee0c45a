import { deflateSync } from "node:zlib";
import { sha256, type TestUser, waitFor } from "./harness.ts";

type Rgb = [red: number, green: number, blue: number];
type Size = { width?: number; height?: number };

/** A PNG of one colour, or of what `paint` says; of noise when it says nothing, so that nothing made of it is like another's. */
export function makePng(
  { width = 8, height = 8, seed = Bun.randomUUIDv7() }: Size & { seed?: string } = {},
  paint: Rgb | ((x: number, y: number) => Rgb) = () => [random(), random(), random()],
): Uint8Array {
  const pixels = Buffer.alloc(height * (1 + width * 3)); // each row begins with its filter: none
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      pixels.set(typeof paint === "function" ? paint(x, y) : paint, y * (1 + width * 3) + 1 + x * 3);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8); // 8 bits, RGB
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    makeChunk("IHDR", header),
    makeChunk("tEXt", Buffer.from(`Comment\0${seed}`)),
    makeChunk("IDAT", deflateSync(pixels)),
    makeChunk("IEND", Buffer.alloc(0)),
  ]);
}

const random = () => Math.floor(Math.random() * 256);

function makeChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  chunk.set(body, 4);
  chunk.writeUInt32BE(Bun.hash.crc32(body), chunk.length - 4);
  return chunk;
}

/** Sends an image as a client does and waits until it is settled; answers with its JSON. `more` goes into the request. */
export async function sendImage(
  user: TestUser,
  bytes: Uint8Array = makePng(),
  more: Record<string, unknown> = {},
): Promise<any> {
  const opened = await user.call("POST", "/v1/images", {
    body: { name: "picture.png", sha256: sha256(bytes), size: bytes.byteLength, ...more },
  });
  if (opened.status !== 201) throw new Error(`opening an image: ${opened.text}`);
  const { id, url, method, headers } = opened.json;
  const sent = await fetch(url, { method, headers, body: new Blob([Buffer.from(bytes)]) });
  if (!sent.ok) throw new Error(`sending an image: ${sent.status} ${await sent.text()}`);
  const completed = await user.call("POST", `/v1/images/${id}/complete`);
  if (completed.status !== 202) throw new Error(`completing an image: ${completed.text}`);
  return waitFor(async () => {
    const { json } = await user.call("GET", `/v1/images/${id}`);
    return (json.state === "ready" || json.state === "rejected") && json;
  }, `image ${id} to be settled`);
}

/** The same for an image that has to become ready; answers with its id. */
export async function uploadImage(user: TestUser, ...rest: [bytes?: Uint8Array, more?: Record<string, unknown>]) {
  const image = await sendImage(user, ...rest);
  if (image.state !== "ready") throw new Error(`image ${image.id} was rejected: ${image.reason}`);
  return image.id as string;
}
