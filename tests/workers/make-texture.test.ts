import { afterAll, beforeAll, expect, test } from "bun:test";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import { insertBlocked } from "../../db/blob.ts";
import type { Deps } from "../../deps.ts";
import { stagingKey } from "../../storage/keys.ts";
import { handle } from "../../workers/make-texture.ts";
import { openTestDeps, sha256 } from "../harness.ts";
import { makePng } from "../pictures.ts";
import { addUser } from "../storage-rows.ts";
import { call, findLeftovers, query } from "./arrange.ts";

let deps: Deps;
let userId: string;
let made = 0;
beforeAll(async () => {
  deps = await openTestDeps();
  userId = await addUser(deps.db);
});
afterAll(() => deps?.close());

type Kind = "skin" | "cape";
type Sent = { uploadId: string; playerId: string; kind: Kind; model: "slim" | null };

/** A player whose texture waits to be made of these bytes. */
async function send(bytes: Uint8Array, kind: Kind = "skin", playerId: string = crypto.randomUUID()): Promise<Sent> {
  const uploadId = Bun.randomUUIDv7();
  await query(
    deps,
    `insert into player.player (id, user_id, name, name_folded, ${kind}_upload_id) values ($1, $2, $3, $3, $4)
      on conflict (id) do update set ${kind}_upload_id = $4`,
    [playerId, userId, `p${++made}`, uploadId],
  );
  const { signal } = new AbortController();
  await deps.storage.write(stagingKey(uploadId), new Blob([Buffer.from(bytes)]).stream(), { signal });
  return { uploadId, playerId, kind, model: "slim" };
}

const make = async (bytes: Uint8Array, kind?: Kind) => {
  const sent = await send(bytes, kind);
  return { ...sent, result: await call(handle, deps, sent) };
};

/** What a player wears: the digest and the bytes of the PNG. */
async function look({ playerId, kind }: Pick<Sent, "playerId" | "kind">) {
  const [row] = await query(
    deps,
    `select b.sha256, b.key, p.model from player.player p left join blob.blob b on b.id = p.${kind}_blob_id where p.id = $1`,
    [playerId],
  );
  if (row?.key == null) return undefined;
  const { signal } = new AbortController();
  const bytes = Buffer.concat(await Array.fromAsync(await deps.storage.read(row.key, { signal })));
  return { sha256: row.sha256, model: row.model, bytes };
}

/** The names of a PNG's chunks, and what follows its end. */
function readChunks(bytes: Buffer) {
  const names: string[] = [];
  let at = 8;
  while (names.at(-1) !== "IEND") {
    names.push(bytes.toString("latin1", at + 4, at + 8));
    at += 12 + bytes.readUInt32BE(at);
  }
  return { names: [...new Set(names)], behind: bytes.length - at };
}

/** Pixels that are all another, some of them transparent with a colour beneath, which games do read. */
const pixels = (width: number, height: number) =>
  Buffer.from(
    Array.from({ length: width * height }, (_, index) => [
      index & 255,
      (index >> 4) & 255,
      (index * 7) & 255,
      index % 5 === 0 ? 0 : 255,
    ]).flat(),
  );
const encode = (data: Buffer, width: number, height: number) => sharp(data, { raw: { width, height, channels: 4 } });
const decode = (bytes: Uint8Array) => sharp(bytes).raw().toBuffer({ resolveWithObject: true });

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  size.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([size, body, sum]);
}
/** A PNG with something put behind its header. */
const insert = (png: Uint8Array, ...chunks: Buffer[]) => Buffer.concat([png.slice(0, 33), ...chunks, png.slice(33)]);

test("a skin keeps every pixel and nothing else of its file; its digest is its name", async () => {
  const data = pixels(64, 64);
  const plain = await encode(data, 64, 64).png().toBuffer();
  const extras = [
    chunk("tEXt", Buffer.from("Comment\0<script>alert(1)</script>")),
    chunk("gAMA", Buffer.from([0, 0, 0x27, 0x10])),
    chunk("pHYs", Buffer.from([0, 0, 0, 9, 0, 0, 0, 1, 1])),
    chunk("eXIf", Buffer.from("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0", "latin1")), // turned by 90°
  ];
  const sent = await make(Buffer.concat([insert(plain, ...extras), Buffer.from("PK\x03\x04 and a ZIP")]));
  expect(sent.result).toEqual({ state: "ready" });
  const worn = await look(sent);
  expect(worn?.sha256).toBe(sha256(worn?.bytes ?? ""));
  expect(worn?.model).toBe("slim");
  const bytes = worn?.bytes ?? Buffer.alloc(0);
  expect(await decode(bytes)).toMatchObject({ data, info: { width: 64, height: 64, channels: 4 } });
  expect(readChunks(bytes).behind).toBe(0);
  expect(readChunks(bytes).names.filter((name) => !["IHDR", "pHYs", "IDAT", "IEND"].includes(name))).toEqual([]);
  expect(bytes.includes("script")).toBe(false);
  // Whoever asks for it again gets the same: of the same pixels, however they were written.
  for (const other of [
    await encode(data, 64, 64).png({ compressionLevel: 0 }).toBuffer(),
    await encode(data, 64, 64).png({ progressive: true, adaptiveFiltering: true }).toBuffer(),
  ])
    expect(await look(await make(other))).toEqual(worn);
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
});

