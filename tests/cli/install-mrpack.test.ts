import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../fault.ts";
import { makeFolder } from "./install-folder.ts";
import { hex } from "./install-server.ts";
import { installFrom, startPackHost } from "./pack-host.ts";
import { type CraftedEntry, craftZip, mrpackIndex } from "./source-zip.ts";

const host = startPackHost();
afterAll(() => host.stop());
beforeEach(() => host.clear());
const unpacked = () => readdirSync(tmpdir()).filter((name) => name.startsWith("sunduk-mrpack-"));
let before: string[] = [];
beforeEach(() => {
  before = unpacked();
});
afterEach(() => expect(unpacked()).toEqual(before));

const listed = (path: string, bytes: string, more: object = {}) => {
  host.files.set(`files/${path}`, bytes);
  return {
    path,
    hashes: { sha1: hex("sha1", bytes), sha512: hex("sha512", bytes) },
    downloads: [`${host.url}/files/${path}`],
    fileSize: bytes.length,
    ...more,
  };
};
const client = { env: { client: "required", server: "unsupported" } };
const put = (files: object[], entries: CraftedEntry[], version = "1.2.0") => {
  host.files.set("pack.mrpack", craftZip([mrpackIndex(files, { versionId: version }), ...entries]));
  return `${host.url}/pack.mrpack`;
};
const override = (name: string, data: string): CraftedEntry => ({ name, data });

describe("an mrpack of another host", () => {
  test("is installed by side, its overrides above its files and those of the side above all", async () => {
    using folder = makeFolder();
    const address = put(
      [
        listed("mods/both.jar", "both"),
        listed("mods/client.jar", "client", client),
        listed("mods/maybe.jar", "maybe", { env: { client: "optional", server: "unsupported" } }),
        listed("config/over.txt", "listed"),
      ],
      [
        override("server-overrides/side.txt", "server"),
        override("client-overrides/side.txt", "client"),
        override("overrides/side.txt", "both"),
        override("overrides/config/over.txt", "override"),
        override("overrides/empty.txt", ""),
      ],
    );
    const first = await installFrom(address, folder.dir);
    const files = {
      "config/over.txt": "override",
      "empty.txt": "",
      "mods/both.jar": "both",
      "mods/client.jar": "client",
      "side.txt": "client",
    };
    expect(folder.files()).toEqual(files);
    expect(first).toMatchObject({ pack: "Crafted", version: "1.2.0", fetched: 2, copied: 3 });
    expect(first.optional).toEqual([{ name: "mods/maybe.jar", taken: false }]);
    await installFrom(address, folder.dir, { allOptional: true });
    expect(folder.files()).toEqual({ ...files, "mods/maybe.jar": "maybe" });

    using server = makeFolder();
    await installFrom(address, server.dir, { side: "server" });
    expect(server.files()).toMatchObject({ "side.txt": "server", "mods/both.jar": "both" });
    expect(Object.keys(server.files())).not.toContain("mods/client.jar");
    await expect(installFrom(address, server.dir, { side: "both" })).rejects.toMatchObject({ code: "invalid" });
  });

  test("that did not change is not sent again, and is asked for anew when something of it is missing", async () => {
    using folder = makeFolder();
    const address = put([listed("mods/a.jar", "a")], [override("overrides/b.txt", "b")]);
    await installFrom(address, folder.dir);
    host.calls.length = 0;
    expect(await installFrom(address, folder.dir)).toMatchObject({ upToDate: true });
    expect(host.calls).toEqual(["pack.mrpack"]);
    await Bun.file(join(folder.dir, "b.txt")).delete();
    expect(await installFrom(address, folder.dir)).toMatchObject({ upToDate: false, unchanged: 1 });
    expect(folder.files()).toEqual({ "b.txt": "b", "mods/a.jar": "a" });
  });

  test("is updated: what it no longer has goes, what the player changed stays", async () => {
    using folder = makeFolder();
    await installFrom(
      put(
        [listed("mods/a-1.jar", "a"), listed("mods/b.jar", "b")],
        [override("overrides/x.txt", "x"), override("overrides/mine.txt", "1"), override("overrides/y.txt", "1")],
      ),
      folder.dir,
    );
    folder.write("mine.txt", "the player's");
    const files = [listed("mods/a-2.jar", "a"), listed("mods/c.jar", "c")];
    const address = put(files, [override("overrides/mine.txt", "2"), override("overrides/y.txt", "2")], "2.0.0");
    const result = await installFrom(address, folder.dir);
    expect(result).toMatchObject({ version: "2.0.0", fetched: 1, removed: 2 });
    expect(folder.files()).toEqual({
      "mine.txt": "the player's",
      "mods/a-2.jar": "a",
      "mods/c.jar": "c",
      "y.txt": "2",
    });
  });

  test("has its downloads tried in turn", async () => {
    using folder = makeFolder();
    const good = `${host.url}/files/mods/a.jar`;
    host.files.set("wrong", "b");
    const downloads = [`${host.url}/gone`, `${host.url}/wrong`, good];
    await installFrom(put([listed("mods/a.jar", "a", { downloads })], []), folder.dir);
    expect(folder.files()).toEqual({ "mods/a.jar": "a" });
  });

  test("may be a file, and another version of it is an update", async () => {
    using folder = makeFolder();
    using packs = makeFolder();
    const path = join(packs.dir, "Pack 1.mrpack");
    await Bun.write(path, craftZip([mrpackIndex([listed("a.jar", "a")]), override("overrides/b.txt", "1")]));
    await installFrom(path, folder.dir);
    await Bun.write(path, craftZip([mrpackIndex([]), override("overrides/b.txt", "2")]));
    expect(await installFrom(path, folder.dir)).toMatchObject({ removed: 1 });
    expect(folder.files()).toEqual({ "b.txt": "2" });
  });
});

const evil = [
  "../evil",
  "../../../../tmp/evil",
  "/evil",
  "C:/evil",
  "a\\..\\evil",
  "a/../../evil",
  "con.txt",
  "x:ads",
  "a.",
  ".sunduk/installed.json",
];

describe("what would leave the folder", () => {
  test.each(evil)("%j is refused as an override of any side and as a listed file", async (path) => {
    using folder = makeFolder();
    const inside = join(folder.dir, "instance");
    for (const [files, entries] of [
      [[], [override(`overrides/${path}`, "evil")]],
      [[], [override(`client-overrides/${path}`, "evil")]],
      [[{ ...listed("good.jar", "evil"), path }], []],
    ] as const) {
      const address = put([...files], [override("overrides/first.txt", "first"), ...entries]);
      const failure = await installFrom(address, inside).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(Fault);
      expect(failure).toMatchObject({ code: "invalid" });
    }
    expect(Object.keys(folder.files())).toEqual(["instance/.sunduk/lock"]);
  });

  test("a link inside the archive is refused", async () => {
    using folder = makeFolder();
    const address = put([], [{ name: "overrides/a", data: "/etc/passwd", unixMode: 0o120777 }]);
    await expect(installFrom(address, folder.dir)).rejects.toMatchObject({ code: "invalid" });
    expect(folder.files()).toEqual({});
  });
});
