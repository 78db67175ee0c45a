import { expect, setSystemTime, test } from "bun:test";
import { join } from "node:path";
import { makeTicket, readTicket } from "../../api/solder/tickets.ts";
import { describePack, planSolder, prettyName, renderBuild } from "../../formats/solder.ts";
import { makeSecret } from "../../keys.ts";
import { openSeal } from "../../seal.ts";
import { storedFile as file, makeManifest as manifest } from "./manifests.ts";

const everything = manifest(
  [
    file("bin/version.json"),
    file("config/a.json"),
    file("config/b.json", { side: "client" }),
    file("config/server.json", { side: "server" }),
    file("mods/Sodium fabric 0.6.jar"),
    file("mods/Sodium-fabric-0.5.3+mc1.20.1.jar"),
    file("mods/fabric-0.1.jar"),
    file("mods/jei.jar", { group: "taken" }),
    file("mods/minimap.jar", { group: "left" }),
    file("mods/mod10.jar"),
    file("mods/mod9.jar"),
    file("mods/notes.txt"),
    file("mods/wish.jar", { optional: true }),
    file("mods/Мод.jar"),
    file("options.txt", { preserve: true }),
  ],
  {
    java: "17",
    memoryMb: 4096,
    groups: [
      { id: "taken", name: "Taken", recommended: true },
      { id: "left", name: "Left" },
    ],
  },
);

test("a version is cut into zips by what is in it: loader, config, and each mod by itself", async () => {
  const { zips, missing } = planSolder(everything);
  expect(missing).toEqual([]);
  expect(zips.map(({ name, files }) => [name, ...files.map(({ path }) => path)])).toEqual([
    ["fabric", "bin/version.json"],
    ["fabric-0-1", "mods/fabric-0.1.jar"],
    ["jei", "mods/jei.jar"],
    ["mod", "mods/Мод.jar"],
    ["mod9", "mods/mod9.jar"],
    ["mod10", "mods/mod10.jar"],
    ["sodium-fabric", "mods/Sodium fabric 0.6.jar"],
    ["sodium-fabric-0-5-3-mc1-20-1", "mods/Sodium-fabric-0.5.3+mc1.20.1.jar"],
    ["winter-config", "config/a.json", "config/b.json", "mods/notes.txt", "options.txt"],
  ]);
  const build = renderBuild(everything, {
    id: "0190a0a0-0000-7000-8000-000000000001",
    mods: zips.map(({ name, version }, index) => ({
      name,
      version,
      md5: new Bun.CryptoHasher("md5").update(name).digest("hex"),
      sizeBytes: 100 + index,
    })),
    mirror: "https://packs.example/solder/",
    full: true,
  });
  expect(build).toBe(await Bun.file(join(import.meta.dir, "../fixtures/solder/build.json")).text());
});

test("a zip has the same name and version in every version that holds the same, and another where anything differs", () => {
  const jar = "mods/sodium-0.5.jar";
  const first = planSolder(manifest([file(jar), file("a.txt")])).zips;
  const second = planSolder(manifest([file(jar), file("b.txt")], { version: "1.3.0" })).zips;
  expect(second[0]).toEqual(first[0] as never);
  expect(second[0]?.version).toMatch(/^0\.5-[0-9a-f]{32}$/);
  expect(second[1]?.version).not.toBe(first[1]?.version as never);
  const other = { ...file(jar), digests: file("other").digests };
  expect(planSolder(manifest([other])).zips[0]?.version).not.toBe(first[0]?.version as never);
});

test("what cannot be in a zip is named, whichever sort of file it is, and nothing else is", () => {
  const away = { reference: true as const, url: "https://cdn.example/x.jar" };
  const files = [
    file("mods/a.jar", away),
    file("config/b", away),
    file("c", { ...away, side: "server" }),
    file("d.txt"),
  ];
  expect(planSolder(manifest(files)).missing).toEqual(["mods/a.jar", "config/b"]);
  expect(planSolder(manifest([]))).toEqual({ zips: [], missing: [] });
});

test("a modpack has texts where launchers refuse null, and its numbers always belong to the same pack", async () => {
  const pack = {
    id: "0190a0a0-0000-7000-8000-000000000002",
    slug: "winter",
    name: "Зима",
    url: null,
    channel: "release",
  };
  const pictures = { icon: { url: "https://packs.example/v1/blobs/1", md5: "0" }, logo: null, background: null };
  const builds = [
    { version: "1.0.0", channel: "release" },
    { version: "1.1.0", channel: "release" },
    { version: "1.2.0-beta", channel: "beta" },
  ];
  const rendered = JSON.stringify(describePack({ ...pack, ...pictures, builds }));
  expect(rendered).toBe(await Bun.file(join(import.meta.dir, "../fixtures/solder/modpack.json")).text());
  const { recommended, latest } = describePack({ ...pack, ...pictures, builds: [] });
  expect([recommended, latest]).toEqual(["", ""]);
  expect(prettyName("sodium-fabric-2")).toBe("Sodium Fabric 2");
});

test("a ticket opens one version, for one to two hours, and not when a letter of it is changed", () => {
  const seal = openSeal(makeSecret());
  const versionId = Bun.randomUUIDv7();
  try {
    setSystemTime(new Date("2026-01-01T10:59:00Z"));
    const ticket = makeTicket(seal, versionId);
    expect(readTicket(seal, ticket)).toBe(versionId);
    for (const at of [0, 36, 37, 40, 44, 50, ticket.length - 1]) {
      const changed = `${ticket.slice(0, at)}${ticket[at] === "0" ? "1" : "0"}${ticket.slice(at + 1)}`;
      expect([at, readTicket(seal, changed)]).toEqual([at, undefined]);
    }
    expect(readTicket(openSeal(makeSecret()), ticket)).toBeUndefined();
    setSystemTime(new Date("2026-01-01T11:59:59Z"));
    expect(readTicket(seal, ticket)).toBe(versionId);
    setSystemTime(new Date("2026-01-01T12:00:00Z"));
    expect(readTicket(seal, ticket)).toBeUndefined();
  } finally {
    setSystemTime();
  }
});