test.each<[string, () => Promise<Buffer> | Buffer]>([
  ["of red, green and blue", () => Buffer.from(makePng({ width: 64, height: 32 }, [200, 100, 50]))],
  [
    "of a palette",
    () =>
      sharp(Buffer.from(makePng({ width: 64, height: 32 }, [200, 100, 50])))
        .png({ palette: true })
        .toBuffer(),
  ],
  [
    "of 16 bits a sample",
    () =>
      sharp(Buffer.from(makePng({ width: 64, height: 32 }, [200, 100, 50])))
        .toColourspace("rgb16")
        .png()
        .toBuffer(),
  ],
])("a skin %s has the same pixels as 8 bits of red, green, blue and alpha", async (_name, write) => {
  const sent = await make(await write());
  expect(sent.result).toEqual({ state: "ready" });
  const { data, info } = await decode((await look(sent))?.bytes ?? Buffer.alloc(0));
  expect(info).toMatchObject({ width: 64, height: 32, channels: 4 });
  expect([...data.subarray(0, 4)]).toEqual([200, 100, 50, 255]);
});

test("a skin in greys is in red, green and blue too", async () => {
  const grey = await sharp(Buffer.alloc(64 * 64, 90), { raw: { width: 64, height: 64, channels: 1 } })
    .png()
    .toBuffer();
  const { data, info } = await decode((await look(await make(grey)))?.bytes ?? Buffer.alloc(0));
  expect(info.channels).toBe(4);
  expect([...data.subarray(0, 4)]).toEqual([90, 90, 90, 255]);
});

test("a cape of 22 × 17 stands at the upper left of a transparent canvas of 64 × 32", async () => {
  const sent = await make(makePng({ width: 22, height: 17 }, [10, 20, 30]), "cape");
  expect(sent.result).toEqual({ state: "ready" });
  const { data, info } = await decode((await look(sent))?.bytes ?? Buffer.alloc(0));
  expect(info).toMatchObject({ width: 64, height: 32, channels: 4 });
  const at = (x: number, y: number) => [...data.subarray((y * 64 + x) * 4, (y * 64 + x) * 4 + 4)];
  expect([at(0, 0), at(21, 16), at(22, 16), at(21, 17), at(63, 31)]).toEqual([
    [10, 20, 30, 255],
    [10, 20, 30, 255],
    [0, 0, 0, 0],
    [0, 0, 0, 0],
    [0, 0, 0, 0],
  ]);
});

test.each<[string, () => Buffer]>([
  ["is cut short", () => Buffer.from(makePng({ width: 64, height: 64 })).subarray(0, 2_000)],
  ["has no pixels", () => Buffer.from(makePng({ width: 64, height: 64 })).subarray(0, 33)],
  ["has a wrong checksum among its pixels", () => Buffer.from(makePng({ width: 64, height: 64 })).fill(7, 900, 940)],
  [
    "is a header with something else behind it",
    () => insert(makePng({ width: 64, height: 64 }).slice(0, 33), Buffer.alloc(500, 65)),
  ],
])("U3 a skin that %s is rejected, and leaves nothing", async (_name, bytes) => {
  const sent = await make(bytes());
  expect(sent.result).toEqual({ state: "rejected", reason: expect.stringContaining("it is damaged") });
  expect(await look(sent)).toBeUndefined();
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
});

test("U3 what inflates without end is read as far as its header says", async () => {
  const rows = deflateSync(Buffer.alloc(64 * 1024 ** 2));
  const profile = Buffer.concat([Buffer.from("x\0\0"), deflateSync(Buffer.alloc(64 * 1024 ** 2))]);
  const small = Buffer.from(makePng({ width: 64, height: 64 }, [1, 2, 3]));
  const bomb = Buffer.concat([
    small.subarray(0, 33),
    chunk("iCCP", profile),
    chunk("IDAT", rows),
    chunk("IEND", Buffer.alloc(0)),
  ]);
  const { result } = await make(bomb);
  expect(["ready", "rejected"]).toContain(String(result?.state));
  expect((await make(makePng({ width: 64, height: 64 }))).result).toEqual({ state: "ready" });
});

test("of two that are sent the last one stays, in whatever order they are made; a second run changes nothing", async () => {
  const first = await send(makePng({ width: 64, height: 64 }, [1, 1, 1]));
  const last = await send(makePng({ width: 64, height: 64 }, [2, 2, 2]), "skin", first.playerId);
  const cape = await send(makePng({ width: 64, height: 32 }, [3, 3, 3]), "cape", first.playerId);
  const results = await Promise.all([last, first, cape, last].map((sent) => call(handle, deps, sent)));
  expect(results[1]).toEqual({ state: "over" });
  expect([results[0]?.state, results[3]?.state].filter((state) => state === "ready").length).toBeGreaterThan(0);
  expect((await decode((await look(last))?.bytes ?? Buffer.alloc(0))).data[0]).toBe(2);
  expect((await decode((await look(cape))?.bytes ?? Buffer.alloc(0))).data[0]).toBe(3);
  expect(await call(handle, deps, last)).toEqual({ state: "over" });
  expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
});

test("U8 what is blocked is not put on", async () => {
  const bytes = makePng({ width: 64, height: 64 }, [9, 9, 9]);
  const worn = await look(await make(bytes));
  await insertBlocked(deps.db, { sha256: [worn?.sha256 ?? ""], reason: "stolen" });
  const { result, ...sent } = await make(bytes);
  expect(result).toEqual({ state: "rejected", reason: "it is blocked on this server: stolen" });
  expect(await look(sent)).toBeUndefined();
});
