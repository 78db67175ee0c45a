import { expect, test } from "bun:test";
import { join } from "node:path";
import { describeServer, renderDistribution } from "../../formats/helios.ts";
import type { Manifest } from "../../formats/manifest.ts";
import { makeManifest, storedFile } from "./manifests.ts";

const page = {
  name: "Зима",
  summary: "Snow",
  icon: "https://packs.example/p/winter/icon",
  blobs: "https://packs.example/v1/blobs",
};
const loaderFiles = [
  storedFile("libraries/net/fabricmc/fabric-loader/0.15.0/fabric-loader-0.15.0.jar"),
  storedFile("libraries/org/ow2/asm/asm/9.6/asm-9.6-sources.jar"),
  storedFile("libraries/org/ow2/asm/asm/9.6/asm-9.6.jar"),
];
const versionFile = storedFile("versions/fabric-loader-0.15.0-1.20.1/fabric-loader-0.15.0-1.20.1.json");

const describe = (manifest: Manifest) => {
  const described = describeServer(manifest, page);
  if ("reason" in described) throw new Error(described.reason);
  return described.server;
};
const reasonOf = (manifest: Manifest) => {
  const described = describeServer(manifest, page);
  return "reason" in described ? described.reason : undefined;
};

test("a version is a server with one loader, mods by coordinates, and files by their paths", async () => {
  const manifest = makeManifest(
    [
      storedFile("config/a.json"),
      storedFile("config/server.json", { side: "server" }),
      ...loaderFiles,
      storedFile("mods/fancy-2.jar", { group: "fancy" }),
      storedFile("mods/minimap.jar", { optional: true }),
      storedFile("mods/sodium-fabric-0.5.3+mc1.20.1.jar"),
      storedFile("mods/sodium-fabric-0.6.jar", { group: "core" }),
      storedFile("options.txt", { preserve: true }),
      storedFile("shaderpacks/x.zip", { optional: true }),
      versionFile,
    ],
    {
      java: "17",
      memoryMb: 3000,
      serverAddress: "play.example:25566",
      groups: [
        { id: "fancy", name: "Fancy", recommended: true },
        { id: "core", name: "Core", required: true },
      ],
    },
  );
  const distribution = renderDistribution([JSON.stringify(describe(manifest))]);
  expect(distribution).toBe(await Bun.file(join(import.meta.dir, "../fixtures/helios/distribution.json")).text());
});

test("of several servers the first one is what a new player sees", () => {
  const servers = ["a", "b"].map((id) => JSON.stringify({ id }));
  expect(JSON.parse(renderDistribution(servers)).servers).toEqual([
    { id: "a", mainServer: true },
    { id: "b", mainServer: false },
  ]);
  expect(JSON.parse(renderDistribution([])).servers).toEqual([]);
});

test("references are downloaded from where they are, when their MD5 and size are known", () => {
  const known = storedFile("mods/a.jar", { reference: true, url: "https://cdn.example/a.jar" });
  const manifest = (file: typeof known) => makeManifest([...loaderFiles, file, versionFile]);
  expect(describe(manifest(known)).modules[1]?.artifact.url).toBe("https://cdn.example/a.jar");
  const noMd5 = { ...known, digests: { ...known.digests, md5: null } };
  for (const unfit of [noMd5, { ...known, size: null }, { ...known, url: "file:///a.jar" }])
    expect(reasonOf(manifest(unfit))).toContain("mods/a.jar lacks one");
});

test("what the launcher would fail at is refused, with the reason", () => {
  const files = [...loaderFiles, versionFile];
  const cases: [Manifest, string][] = [
    [makeManifest(files, { loader: null }), "not none"],
    [makeManifest(files, { loader: { name: "neoforge", version: "1" } }), "not neoforge"],
    [makeManifest(files, { loader: { name: "constructor", version: "1" } }), "not constructor"],
    [makeManifest(files, { loader: { name: "forge", version: "47.2.0" } }), "no jar of forge 47.2.0"],
    [makeManifest(files, { minecraft: "24w14a" }), "24w14a"],
    [makeManifest(loaderFiles), "no versions/<id>/<id>.json"],
    [makeManifest([...files, storedFile("versions/b/b.json")]), "several"],
    [makeManifest([...loaderFiles, { ...versionFile, side: "server" }]), "no versions/<id>/<id>.json"],
  ];
  for (const [manifest, reason] of cases) expect(reasonOf(manifest)).toContain(reason);
});

test("Forge up to 14.23.5.2847 needs no version manifest, which is in its jar; later ones do", () => {
  const jar = (version: string) =>
    storedFile(`libraries/net/minecraftforge/forge/${version}/forge-${version}-universal.jar`);
  const forge = (minecraft: string) =>
    makeManifest([jar(`${minecraft}-14`)], { minecraft, loader: { name: "forge", version: "14" } });
  const [module] = describe(forge("1.12.2")).modules;
  expect([module?.id, module?.type]).toEqual(["net.minecraftforge:forge:1.12.2-14:universal@jar", "ForgeHosted"]);
  expect(reasonOf(forge("1.13"))).toContain("version manifest");
  const of = (version: string) =>
    reasonOf(makeManifest([jar(version)], { minecraft: "1.12.2", loader: { name: "forge", version } }));
  expect(of("1.12.2-14.23.5.2847")).toBeUndefined();
  expect(of("1.12.2-14.23.5.2848")).toContain("version manifest");
  expect(of("14.23.5.2847")).toContain("cannot read the version of Forge");
});

test("an address that would spoil the whole distribution is left out", () => {
  const addresses: [string | undefined, string][] = [
    ["play.example", "play.example"],
    ["play.example:25565", "play.example:25565"],
    ["[2001:db8::1]:25565", ""],
    ["play.example:port", ""],
    [undefined, ""],
  ];
  for (const [serverAddress, expected] of addresses) {
    const manifest = makeManifest([...loaderFiles, versionFile], serverAddress === undefined ? {} : { serverAddress });
    const { address, autoconnect } = describe(manifest);
    expect([address, autoconnect]).toEqual([expected, expected !== ""]);
  }
});
