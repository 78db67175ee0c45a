import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { readAddress } from "../../cli/install/address.ts";
import { chooseFiles, noChoice } from "../../cli/install/choose.ts";
import type { InstallOptions } from "../../cli/install/index.ts";
import { parseManifest } from "../../cli/install/manifest.ts";
import { verifyFolder } from "../../cli/install/verify.ts";
import { Fault } from "../../fault.ts";
import { install, makeFolder } from "./install-folder.ts";
import { hex, startInstallServer } from "./install-server.ts";

const server = startInstallServer();
afterAll(() => server.stop());
beforeEach(() => {
  server.calls.length = 0;
});

const groups = [
  { id: "base", name: "Base", required: true },
  { id: "shaders", name: "Shaders", description: "pretty", recommended: true },
  { id: "maps", name: "Maps and more" },
  { id: "fast", name: "Fast", exclusive: "engine", recommended: true },
  { id: "fine", name: "Fine", exclusive: "engine" },
];
const files = [
  { path: "all.txt", bytes: "all" },
  ...groups.map(({ id }) => ({ path: `mods/${id}.jar`, bytes: id, group: id, optional: true })),
  { path: "mods/loose.jar", bytes: "loose", optional: true },
  { path: "server.txt", bytes: "server", side: "server" as const },
];
const publish = (version: string, given = files) => server.publish(version, given, { groups });
const jars = (folder: ReturnType<typeof makeFolder>) =>
  Object.keys(folder.files())
    .filter((path) => path.startsWith("mods/"))
    .map((path) => path.slice("mods/".length, -".jar".length));

describe("what is optional", () => {
  const cases: [what: string, options: Partial<InstallOptions>, expected: string[]][] = [
    ["nothing said", {}, ["base", "fast", "shaders"]],
    ["a group by its id", { groups: ["maps"] }, ["base", "fast", "maps", "shaders"]],
    ["a group by its name", { groups: ["maps AND more"] }, ["base", "fast", "maps", "shaders"]],
    ["the other of two that exclude each other", { groups: ["fine"] }, ["base", "fine", "shaders"]],
    ["one left out", { without: ["shaders"] }, ["base", "fast"]],
    ["a file by its path", { groups: ["mods/loose.jar"] }, ["base", "fast", "loose", "shaders"]],
    ["a file by its name", { groups: ["Loose.jar"] }, ["base", "fast", "loose", "shaders"]],
    ["all that goes together", { allOptional: true }, ["base", "fast", "loose", "maps", "shaders"]],
    ["all but one", { allOptional: true, without: ["loose.jar"] }, ["base", "fast", "maps", "shaders"]],
  ];
  test.each(cases)("is taken as the pack and the player say: %s", async (_, options, expected) => {
    using folder = makeFolder();
    publish("1");
    const result = await install(server, folder.dir, options);
    expect(jars(folder)).toEqual(expected);
    const taken = result.optional.filter((offer) => offer.taken).map(({ name }) => name.replace(/^mods\/|\.jar$/g, ""));
    expect(taken.sort()).toEqual(expected.filter((name) => name !== "base"));
  });

  test("is remembered over updates, and a later word counts", async () => {
    using folder = makeFolder();
    publish("1");
    await install(server, folder.dir, { groups: ["maps", "loose.jar"], without: ["shaders"] });
    expect(jars(folder)).toEqual(["base", "fast", "loose", "maps"]);
    publish("2", [...files, { path: "mods/more.jar", bytes: "more", group: "maps", optional: true }]);
    await install(server, folder.dir);
    expect(jars(folder)).toEqual(["base", "fast", "loose", "maps", "more"]);
    expect((await verifyFolder(folder.dir, { signal: new AbortController().signal })).extra).toEqual([]);
    await install(server, folder.dir, { groups: ["shaders"], without: ["maps"] });
    expect(jars(folder)).toEqual(["base", "fast", "loose", "shaders"]);
    // A choice that the pack no longer offers is no failure.
    server.publish("3", [{ path: "all.txt", bytes: "all" }]);
    expect(await install(server, folder.dir)).toMatchObject({ version: "3", removed: 4 });
  });

  test("that there is not, or that cannot be had together, is refused by name", async () => {
    using folder = makeFolder();
    publish("1");
    const unknown = await install(server, folder.dir, { groups: ["mapz"] }).catch((error: unknown) => error);
    expect(unknown).toBeInstanceOf(Fault);
    if (unknown instanceof Fault) expect(unknown.errors[0]?.detail).toContain("shaders, maps, fast, fine");
    await expect(install(server, folder.dir, { groups: ["fast", "fine"] })).rejects.toMatchObject({ code: "conflict" });
    await expect(install(server, folder.dir, { without: ["base"] })).rejects.toMatchObject({ code: "conflict" });
    expect(folder.files()).toEqual({});
  });

  test("stays in a folder of before there was a choice", async () => {
    using folder = makeFolder();
    server.publish("1", [{ path: "mods/loose.jar", bytes: "loose", optional: true }]);
    await install(server, folder.dir, { allOptional: true });
    const path = join(folder.dir, ".sunduk", "installed.json");
    const { choice: _, ...before } = await Bun.file(path).json();
    await Bun.write(path, JSON.stringify(before));
    server.publish("2", [{ path: "mods/loose.jar", bytes: "loose 2", optional: true }]);
    await install(server, folder.dir);
    expect(folder.files()).toEqual({ "mods/loose.jar": "loose 2" });
  });

  test("is asked for each side alone, and for both", () => {
    publish("1");
    const manifest = (side: "client" | "server" | "both") => {
      const all = parseManifest(JSON.parse(JSON.stringify({ ...base, files: base.files })));
      return chooseFiles(all, { side, kept: noChoice, given: {} }).files.map(({ path }) => path);
    };
    const file = (path: string, side: string) => ({
      path,
      side,
      size: 1,
      digests: { sha256: hex("sha256", path) },
      url: "",
    });
    const base = {
      formatVersion: 1,
      pack: { slug: "x", name: "x" },
      version: "1",
      channel: "release",
      files: [file("a", "both"), file("c", "client"), file("s", "server")],
    };
    expect([manifest("client"), manifest("server"), manifest("both")]).toEqual([
      ["a", "c"],
      ["a", "s"],
      ["a", "c", "s"],
    ]);
  });
});

