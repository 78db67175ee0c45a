import { expect, test } from "bun:test";
import fc from "fast-check";
import { digestImages, nameImages } from "../../album-archive.ts";
import { checkPath, findPathClashes } from "../../paths.ts";

const pathsOf = (names: string[]) => nameImages(names.map((name) => ({ name }))).map(({ path }) => path);

test.each([
  ["castle.png", "001 castle.webp"],
  ["Замок на горе.JPEG", "001 Замок на горе.webp"],
  ["../../etc/passwd", "001 etcpasswd.webp"],
  ["..", "001 image.webp"],
  [".png", "001 image.webp"],
  ["CON.png", "001 CON.webp"],
  ["a:b*c?.png", "001 abc.webp"],
  ["\u202egnp.exe", "001 gnp.webp"],
  ["100%2e%2e.png", "001 1002e2e.webp"],
  ["  spaces   inside .gif", "001 spaces inside.webp"],
  ["no extension", "001 no extension.webp"],
  ["half \ud83d.png", "001 half \ufffd.webp"],
])("%j becomes %j", (name, path) => {
  expect(pathsOf([name])).toEqual([path]);
});

test("names are in the order of the images, and long enough numbers keep it", () => {
  const paths = pathsOf(Array.from({ length: 1_200 }, () => "x.png"));
  expect([paths[0], paths[9], paths[1_199]]).toEqual(["0001 x.webp", "0010 x.webp", "1200 x.webp"]);
  expect(paths.toSorted()).toEqual(paths);
});

test("whatever images are called, their names in an archive are safe, unique and the same again", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary", maxLength: 300 }), { maxLength: 20 }), (names) => {
      const paths = pathsOf(names);
      expect(paths.map((path) => checkPath(path)).filter(Boolean)).toEqual([]);
      expect(paths.filter((path) => path.includes("/"))).toEqual([]);
      expect(findPathClashes(paths)).toEqual([]);
      expect(pathsOf(names)).toEqual(paths);
    }),
    { numRuns: 500 },
  );
});

test("an archive is known by its images, their bytes, their names and their order", () => {
  const images = [
    { id: "1", name: "a.png", blobId: "x" },
    { id: "2", name: "b.png", blobId: "y" },
  ];
  const [one, two] = images;
  if (!one || !two) throw new Error("two images");
  const others = [
    [two, one],
    [one],
    [one, { ...two, blobId: "z" }],
    [one, { ...two, name: "c.png" }],
    [one, { ...two, id: "3" }],
    [],
  ];
  const digests = [images, ...others].map(digestImages);
  expect(new Set(digests).size).toBe(digests.length);
  expect(digestImages(structuredClone(images))).toBe(digestImages(images));
});
