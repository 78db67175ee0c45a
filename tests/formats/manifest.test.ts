import { expect, test } from "bun:test";
import { join } from "node:path";
import type { VersionFileRow } from "../../db/version-file.ts";
import { parseManifest } from "../../formats/manifest.ts";
import { renderManifest } from "../../workers/render-manifest.ts";

const golden = (name: string) => Bun.file(join(import.meta.dir, "../fixtures/manifest", name)).text();

const stored = (path: string, letter: string, more: Partial<VersionFileRow> = {}): VersionFileRow => ({
  path,
  side: "both",
  optional: false,
  preserve: false,
  sha256: letter.repeat(64),
  sizeBytes: 5,
  blobId: "0190f5a0-0000-7000-8000-000000000001",
  url: null,
  digests: null,
  mirror: null,
  mirrorReason: null,
  groupId: null,
  sha1: letter.repeat(40),
  sha512: letter.repeat(128),
  md5: letter.repeat(32),
  murmur2: 7,
  crc32: 9,
  key: "blobs/a",
  ...more,
});
const reference = stored("mods/far.jar", "e", {
  blobId: null,
  sizeBytes: null,
  url: "https://example.org/far.jar",
  digests: { sha1: "f".repeat(40), murmur2: "12" },
  side: "client",
});
const plain = {
  pack: { slug: "golden", name: "Сборка" },
  version: "1.0.0",
  channel: "release",
  publishedAt: "2026-05-01T10:00:00.000Z",
  minecraft: "1.21.1",
  loader: { name: "fabric", version: "0.16.0" },
  java: null,
  memoryMb: null,
  serverAddress: null,
  groups: null,
  files: [stored("config/a.txt", "a", { preserve: true }), reference],
  previous: new Map<string, string>(),
};

test("a version that says no more than versions always did has the bytes that it always had", async () => {
  const bytes = renderManifest(plain);
  expect(new TextDecoder().decode(bytes)).toBe(await golden("plain.json"));
  expect(parseManifest(bytes).files).toHaveLength(2);
});

test("settings, groups and previous digests stand at their places, whatever order the database has kept them in", async () => {
  const bytes = renderManifest({
    ...plain,
    java: "21",
    memoryMb: 4096,
    serverAddress: "play.example.org:25566",
    groups: [
      {
        conflicts: ["b"],
        exclusive: "x",
        recommended: true,
        description: "Words",
        name: "A",
        requires: ["c"],
        id: "a",
      },
      { name: "B", id: "b" },
      { required: true, name: "C", id: "c" },
    ],
    files: [
      stored("a.txt", "a", { groupId: "a", optional: true }),
      stored("b.txt", "b"),
      stored("c.txt", "c", { groupId: "c" }),
      { ...reference, groupId: "b", optional: true },
    ],
    previous: new Map([
      ["a.txt", "0".repeat(64)],
      ["b.txt", "b".repeat(64)],
      ["mods/far.jar", "1".repeat(64)],
      ["gone.txt", "2".repeat(64)],
    ]),
  });
  expect(new TextDecoder().decode(bytes)).toBe(await golden("grown.json"));
  expect(parseManifest(bytes).groups?.map(({ id }) => id)).toEqual(["a", "b", "c"]);
});
