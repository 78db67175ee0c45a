import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { verifyFolder } from "../../cli/install/verify.ts";
import { Fault } from "../../fault.ts";
import { makeFolder } from "./install-folder.ts";
import { hex } from "./install-server.ts";
import { installFrom, type Packed, startPackHost } from "./pack-host.ts";

const host = startPackHost();
afterAll(() => host.stop());
beforeEach(() => host.clear());
const signal = new AbortController().signal;

const jar = (file: string, bytes = `bytes of ${file}`, more = "") => host.addJar("pack", { file, bytes, more });
const raw = (file: string, bytes = `text of ${file}`, more = "") => host.addFile("pack", { file, bytes, more });
const write = (version: string, entries: Packed[]) => host.writePackwiz("pack", { version, entries });

async function failureOf(address: string, dir: string): Promise<Fault> {
  const failure = await installFrom(address, dir).catch((error: unknown) => error);
  if (failure instanceof Fault) return failure;
  throw new Error(`it was installed: ${JSON.stringify(failure)}`);
}

describe("a packwiz pack of another host", () => {
  test("is installed by side, with what is optional as its author and the player say", async () => {
    using folder = makeFolder();
    const optional = (more: string) => `[option]\noptional = true\n${more}`;
    const address = write("1.0.0", [
      jar("mods/both", "both"),
      jar("mods/client", "client", 'side = "client"'),
      jar("mods/server", "server", 'side = "server"'),
      jar("mods/maybe", "maybe", optional("")),
      jar("mods/rather", "rather", optional("default = true")),
      raw("config/a b.txt", "a"),
      raw("config/from.txt", "aliased", 'alias = "options.txt"\npreserve = true'),
    ]);
    const first = await installFrom(address, folder.dir);
    const client = {
      "config/a b.txt": "a",
      "mods/both.jar": "both",
      "mods/client.jar": "client",
      "mods/rather.jar": "rather",
      "options.txt": "aliased",
    };
    expect(folder.files()).toEqual(client);
    expect(first).toMatchObject({ pack: "Elsewhere", version: "1.0.0", side: "client", fetched: 5 });
    expect(first.optional).toEqual([
      { name: "mods/maybe.jar", taken: false },
      { name: "mods/rather.jar", taken: true },
    ]);
    folder.write("options.txt", "the player's");
    await installFrom(address, folder.dir, { groups: ["maybe.jar"], without: ["mods/rather.jar"] });
    const { "mods/rather.jar": _, ...rest } = client;
    const chosen = { ...rest, "mods/maybe.jar": "maybe", "options.txt": "the player's" };
    expect(folder.files()).toEqual(chosen);
    // What was chosen is kept, and the pack that did not change is asked for once.
    host.calls.length = 0;
    expect(await installFrom(address, folder.dir)).toMatchObject({ upToDate: true });
    expect([folder.files(), host.calls]).toEqual([chosen, ["pack/pack.toml"]]);
    expect((await verifyFolder(folder.dir, { signal })).missing).toEqual([]);

    using other = makeFolder();
    await installFrom(address, other.dir, { side: "server" });
    expect(Object.keys(other.files())).toContain("mods/server.jar");
    expect(Object.keys(other.files())).not.toContain("mods/client.jar");
    await installFrom(address, other.dir, { side: "both", allOptional: true });
    expect(Object.keys(other.files())).toHaveLength(7);
  });

  test("is updated by its new index: only what changed is fetched, what is gone goes", async () => {
    using folder = makeFolder();
    const same = jar("mods/same");
    await installFrom(write("1", [same, jar("mods/old"), raw("config/x.txt", "1")]), folder.dir);
    const address = write("2", [same, jar("mods/new"), raw("config/x.txt", "2")]);
    const result = await installFrom(address, folder.dir);
    expect(result).toMatchObject({ version: "2", fetched: 2, removed: 1, unchanged: 1 });
    expect(folder.files()).toEqual({
      "config/x.txt": "2",
      "mods/new.jar": "bytes of mods/new",
      "mods/same.jar": "bytes of mods/same",
    });
  });

  test("has its files beneath pack.toml, without the query that opened it", async () => {
    using folder = makeFolder();
    const address = write("1", [raw("a.txt", "a")]);
    await installFrom(`${address}?key=secret`, folder.dir);
    expect(host.calls).toEqual(["pack/pack.toml?key=secret", "pack/index.toml", "pack/a.txt"]);
  });

  test("waits as long as its host asks for", async () => {
    using folder = makeFolder();
    host.odd.set("pack/index.toml", (times) =>
      times > 7 ? undefined : new Response("later", { status: 503, headers: { "retry-after": times > 1 ? "0" : "1" } }),
    );
    const address = write("1", [raw("a.txt", "a")]);
    const startedAt = performance.now();
    await installFrom(address, folder.dir);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(1000);
    expect(folder.files()).toEqual({ "a.txt": "a" });
  });

  const broken: [what: string, make: () => string, detail: RegExp][] = [
    [
      "an index that is not the one of pack.toml",
      () => tampered("pack/index.toml", "# more\n"),
      /index.toml: its sha256/,
    ],
    [
      "a metafile that is not the one of the index",
      () => tampered("pack/mods/a.pw.toml", "# more\n"),
      /a.pw.toml: its/,
    ],
    ["a jar that is not the one of its metafile", () => tampered("jars/a.jar", "evil"), /do not have the digest/],
    ["a file that is not the one of the index", () => tampered("pack/b.txt", "evil"), /do not have the digest/],
    ["a file without a hash", () => write("1", [{ ...raw("b.txt"), hash: "" }]), /no hash in the index/],
    ["mods that only CurseForge gives out", () => write("1", [curseForge("mods/cf")]), /CurseForge/],
    ["a missing index", () => missing("pack/index.toml"), /answered 404/],
    ["a pack.toml that is a page", () => page(), /pack.toml/],
  ];
  const tampered = (path: string, more: string) => {
    const address = write("1", [jar("mods/a", "good"), raw("b.txt", "good")]);
    host.files.set(path, `${host.files.get(path)}${more}`);
    return address;
  };
  const missing = (path: string) => {
    const address = write("1", [raw("b.txt")]);
    host.files.delete(path);
    return address;
  };
  const page = () => {
    host.files.set("pack/pack.toml", "<!doctype html>");
    return `${host.url}/pack/pack.toml`;
  };
  const curseForge = (file: string): Packed => {
    const path = `${file}.pw.toml`;
    const download = '[download]\nhash-format = "sha1"\nhash = "x"\nmode = "metadata:curseforge"\n';
    host.files.set(`pack/${path}`, `name = "x"\nfilename = "x.jar"\n${download}`);
    return { file: path, more: "metafile = true" };
  };
  for (const [what, make, detail] of broken) {
    test(`with ${what} is refused, and the folder is as it was`, async () => {
      using folder = makeFolder();
      const failure = await failureOf(make(), folder.dir);
      expect([failure.message, ...failure.errors.map((place) => place.detail)].join("\n")).toMatch(detail);
      expect(folder.files()).toEqual({});
    });
  }
});

