import { describe, expect, test } from "bun:test";
import { posix } from "node:path";
import fc from "fast-check";
import { parse as parseToml } from "smol-toml";
import type { Manifest } from "../../formats/manifest.ts";
import { type Packwiz, renderPackwiz } from "../../formats/packwiz.ts";
import { checkPath, findPathClashes } from "../../paths.ts";
import { long, sha256 } from "../harness.ts";
import { everything, golden, manifestOf, storedFile } from "./sample.ts";

const root = "https://packs.example.org/p/winter";
const options = { root, indexName: "index-1.2.0.toml", changed: new Set<string>() };

type Entry = { file: string; hash: string; metafile?: boolean; preserve?: boolean };
const entriesOf = ({ index }: Packwiz) => (parseToml(index) as unknown as { files?: Entry[] }).files ?? [];

/** Destinations as packwiz-installer makes them: a metafile's folder and its `filename`, `..` resolved. */
function destinations(rendered: Packwiz): string[] {
  return entriesOf(rendered).map(({ file, metafile }) => {
    if (!metafile) return file;
    const meta = parseToml(rendered.metafiles.get(file) ?? "");
    return posix.join(posix.dirname(file), String(meta.filename));
  });
}

describe("a version in the packwiz format", () => {
  const rendered = renderPackwiz(everything, options);

  test("is these bytes", async () => {
    expect(rendered.pack).toBe(await golden("packwiz/pack.toml", rendered.pack));
    expect(rendered.index).toBe(await golden("packwiz/index.toml", rendered.index));
    const metafiles = [...rendered.metafiles].map(([name, text]) => `# ${name}\n${text}`).join("\n");
    expect(metafiles).toBe(await golden("packwiz/metafiles.toml", metafiles));
  });

  test("has digests from pack to index to each metafile, and every file at its path", () => {
    const pack = parseToml(rendered.pack);
    expect(pack).toMatchObject({ name: 'Зима "26"', versions: { minecraft: "1.20.1", fabric: "0.15.0" } });
    expect(pack.index).toEqual({ file: "index-1.2.0.toml", "hash-format": "sha256", hash: sha256(rendered.index) });
    for (const { file, hash, metafile } of entriesOf(rendered))
      expect(hash).toBe(sha256(metafile ? (rendered.metafiles.get(file) ?? "") : file));
    expect(destinations(rendered)).toEqual(everything.files.map(({ path }) => path));
  });

  const metaOf = (name: string): any => {
    const found = [...rendered.metafiles].find(([, text]) => parseToml(text).name === name);
    return parseToml(found?.[1] ?? "");
  };
  test.each([
    ["far.jar", "sha512", /^[0-9a-f]{128}$/],
    ["by-sha1.jar", "sha1", /^[0-9a-f]{40}$/],
    ["by-md5.jar", "md5", /^[0-9a-f]{32}$/],
    ["by-murmur.jar", "murmur2", /^4000000000$/],
  ])("names the best digest that is known of %s", (name, format, hash) => {
    const { download } = metaOf(name);
    expect(download).toEqual({
      url: `https://cdn.example.org/files/mods/${name}%20[1].jar`,
      "hash-format": format,
      hash: expect.stringMatching(hash),
    });
  });

  test("says of optional files what they are and whether they are taken", () => {
    expect(metaOf("maybe.jar").option).toEqual({ optional: true, default: false });
    expect(metaOf("minimap.jar")).toMatchObject({
      side: "client",
      option: { optional: true, description: 'Карты: Says "where"\nyou are \\ were', default: true },
    });
    expect(metaOf("music.jar").option).toEqual({ optional: true, description: "Music", default: false });
    expect(metaOf("client.jar").option).toBeUndefined();
  });

  test("knows its own names: files called like these are fetched by digest", () => {
    for (const path of [
      "pack.toml",
      "index.toml",
      "index-2.toml",
      "files.json",
      "a.mrpack",
      "hmcl/x",
      "1.0.0/x",
      "v1/x",
      "x.pw.toml",
    ]) {
      const one = renderPackwiz(manifestOf([storedFile(path)]), options);
      expect([...one.raw]).toEqual([]);
      expect(destinations(one)).toEqual([path]);
      const meta: any = parseToml([...one.metafiles.values()][0] ?? "");
      expect(meta.download.url).toBe(`${root}/blobs/${sha256(path)}`);
    }
    const free = renderPackwiz(manifestOf([storedFile("config/pack.toml"), storedFile("config/hmcl/x")]), options);
    expect([...free.raw]).toEqual(["config/pack.toml", "config/hmcl/x"]);
  });

  test("gives what has changed at its path another name, and the same one as long as it says the same", () => {
    const name = (text: string, more: object = {}, changed = new Set(["a.txt"])) => {
      const file = { ...storedFile(text), path: "a.txt", ...more };
      return entriesOf(renderPackwiz(manifestOf([file]), { ...options, changed }))[0]?.file ?? "";
    };
    expect(name("1", {}, new Set())).toBe("a.txt");
    expect(name("1")).toMatch(/^a\.txt\.[0-9a-f]{8}\.pw\.toml$/);
    expect(name("2")).not.toBe(name("1"));
    expect(name("1")).toBe(name("1"));
    expect(name("1", { side: "client" })).not.toBe(name("1"));
    // What is installed once must not be removed because it is called differently.
    expect(name("1", { preserve: true })).toBe("a.txt");
    expect(name("1", { preserve: true, side: "client" })).toBe(name("2", { preserve: true, side: "client" }));
  });

  test("by a share link has its addresses there, and nothing else of it", () => {
    const link = `https://packs.example.org/p/t/${"T".repeat(43)}/winter`;
    const linked = renderPackwiz(everything, { ...options, root: link });
    expect([...linked.metafiles.keys()]).toEqual([...rendered.metafiles.keys()]);
    expect(linked.index).not.toContain("TTTT");
    for (const [name, text] of linked.metafiles)
      expect(text.replaceAll(link, root)).toBe(rendered.metafiles.get(name) ?? "");
  });
});

