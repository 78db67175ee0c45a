import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lockFolder } from "../../cli/install/lock.ts";
import { verifyFolder } from "../../cli/install/verify.ts";
import { Fault } from "../../fault.ts";
import { install, makeFolder } from "./install-folder.ts";
import { startInstallServer } from "./install-server.ts";

const server = startInstallServer();
afterAll(() => server.stop());
beforeEach(() => {
  server.calls.length = 0;
});

const signal = new AbortController().signal;
const fetches = () => server.calls.filter((call) => call.startsWith("GET blob")).length;

describe("installPack()", () => {
  test("puts a version's files of one side into a folder, and nothing else", async () => {
    using folder = makeFolder();
    server.publish("1", [
      { path: "mods/a.jar", bytes: "a1" },
      { path: "mods/client.jar", bytes: "c1", side: "client" },
      { path: "mods/server.jar", bytes: "s1", side: "server" },
      { path: "config/empty.txt", bytes: "" },
    ]);
    const result = await install(server, folder.dir);
    expect(folder.files()).toEqual({ "config/empty.txt": "", "mods/a.jar": "a1", "mods/client.jar": "c1" });
    expect(result).toMatchObject({ pack: "demo", version: "1", side: "client", fetchedBytes: 4, removed: 0, kept: [] });
    expect(readdirSync(join(folder.dir, ".sunduk")).sort()).toEqual(["installed.json", "lock"]);

    await install(server, folder.dir, { side: "server" });
    expect(folder.files()).toEqual({ "config/empty.txt": "", "mods/a.jar": "a1", "mods/server.jar": "s1" });
  });

  test("asks twice, reads nothing and writes nothing when the folder is up to date", async () => {
    using folder = makeFolder();
    server.publish("1", [{ path: "mods/a.jar", bytes: "a1" }]);
    await install(server, folder.dir);
    const before = await Bun.file(join(folder.dir, ".sunduk", "installed.json")).stat();
    server.calls.length = 0;
    const result = await install(server, folder.dir);
    expect(server.calls).toEqual(["GET latest", "GET manifest 1"]);
    expect(result).toMatchObject({ upToDate: true, fetched: 0, unchanged: 1 });
    const after = await Bun.file(join(folder.dir, ".sunduk", "installed.json")).stat();
    expect(after.mtimeMs).toBe(before.mtimeMs);
  });

  test("fetches only what differs, renames what moved and removes what went with its empty folders", async () => {
    using folder = makeFolder();
    server.publish("1", [
      { path: "mods/same.jar", bytes: "same" },
      { path: "mods/moved-1.jar", bytes: "moved" },
      { path: "mods/changed.jar", bytes: "old" },
      { path: "gone/deep/x.txt", bytes: "gone" },
      { path: "shared/y.txt", bytes: "y" },
    ]);
    await install(server, folder.dir);
    folder.write("shared/mine.txt", "mine");
    server.publish("2", [
      { path: "mods/same.jar", bytes: "same" },
      { path: "mods/moved-2.jar", bytes: "moved" },
      { path: "mods/twin.jar", bytes: "same" },
      { path: "mods/changed.jar", bytes: "new" },
    ]);
    server.calls.length = 0;
    const result = await install(server, folder.dir);
    expect(fetches()).toBe(1);
    expect(result).toMatchObject({ fetched: 1, fetchedBytes: 3, copied: 2, removed: 2, unchanged: 1 });
    expect(folder.files()).toEqual({
      "mods/changed.jar": "new",
      "mods/moved-2.jar": "moved",
      "mods/same.jar": "same",
      "mods/twin.jar": "same",
      "shared/mine.txt": "mine",
    });
    expect(folder.folders()).toEqual(["mods", "shared"]);
  });

  test("keeps what the player edited, added or was given to keep, and says so", async () => {
    using folder = makeFolder();
    folder.write("mods/theirs.jar", "stranger");
    folder.write("mods/right.jar", "right");
    server.publish("1", [
      { path: "config/edited.txt", bytes: "1" },
      { path: "config/dropped.txt", bytes: "1" },
      { path: "options.txt", bytes: "default 1", preserve: true },
      { path: "mods/theirs.jar", bytes: "ours" },
      { path: "mods/right.jar", bytes: "right" },
    ]);
    const first = await install(server, folder.dir);
    expect(first.backedUp).toEqual(["mods/theirs.jar"]);
    const [backup = ""] = readdirSync(join(folder.dir, ".sunduk", "backup"));
    expect(await Bun.file(join(folder.dir, ".sunduk", "backup", backup, "mods/theirs.jar")).text()).toBe("stranger");

    folder.write("config/edited.txt", "mine");
    folder.write("config/dropped.txt", "mine");
    folder.write("options.txt", "fov 90");
    folder.write("mods/extra.jar", "extra");
    server.publish("2", [
      { path: "config/edited.txt", bytes: "2" },
      { path: "options.txt", bytes: "default 2", preserve: true },
      { path: "mods/theirs.jar", bytes: "ours 2" },
    ]);
    const second = await install(server, folder.dir);
    const expected = {
      "config/dropped.txt": "mine",
      "config/edited.txt": "mine",
      "mods/extra.jar": "extra",
      "mods/right.jar": "right",
      "mods/theirs.jar": "ours 2",
      "options.txt": "fov 90",
    };
    expect(folder.files()).toEqual(expected);
    expect(Object.fromEntries(second.kept.map(({ path, reason }) => [path, reason]))).toEqual({
      "config/dropped.txt": "edited-and-dropped",
      "config/edited.txt": "edited",
      "mods/right.jar": "was-there-before",
      "options.txt": "preserve",
    });
    // It stays known as edited, run after run.
    expect((await install(server, folder.dir)).kept.map(({ path }) => path)).toEqual([
      "config/edited.txt",
      "options.txt",
    ]);
    expect(folder.files()).toEqual(expected);
  });

  test("keeps an edit of the same length and time, because what it destroys it reads", async () => {
    using folder = makeFolder();
    server.publish("1", [{ path: "a.txt", bytes: "one" }]);
    await install(server, folder.dir);
    const { mtime } = await Bun.file(join(folder.dir, "a.txt")).stat();
    folder.write("a.txt", "two");
    utimesSync(join(folder.dir, "a.txt"), mtime, mtime);
    server.publish("2", [{ path: "a.txt", bytes: "new" }]);
    expect((await install(server, folder.dir)).kept).toEqual([{ path: "a.txt", reason: "edited" }]);
    expect(folder.files()).toEqual({ "a.txt": "two" });
  });

  test("lets a file become a folder and a folder a file", async () => {
    using folder = makeFolder();
    server.publish("1", [
      { path: "x", bytes: "file" },
      { path: "y/z", bytes: "inside" },
    ]);
    await install(server, folder.dir);
    server.publish("2", [
      { path: "x/z", bytes: "inside" },
      { path: "y", bytes: "file" },
    ]);
    const result = await install(server, folder.dir);
    expect(folder.files()).toEqual({ "x/z": "inside", y: "file" });
    expect(result).toMatchObject({ fetched: 0, copied: 2, backedUp: [] });
    folder.write("x/mine", "mine");
    server.publish("3", [{ path: "x", bytes: "file" }]);
    expect((await install(server, folder.dir)).backedUp).toEqual(["x"]);
    expect(folder.files()).toEqual({ x: "file" });
  });

  test("writes through no symbolic link", async () => {
    using folder = makeFolder();
    using outside = makeFolder();
    server.publish("1", [{ path: "mods/a.jar", bytes: "a1" }]);
    symlinkSync(outside.dir, join(folder.dir, "mods"));
    await expect(install(server, folder.dir)).rejects.toThrow("mods is a symbolic link");
    outside.write("target.txt", "untouched");
    server.publish("2", [{ path: "b.jar", bytes: "b" }]);
    symlinkSync(join(outside.dir, "target.txt"), join(folder.dir, "b.jar"));
    expect((await install(server, folder.dir)).backedUp).toEqual(["b.jar"]);
    expect(outside.files()).toEqual({ "target.txt": "untouched" });
  });

  const unsafe = [
    "../evil",
    "/etc/evil",
    "a\\..\\evil",
    "C:evil",
    "con.txt",
    ".sunduk/installed.json",
    ".Sunduk/x",
    "a/../b",
  ];
  for (const path of unsafe) {
    test(`writes nothing when the manifest holds ${JSON.stringify(path)}`, async () => {
      using folder = makeFolder();
      server.publish("1", [
        { path: "good.txt", bytes: "good" },
        { path, bytes: "evil" },
      ]);
      const failure = await install(server, folder.dir).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(Fault);
      expect(JSON.stringify(failure instanceof Fault ? failure.errors : [])).toContain(
        JSON.stringify(path).slice(1, -1).replaceAll("\\", "\\\\"),
      );
      expect(folder.files()).toEqual({});
      expect(fetches()).toBe(0);
    });
  }

  test("writes nothing when two names are one on some systems", async () => {
    using folder = makeFolder();
    server.publish("1", [
      { path: "Mods/A.jar", bytes: "a" },
      { path: "mods/a.jar", bytes: "b" },
    ]);
    await expect(install(server, folder.dir)).rejects.toThrow("not safe");
    expect(folder.files()).toEqual({});
  });

  test("refuses a folder that holds another pack, and one where another run is at work", async () => {
    using folder = makeFolder();
    server.publish("1", [{ path: "a", bytes: "a" }]);
    await install(server, folder.dir);
    await expect(install(server, folder.dir, { slug: "other" })).rejects.toThrow('holds the pack "demo"');
    const unlock = lockFolder(join(folder.dir, ".sunduk", "lock"), folder.dir);
    await expect(install(server, folder.dir)).rejects.toThrow("another sunduk is at work there");
    unlock();
    expect((await install(server, folder.dir)).upToDate).toBeTrue();
  });

  test("installs references, known by what their authors gave", async () => {
    using folder = makeFolder();
    server.publish("1", [
      { path: "mods/a.jar", bytes: "a".repeat(1000), reference: { digests: ["sha512"] } },
      { path: "mods/b.jar", bytes: "b".repeat(1000), reference: { digests: ["sha1"], size: false } },
    ]);
    expect(await install(server, folder.dir)).toMatchObject({ fetched: 2, fetchedBytes: 2000 });
    expect(await install(server, folder.dir)).toMatchObject({ upToDate: true, unchanged: 2 });
    // The same bytes, mirrored meanwhile: nothing to fetch.
    server.publish("2", [{ path: "mods/c.jar", bytes: "a".repeat(1000) }]);
    expect(await install(server, folder.dir)).toMatchObject({ fetched: 0, copied: 1, removed: 1 });
    expect(Object.keys(folder.files())).toEqual(["mods/c.jar"]);
  });

  test("puts 3,000 files in place and then looks at them without reading", async () => {
    using folder = makeFolder();
    const files = Array.from({ length: 3000 }, (_, index) => ({
      path: `f/${index % 50}/${index}.txt`,
      bytes: `file ${index}`,
    }));
    server.publish("1", files);
    expect(await install(server, folder.dir)).toMatchObject({ fetched: 3000 });
    expect(server.calls.filter((call) => call.startsWith("POST urls"))).toEqual([
      "POST urls 1000",
      "POST urls 1000",
      "POST urls 1000",
    ]);
    expect(await install(server, folder.dir)).toMatchObject({ upToDate: true, unchanged: 3000 });
  });
});

