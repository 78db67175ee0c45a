import { expect, test } from "bun:test";
import { join } from "node:path";
import fc from "fast-check";
import { readShortId, renderModrinthProject, renderModrinthVersion, writeShortId } from "../../formats/modrinth.ts";

const golden = (name: string) => Bun.file(join(import.meta.dir, "../fixtures/modrinth", name)).text();
const write = (value: object) => `${JSON.stringify(value, null, 2)}\n`;

const packId = "0194f1c2-7a3b-7cde-8f01-23456789abcd";
const version = {
  id: "0194f1c2-8000-7000-8000-000000000001",
  packId,
  packName: 'Кастл "<b>"',
  visibility: "public",
  version: "1.2.0+fix",
  channel: "beta",
  minecraft: "1.21.1",
  loaderName: "fabric-loader",
  changelog: "One\n\nTwo",
  publishedAt: new Date("2026-02-03T04:05:06.789Z"),
  isYanked: false,
} as const;
const mrpack = {
  url: "https://sunduk.example/p/castle/1.2.0%2Bfix.mrpack",
  filename: "castle-1.2.0+fix.mrpack",
  sha1: "a".repeat(40),
  sha512: "b".repeat(128),
  sizeBytes: 1234,
  primary: true,
};
/** A reference of which only one digest was told, and no size. */
const reference = {
  url: "https://cdn.example/sodium.jar",
  filename: "sodium.jar",
  sha1: null,
  sha512: "c".repeat(128),
  sizeBytes: null,
  primary: false,
};
const pack = {
  id: packId,
  slug: "castle",
  name: 'Кастл "<b>"',
  summary: "A castle",
  description: "# A castle",
  licence: "MIT",
  tags: ["adventure"],
  links: { source: "https://git.example/castle", discord: "https://chat.example/castle" },
  visibility: "public",
  minecraft: ["1.21.1"],
  loaders: ["fabric-loader"],
  hasIcon: true,
  createdAt: new Date("2026-01-01T00:00:00Z"),
  updatedAt: new Date("2026-02-03T04:05:06Z"),
  versionIds: [version.id],
  downloads: 12,
  followers: 3,
} as const;
const mutable = {
  ...pack,
  tags: [...pack.tags],
  minecraft: [...pack.minecraft],
  loaders: [...pack.loaders],
  versionIds: [...pack.versionIds],
};

test("a version is written as it always was", async () => {
  expect(write(renderModrinthVersion(version, [mrpack, reference]))).toBe(await golden("version.json"));
  const yanked = { ...version, isYanked: true, loaderName: null };
  expect(renderModrinthVersion(yanked, [])).toMatchObject({ status: "archived", loaders: ["minecraft"], files: [] });
  expect(renderModrinthVersion({ ...version, visibility: "private" }, [])).toMatchObject({ status: "unlisted" });
});

test("a project is written as it always was", async () => {
  const publicUrl = "https://sunduk.example";
  expect(write(renderModrinthProject(mutable, { publicUrl }))).toBe(await golden("project.json"));
  const bare = renderModrinthProject({ ...mutable, hasIcon: false, licence: "", links: {} }, { publicUrl });
  expect(bare).toMatchObject({ icon_url: null, source_url: null, license: { id: "LicenseRef-Unknown" } });
});

test("ids have 8 characters of base62, and are read as what they were made of", () => {
  expect(writeShortId("00000000-0000-7000-8000-000000000000")).toBe("00000000");
  expect(writeShortId("00000000-0000-7000-8000-ffffffffffff")).toBe(
    writeShortId("00000000-0000-7000-8000-7fffffffffff"),
  );
  fc.assert(
    fc.property(fc.uuid({ version: 7 }), (uuid) => {
      const text = writeShortId(uuid);
      expect(text).toMatch(/^[0-9A-Za-z]{8}$/);
      expect(readShortId(text)).toBe(Number(BigInt(`0x${uuid.slice(-12)}`) % 2n ** 47n));
    }),
  );
  for (const wrong of ["", "zzzzzzzz", "1234567", "123456789", "1234-678", "ключключ"])
    expect(readShortId(wrong)).toBeUndefined();
});