const names = long ? 1_000_000 : 10_000;
const unit = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(..."abcABZ019 .-_'()[]{}#%&+=,;!~@$^`éй漢❤/".split("")) },
  { weight: 1, arbitrary: fc.constantFrom("mods/", "blobs/", "release/", ".toml", ".pw.toml", "index", "pack.toml") },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }) },
);
const path = fc.array(unit, { minLength: 1, maxLength: 12 }).map((units) => units.join(""));
/** What a pack's name or a group's description may hold: anything. */
const words = fc.oneof(fc.string({ unit: "binary", maxLength: 20 }), fc.string({ maxLength: 20 }));

test(`any of ${names} paths is installed where it belongs, and any text is read back as it was`, () => {
  let read = 0;
  for (let done = 0; done < names; done += 1_000) {
    const sample = new Set(
      fc.sample(path, { numRuns: 1_000, seed: 7 + done }).filter((one) => checkPath(one) === undefined),
    );
    for (const clash of findPathClashes(sample)) sample.delete(clash.path);
    const [name = "", description = ""] = fc.sample(words, { numRuns: 2, seed: done });
    const files = [...sample]
      .sort()
      .map((one, index) =>
        storedFile(one, index % 3 === 0 ? { optional: true, group: "g" } : index % 3 === 1 ? { side: "client" } : {}),
      );
    const more: Partial<Manifest> = {
      pack: { slug: "winter", name },
      groups: [{ id: "g", name: "G", ...(description && { description }) }],
    };
    const rendered = renderPackwiz(manifestOf(files, more), options);
    expect(destinations(rendered)).toEqual(files.map(({ path: one }) => one));
    expect(new Set(entriesOf(rendered).map(({ file }) => file)).size).toBe(files.length);
    expect(parseToml(rendered.pack).name).toBe(name.toWellFormed() || "winter");
    for (const text of rendered.metafiles.values()) {
      const { option }: any = parseToml(text);
      if (option) expect(option.description).toBe(description ? `G: ${description}`.toWellFormed() : "G");
    }
    // Joined as a client does that knows of addresses only that they are text.
    for (const { file } of entriesOf(rendered)) {
      const address = new URL(file, `${root}/`);
      expect(decodeURIComponent(address.pathname)).toBe(`/p/winter/${file}`);
      expect([address.search, address.hash]).toEqual(["", ""]);
    }
    read += files.length;
  }
  expect(read).toBeGreaterThan(names / 10);
}, 600_000);
