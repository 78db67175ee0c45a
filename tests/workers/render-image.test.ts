import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { insertBlocked } from "../../db/blob.ts";
import type { Deps } from "../../deps.ts";
import { stagingKey } from "../../storage/keys.ts";
import { handle } from "../../workers/render-image.ts";
import { openTestDeps, sha256 } from "../harness.ts";
import { makePng } from "../pictures.ts";
import { call, findLeftovers, query } from "./arrange.ts";
import { arrangeImage, makeAnimatedWebp, makeBitPng, readVariants, renderBytes } from "./arrange-image.ts";

let deps: Deps;
beforeAll(async () => {
  deps = await openTestDeps();
});
afterAll(() => deps?.close());

const render = (bytes: Uint8Array, sent = {}) => renderBytes(deps, bytes, sent);
const text = (...parts: (string | Uint8Array)[]) => Buffer.concat(parts.map((part) => Buffer.from(part as string)));

describe("a picture that is fine", () => {
  test("becomes four WebP variants that fit their squares and are never enlarged", async () => {
    const { id, result, row, quota } = await render(makePng({ width: 1200, height: 600 }));
    expect(result).toEqual({ state: "ready" });
    expect(row).toMatchObject({ state: "ready", width: 1200, height: 600, animated: false, renderer: 1, tries: 0 });
    expect(row.placeholder).toMatch(/^data:image\/webp;base64,/);
    expect(row.placeholder.length).toBeLessThanOrEqual(200);
    expect(quota.images).toBe(1);
    const variants = await readVariants(deps, id);
    const sizes = Object.entries(variants).map(([name, { width, height }]) => [name, width, height]);
    expect(sizes).toEqual([
      ["large.webp", 1200, 600],
      ["original.webp", 1200, 600],
      ["preview.webp", 960, 480],
      ["thumb.webp", 320, 160],
    ]);
    for (const { width, height, bytes } of Object.values(variants))
      expect(await sharp(bytes).metadata()).toMatchObject({ format: "webp", width, height });
    expect(await deps.storage.stat(stagingKey(id))).toBeUndefined();
    expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
    expect(await call(handle, deps, { imageId: id })).toEqual({ state: "ready" }); // once more: nothing to do
  });

  test("of a few pixels is stored once for all its variants", async () => {
    const { id } = await render(makePng({ width: 20, height: 10 }));
    const blobs = await query(deps, `select distinct blob_id from image.variant where image_id = $1`, [id]);
    expect(blobs).toHaveLength(1);
  });

  test("that moves keeps its frames, apart from the thumbnail", async () => {
    const frames = Buffer.from(Array.from({ length: 3 * 400 * 300 * 3 }, (_, index) => (index >> 12) & 255));
    const raw = { width: 400, height: 900, channels: 3 as const, pageHeight: 300 };
    const { id, row } = await render(
      await sharp(frames, { raw })
        .gif({ delay: [100, 200, 300], loop: 2 })
        .toBuffer(),
    );
    expect(row).toMatchObject({ state: "ready", width: 400, height: 300, animated: true });
    const { "thumb.webp": thumb, "original.webp": original } = await readVariants(deps, id);
    expect(thumb).toMatchObject({ width: 320, height: 240 });
    expect((await sharp(thumb?.bytes).metadata()).pages ?? 1).toBe(1);
    expect(original).toMatchObject({ width: 400, height: 300 });
    expect(await sharp(original?.bytes).metadata()).toMatchObject({ pages: 3, delay: [100, 200, 300], loop: 2 });
  });

  test("U1 is what its bytes are, whatever its name; what hangs on to it is not served", async () => {
    const jpeg = await sharp(makePng()).jpeg().toBuffer();
    const gif = await sharp(makePng()).gif().toBuffer();
    const files: Record<string, Uint8Array> = {
      "png.jpg": makePng(),
      "page.html": jpeg,
      "gifar.gif": text(gif, "PK\x03\x04 SECRET.class"),
      "jpeg.php": text(jpeg, "<?php SECRET(); ?>"),
    };
    for (const [name, bytes] of Object.entries(files)) {
      const { id, result } = await render(bytes, { name });
      expect([name, result]).toEqual([name, { state: "ready" }]);
      for (const variant of Object.values(await readVariants(deps, id))) {
        expect((await sharp(variant.bytes).metadata()).format).toBe("webp");
        expect(variant.bytes.includes("SECRET")).toBe(false);
      }
    }
  });
});