describe("verifyFolder()", () => {
  test("names what is missing, changed and left over; a repair puts it right and loses nothing", async () => {
    using folder = makeFolder();
    await expect(verifyFolder(folder.dir, { signal })).rejects.toThrow("no pack is installed there");
    const names = ["missing", "changed", "same"];
    server.publish("1", [
      ...names.map((name) => ({ path: `${name}.txt`, bytes: name })),
      { path: "options.txt", bytes: "default", preserve: true },
    ]);
    await install(server, folder.dir);
    expect(await verifyFolder(folder.dir, { signal })).toMatchObject({
      checked: 4,
      missing: [],
      changed: [],
      extra: [],
    });
    await Bun.file(join(folder.dir, "missing.txt")).delete();
    const { mtime } = await Bun.file(join(folder.dir, "changed.txt")).stat();
    writeFileSync(join(folder.dir, "changed.txt"), "CHANGED");
    utimesSync(join(folder.dir, "changed.txt"), mtime, mtime);
    folder.write("options.txt", "mine");
    folder.write("unrelated.txt", "mine");
    expect(await verifyFolder(folder.dir, { signal })).toMatchObject({
      missing: ["missing.txt"],
      changed: ["changed.txt"],
      extra: [],
    });
    const repaired = await install(server, folder.dir, { version: "1", full: true, edited: "back-up" });
    expect(repaired).toMatchObject({ fetched: 2, backedUp: ["changed.txt"] });
    expect(folder.files()).toMatchObject({ "changed.txt": "changed", "missing.txt": "missing", "options.txt": "mine" });
    expect(await verifyFolder(folder.dir, { signal })).toMatchObject({ missing: [], changed: [], extra: [] });
  });

  test("does not make a folder that is not there", async () => {
    using folder = makeFolder();
    mkdirSync(join(folder.dir, "here"));
    await verifyFolder(join(folder.dir, "nowhere"), { signal }).catch(() => undefined);
    expect(existsSync(join(folder.dir, "nowhere"))).toBeFalse();
  });
});