describe("a folder", () => {
  test("keeps its side until another is named", async () => {
    using folder = makeFolder();
    publish("1");
    await install(server, folder.dir, { side: "server" });
    publish("2");
    expect(await install(server, folder.dir)).toMatchObject({ side: "server" });
    expect(Object.keys(folder.files())).toContain("server.txt");
    expect(await install(server, folder.dir, { side: "client" })).toMatchObject({ side: "client" });
    expect(Object.keys(folder.files())).not.toContain("server.txt");
  });

  test("of another launcher is taken over: what the version before had is replaced, what the player changed is kept safe", async () => {
    using folder = makeFolder();
    folder.write("config/same.txt", "old");
    folder.write("config/edited.txt", "the player's");
    server.publish("2", [
      { path: "config/same.txt", bytes: "new", previous: hex("sha256", "old") },
      { path: "config/edited.txt", bytes: "new", previous: hex("sha256", "old") },
    ]);
    const result = await install(server, folder.dir);
    expect(result.backedUp).toEqual(["config/edited.txt"]);
    expect(folder.files()).toEqual({ "config/edited.txt": "new", "config/same.txt": "new" });
  });

  test("tells what it knows to its owner alone", async () => {
    using folder = makeFolder();
    publish("1");
    await install(server, folder.dir);
    expect(statSync(join(folder.dir, ".sunduk", "installed.json")).mode & 0o777).toBe(0o600);
  });
});

describe("readAddress()", () => {
  const token = "A".repeat(43);
  const cases: [string, object][] = [
    ["my-pack", { kind: "name", slug: "my-pack" }],
    ["my-pack@latest", { kind: "name", slug: "my-pack" }],
    ["my-pack@beta", { kind: "name", slug: "my-pack", channel: "beta" }],
    ["my-pack@1.0+x", { kind: "name", slug: "my-pack", version: "1.0+x" }],
    ["https://h.example/p/my-pack", { kind: "public", server: "https://h.example", slug: "my-pack" }],
    ["https://h.example/base/p/my-pack/", { kind: "public", server: "https://h.example/base", slug: "my-pack" }],
    [`http://h/p/t/${token}/my-pack?x#y`, { kind: "link", server: "http://h", token, slug: "my-pack" }],
    ["https://h/x/pack.toml?a=b", { kind: "packwiz", address: "https://h/x/pack.toml?a=b" }],
    [
      `https://h/p/t/${token}/my-pack/pack.toml`,
      { kind: "packwiz", address: `https://h/p/t/${token}/my-pack/pack.toml` },
    ],
    ["https://h/a.mrpack", { kind: "mrpack", address: "https://h/a.mrpack" }],
    ["/packs/A b.mrpack", { kind: "mrpack", address: "/packs/A b.mrpack" }],
  ];
  test.each(cases)("%s", (text, expected) => {
    expect(readAddress(text)).toEqual(expected as ReturnType<typeof readAddress>);
  });

  test("refuses all else without telling a secret", () => {
    for (const text of [
      "",
      "a@",
      "a@b@c",
      "a/b",
      "ftp://h/x",
      "https://h/",
      `https://h/p/t/${token}`,
      "https://u:p@h/p/x",
    ]) {
      let message = "";
      try {
        readAddress(text);
      } catch (error) {
        message = error instanceof Fault ? error.message : "";
      }
      expect(message).toStartWith("Install: ");
      expect(message).not.toContain(token);
    }
  });
});