test("U4 nothing is left of GPS, EXIF, XMP, IPTC, comments and profiles; it is upright, and its colours are sRGB", async () => {
  const [width, height] = [400, 200];
  // Lying on its side: left is red, right is blue. Turned a quarter to the right, red is above.
  const paint = (x: number): [number, number, number] => (x < width / 2 ? [230, 40, 40] : [40, 40, 230]);
  const camera = await sharp(makePng({ width, height }, paint))
    .withExif({
      IFD0: { Make: "SECRET", ImageDescription: "SECRET" },
      IFD3: { GPSLatitudeRef: "N", GPSLatitude: "55/1 45/1 0/1", GPSLongitudeRef: "E", GPSLongitude: "37/1 37/1 0/1" },
    })
    .withXmp(`<x:xmpmeta xmlns:x="adobe:ns:meta/"><r>SECRET</r></x:xmpmeta>`)
    .withMetadata({ orientation: 6, icc: "p3" })
    .jpeg({ quality: 95, chromaSubsampling: "4:4:4" })
    .toBuffer();
  const segment = (marker: number, data: Buffer) =>
    Buffer.concat([Buffer.from([0xff, marker, (data.length + 2) >> 8, (data.length + 2) & 255]), data]);
  const iptc = segment(0xed, text("Photoshop 3.0\0", "8BIM\x04\x04\0\0\0\0\0\x0a\x1c\x02\x78\0\x06SECRET"));
  const sent = Buffer.concat([camera.subarray(0, 2), segment(0xfe, text("SECRET")), iptc, camera.subarray(2)]);
  const before = await sharp(sent).metadata();
  expect(before).toMatchObject({ orientation: 6, width, height });
  expect([before.exif, before.xmp, before.icc, before.iptc].every(Boolean)).toBe(true);
  // As they lie in the file, its numbers are not those of sRGB: whoever drops the profile without converting is seen.
  const { data: lying } = await sharp(sent, { ignoreIcc: true }).raw().toBuffer({ resolveWithObject: true });
  expect(Math.abs((lying[0] ?? 0) - 230)).toBeGreaterThan(8);

  const { id, row } = await render(sent);
  expect(row).toMatchObject({ state: "ready", width: height, height: width });
  for (const [name, { bytes }] of Object.entries(await readVariants(deps, id))) {
    const { exif, xmp, icc, iptc: left, orientation, comments } = await sharp(bytes).metadata();
    expect([name, exif, xmp, icc, left, orientation, comments]).toEqual([name, ...Array(6).fill(undefined)]);
    expect(bytes.includes("SECRET")).toBe(false);
    const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
    const pixel = (y: number) => [...data.subarray((y * info.width + 20) * info.channels).subarray(0, 3)];
    const distance = (found: number[], wanted: number[]) =>
      Math.max(...wanted.map((value, index) => Math.abs(value - (found[index] ?? 0))));
    expect(distance(pixel(20), [230, 40, 40])).toBeLessThan(8);
    expect(distance(pixel(info.height - 20), [40, 40, 230])).toBeLessThan(8);
  }
});

const svg = (inside: string) => `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">${inside}</svg>`;
const entities = Array.from({ length: 9 }, (_, n) => `<!ENTITY a${n + 1} "${`&a${n};`.repeat(9)}">`).join("");