const evil = [
  "../evil",
  "../../evil",
  "/evil",
  "//host/share/evil",
  "C:/evil",
  "C:evil",
  "a\\..\\..\\evil",
  "\\\\host\\share\\evil",
  "a/../../evil",
  "%2e%2e/evil",
  "..%c0%afevil",
  "./evil",
  "a//evil",
  "con.txt",
  "COM¹",
  "x:ads",
  "a.",
  "a ",
  ".git/config",
  "evil\u202egpj.exe",
  ".sunduk/installed.json",
  `${"x".repeat(256)}`,
];

describe("paths that a launcher must not write", () => {
  test.each(evil)("%j is refused as a file, an alias, a metafile and a metafile's name", async (path) => {
    using folder = makeFolder();
    const inside = join(folder.dir, "instance");
    const bytes = "evil";
    const digest = hex("sha512", bytes);
    host.files.set("jars/evil.jar", bytes);
    const metafile = (filename: string) =>
      `name = "x"\nfilename = ${JSON.stringify(filename)}\n[download]\nurl = "${host.url}/jars/evil.jar"\nhash-format = "sha512"\nhash = "${digest}"\n`;
    host.files.set("pack/good.txt", "good");
    host.files.set("pack/mods/m.pw.toml", metafile(path));
    host.files.set("pack/n.pw.toml", metafile("n.jar"));
    const packs: Packed[][] = [
      [{ file: path, hash: hex("sha256", bytes) }],
      [{ file: "good.txt", more: `alias = ${JSON.stringify(path)}` }],
      [{ file: "n.pw.toml", more: `metafile = true\nalias = ${JSON.stringify(path)}` }],
    ];
    // Beneath mods/ these are no longer what they were, but as safe or as unsafe.
    if (!/^\.(git|sunduk)/.test(path)) packs.push([{ file: "mods/m.pw.toml", more: "metafile = true" }]);
    for (const entries of packs) {
      const address = write("1", [{ file: "good.txt", more: 'alias = "first.txt"' }, ...entries]);
      expect((await failureOf(address, inside)).code).toBe("invalid");
    }
    expect(Object.keys(folder.files())).toEqual(["instance/.sunduk/lock"]);
  });

  test("and two names that are one on some systems are refused too", async () => {
    using folder = makeFolder();
    const address = write("1", [raw("Mods/a.txt"), raw("mods/A.txt")]);
    expect((await failureOf(address, folder.dir)).code).toBe("invalid");
    expect(folder.files()).toEqual({});
  });
});
