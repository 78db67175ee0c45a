import { describe, expect, test } from "bun:test";
import { renderFlatList } from "../../formats/flat-list.ts";
import { renderHmcl } from "../../formats/hmcl.ts";
import { layOutMrpack } from "../../formats/mrpack.ts";
import { everything, golden, manifestOf, reference, storedFile } from "./sample.ts";

const blobs = "https://packs.example.org/v1/blobs";
const digest = (letter: string, digits: number) => letter.repeat(digits);
/** Without what an mrpack has no room for. */
const packable = { ...everything, files: everything.files.filter(({ path }) => !path.startsWith("mods/by-")) };

describe("mrpack", () => {
  test("is these bytes, with addresses", async () => {
    const { index, inside } = layOutMrpack(packable, { blobs });
    expect(inside).toEqual([]);
    expect(index).toBe(await golden("mrpack/modrinth.index.json", index));
  });

  test("holds inside what has no address or is too large for a list, by its side", () => {
    const paths = (options: Parameters<typeof layOutMrpack>[1], manifest = packable) =>
      layOutMrpack(manifest, options).inside.map(({ path }) => path);
    const large = manifestOf([storedFile("a.jar", { size: 2 ** 32 }), storedFile("b.jar", { size: 2 ** 32 - 1 })]);
    expect(paths({ blobs }, large)).toEqual(["overrides/a.jar"]);
    expect(paths({ blobs: "" })).toContain("client-overrides/mods/client.jar");
    expect(paths({ blobs: "" })).toContain("server-overrides/mods/server.jar");
    expect(paths({ blobs: "", side: "server" }).filter((path) => path.startsWith("client-"))).toEqual([]);
    expect(JSON.parse(layOutMrpack(packable, { blobs, side: "server" }).index).files).toHaveLength(
      packable.files.length - 2,
    );
  });

  const known = ["minecraft", "forge", "neoforge", "fabric-loader", "quilt-loader"];
  test.each(["fabric", "fabric-loader", "quilt", "quilt-loader", "forge", "neoforge"])(
    "knows %s by one of five keys",
    (name) => {
      const { index } = layOutMrpack(manifestOf([], { loader: { name, version: "1" } }), { blobs });
      const keys = Object.keys(JSON.parse(index).dependencies);
      expect(keys).toHaveLength(2);
      expect(keys.filter((key) => !known.includes(key))).toEqual([]);
    },
  );

  test("refuses what it has no room for, naming it", () => {
    expect(() => layOutMrpack(everything, { blobs })).toThrow(/3 have not got them/);
    const rift = manifestOf([], { loader: { name: "rift", version: "1" } });
    expect(() => layOutMrpack(rift, { blobs })).toThrow(/not rift/);
    const small = manifestOf([reference("a.jar", { sha1: digest("a", 40), sha512: digest("b", 128) })]);
    expect(JSON.parse(layOutMrpack(small, { blobs }).index).files[0].downloads).toEqual([
      "https://cdn.example.org/files/a.jar%20[1].jar",
    ]);
  });
});

test("HMCL's manifest is these bytes", async () => {
  const made = renderHmcl(everything, { fileApi: "https://packs.example.org/hmcl/winter" });
  expect(made).toBe(await golden("hmcl/server-manifest.json", made));
  // Nobody is asked: what is recommended is taken, what stands in no group too, and nothing of the server's.
  const paths = JSON.parse(made).files.map(({ path }: { path: string }) => path);
  expect(paths).toContain("mods/minimap.jar");
  expect(paths).toContain("mods/maybe.jar");
  for (const path of ["mods/music.jar", "mods/server.jar", "mods/by-md5.jar"]) expect(paths).not.toContain(path);
});

test("the flat list is these bytes, for all or for one side", async () => {
  const made = renderFlatList(everything, { blobs, side: "both" });
  expect(made).toBe(await golden("flat-list/files.json", made));
  const paths = (side: "client" | "server") =>
    JSON.parse(renderFlatList(everything, { blobs, side })).map(({ path }: { path: string }) => path);
  expect(paths("client")).not.toContain("mods/server.jar");
  expect(paths("server")).not.toContain("mods/client.jar");
});