/** Files that are refused, each with what its sender reads. */
const refused: Record<string, [reason: RegExp, bytes: () => Uint8Array | Promise<Uint8Array>]> = {
  "U1 a PDF": [/a PDF file; JPEG, PNG, WebP and GIF are accepted/, () => text("%PDF-1.7\n/JavaScript (app.alert(1))")],
  "U1 HTML": [/an HTML page/, () => text("<!doctype html><script>alert(1)</script>")],
  "U1 HTML after PNG's first bytes": [/an HTML page/, () => text(Buffer.from([0x89]), "PNG<html><script>1</script>")],
  "U1 HTML after PNG's signature": [
    /an HTML page/,
    () => text(makePng().subarray(0, 8), "<html><script>alert(1)</script></html>"),
  ],
  "U1 a header and nothing else": [/damaged/, () => makePng().subarray(0, 40)],
  "U1 a ZIP": [/an archive/, () => text("PK\x03\x04rest")],
  "U1 an AVIF": [/an AVIF image/, () => text("\0\0\0\x20ftypavif\0\0\0\0")],
  "U1 nothing at all": [/no image/, () => text(" ")],
  "U2 SVG with a script": [/an SVG image/, () => text(svg("<script>alert(1)</script>"))],
  "U2 SVG with a page in it": [/an SVG image/, () => text(svg("<foreignObject><body/></foreignObject>"))],
  "U2 SVG that fetches": [/an SVG image/, () => text(svg(`<image href="http://127.0.0.1:1/x"/>`))],
  "U2 SVG with an entity": [
    /an SVG image/,
    () => text(`<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>`, svg("<text>&x;</text>")),
  ],
  "U2 SVG of a billion laughs": [
    /image/,
    () => text(`<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a0 "ha">${entities}]>`, svg("<text>&a9;</text>")),
  ],
  "U2 SVG, zipped": [/no image/, () => gzipSync(svg(""))],
  "U3 32 KB that declare 30,000 × 30,000": [
    /30000 × 30000 pixels/,
    () => text(makeBitPng({ width: 30_000, height: 30_000, rows: 8 }), Buffer.alloc(32_000)),
  ],
  "U3 14,000 × 14,000 flat": [/14000 × 14000; 50 million/, () => makeBitPng({ width: 14_000, height: 14_000 })],
  "U3 one row": [/50000000 × 1 pixels/, () => makeBitPng({ width: 50_000_000, height: 1 })],
  "U3 10,000 frames": [/10000 frames/, () => makeAnimatedWebp({ frames: 10_000 })],
  "U3 few frames on a large canvas": [/3000 × 3000 × 20 frames/, () => makeAnimatedWebp({ frames: 20, side: 3_000 })],
  "half a JPEG": [
    /damaged/,
    async () => {
      const jpeg = await sharp(makePng({ width: 300, height: 300 }, (x, y) => [x, y, x ^ y]))
        .jpeg()
        .toBuffer();
      return jpeg.subarray(0, jpeg.length / 2);
    },
  ],
};

describe("refused with a reason, its room in the quota given back, its bytes gone", () => {
  for (const [name, [reason, make]] of Object.entries(refused)) {
    test(name, async () => {
      const { id, result, row, quota } = await render(await make());
      expect(result).toEqual({ state: "rejected", reason: expect.stringMatching(reason) });
      expect(row).toMatchObject({ state: "rejected", reason: result?.reason, source_blob_id: null });
      expect(quota).toEqual({ images: 0, sizeBytes: 0 });
      expect(await deps.storage.stat(stagingKey(id))).toBeUndefined();
      expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
    });
  }

  test("U3 all of them together take the decoder's memory nowhere", async () => {
    const peaks = await Promise.all(
      deps.decoder.pids().map(async (pid) => {
        const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
        return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
      }),
    );
    expect(peaks.length).toBeGreaterThan(0);
    expect(Math.max(...peaks)).toBeLessThan(300); // MiB, with Bun and libvips in it
  });

  test("other bytes than were announced, more of them, or none", async () => {
    const bytes = makePng();
    expect((await render(bytes, { digest: sha256("others") })).row.reason).toContain("was announced");
    expect((await render(bytes, { size: 3 })).row.reason).toContain("3 was announced");
    const { id } = await arrangeImage(deps, bytes);
    await deps.storage.remove([stagingKey(id)]);
    expect(await call(handle, deps, { imageId: id })).toEqual({ state: "rejected", reason: "no bytes have arrived" });
    expect(await findLeftovers(deps)).toEqual({ objects: [], rows: [] });
  });

  test("U8 bytes that are blocked on this server", async () => {
    const bytes = makePng({ seed: "known to be bad" });
    await insertBlocked(deps.db, { sha256: [sha256(bytes)], reason: "a test" });
    const { row } = await render(bytes);
    expect(row).toMatchObject({ state: "rejected", reason: "these bytes are blocked on this server: a test" });
    expect(await query(deps, `select 1 from blob.blob where sha256 = $1`, [sha256(bytes)])).toEqual([]);
  });
});
