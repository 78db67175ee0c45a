import { describe, expect, test } from "bun:test";
import { maxTextureBytes, measureTexture } from "../../texture.ts";
import { makePng } from "../pictures.ts";

type Kind = "skin" | "cape";
const png = (width: number, height: number) => Buffer.from(makePng({ width, height }, [1, 2, 3]));

/** A PNG's header that says anything, with its checksum mended: nothing behind it is read. */
function declare(change: (header: Buffer) => void): Buffer {
  const bytes = png(64, 64);
  change(bytes);
  bytes.writeUInt32BE(Bun.hash.crc32(bytes.subarray(12, 29)), 29);
  return bytes;
}
const sized = (width: number, height: number) =>
  declare((bytes) => {
    bytes.writeUInt32BE(width, 16);
    bytes.writeUInt32BE(height, 20);
  });

describe("measureTexture()", () => {
  test.each<[Kind, number, number, number, number]>([
    ["skin", 64, 64, 64, 64],
    ["skin", 64, 32, 64, 32],
    ["skin", 128, 128, 128, 128],
    ["skin", 192, 96, 192, 96],
    ["skin", 1024, 1024, 1024, 1024],
    ["cape", 64, 32, 64, 32],
    ["cape", 1024, 512, 1024, 512],
    ["cape", 22, 17, 64, 32],
    ["cape", 44, 34, 128, 64],
    ["cape", 352, 272, 1024, 512],
    ["cape", 704, 544, 0, 0],
    ["cape", 22, 16, 0, 0],
    ["cape", 64, 64, 0, 0],
    ["cape", 33, 17, 0, 0],
    ["skin", 22, 17, 0, 0],
    ["skin", 32, 32, 0, 0],
    ["skin", 32, 16, 0, 0],
    ["skin", 64, 128, 0, 0],
    ["skin", 96, 96, 0, 0],
    ["skin", 1088, 1088, 0, 0],
    ["skin", 1, 1, 0, 0],
  ])("%s of %i × %i goes on %i × %i (0: nowhere)", (kind, width, height, canvasWidth, canvasHeight) => {
    const expected =
      canvasWidth > 0
        ? { size: { width, height }, canvas: { width: canvasWidth, height: canvasHeight } }
        : { refused: expect.stringMatching(new RegExp(`^it is ${width} × ${height} pixels; a ${kind} has `)) };
    expect(measureTexture(png(width, height), kind)).toEqual(expected);
  });

  test.each<[string, Buffer]>([
    ["nothing", Buffer.alloc(0)],
    ["a signature alone", png(64, 64).subarray(0, 8)],
    ["a header cut short", png(64, 64).subarray(0, 32)],
    ["a JPEG", Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), png(64, 64)])],
    ["an SVG", Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>`.padEnd(200))],
    ["line ends that a text transfer has mended", Buffer.from(png(64, 64)).fill(0x0a, 4, 5)],
    ["a first chunk that is no header", declare((bytes) => bytes.write("IDAT", 12, "latin1"))],
    ["a header of another length", declare((bytes) => bytes.writeUInt32BE(14, 8))],
    ["a wrong checksum", Buffer.from(png(64, 64)).fill(0, 29, 33)],
    ["a colour type that there is not", declare((bytes) => bytes.fill(5, 25, 26))],
    ["a depth that its colour type has not", declare((bytes) => bytes.fill(4, 24, 25))],
    ["another compression", declare((bytes) => bytes.fill(1, 26, 27))],
    ["another filter", declare((bytes) => bytes.fill(1, 27, 28))],
    ["another interlacing", declare((bytes) => bytes.fill(2, 28, 29))],
    ["no width", sized(0, 64)],
    ["no height", sized(64, 0)],
  ])("refuses %s", (_name, bytes) => {
    for (const kind of ["skin", "cape"] as const)
      expect(measureTexture(bytes, kind)).toEqual({ refused: "it is no PNG" });
  });

  test.each<[string, Buffer]>([
    ["30,000 × 30,000 in a few bytes", sized(30_000, 30_000)],
    ["14,016 × 14,016", sized(14_016, 14_016)],
    ["one endless row", sized(64 * 1_000_000, 1)],
    ["the largest that a header can say", sized(0xffff_ffc0, 0xffff_ffc0)],
    ["a negative height", sized(64, 0x8000_0040)],
  ])("U3 refuses %s, and nothing was decoded for it", (_name, bytes) => {
    for (const kind of ["skin", "cape"] as const)
      expect(measureTexture(bytes, kind)).toEqual({ refused: expect.stringContaining(" pixels; a ") });
  });

  test("U3 refuses more than a mebibyte, whatever it is", () => {
    const fits = Buffer.concat([png(64, 64), Buffer.alloc(maxTextureBytes)]).subarray(0, maxTextureBytes);
    expect(measureTexture(fits, "skin")).toHaveProperty("canvas");
    const refused = measureTexture(Buffer.concat([fits, Buffer.alloc(1)]), "skin");
    expect(refused).toEqual({ refused: "it has more than 1048576 bytes" });
  });

  test("reads no further than it was given, also in the middle of a larger buffer", () => {
    const around = Buffer.concat([Buffer.alloc(7, 0xff), png(64, 64)]);
    expect(measureTexture(around.subarray(7), "skin")).toHaveProperty("canvas");
    expect(measureTexture(around.subarray(7, 7 + 20), "skin")).toEqual({ refused: "it is no PNG" });
  });
});
