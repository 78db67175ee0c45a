import { expect, test } from "bun:test";
import { join } from "node:path";
import { describeServer, renderDistribution } from "../../formats/helios.ts";
import type { KnownLoader } from "../../formats/helios-loader.ts";
import type { Manifest } from "../../formats/manifest.ts";
import { type LoaderKey, readProfile } from "../../loader-profile.ts";
import { makeProfile } from "../loader-profiles.ts";
import { makeManifest, storedFile } from "./manifests.ts";

const key: LoaderKey = { name: "fabric", version: "0.15.0", minecraft: "1.20.1" };
const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const files = [
  storedFile("config/a.json"),
  storedFile("libraries/other/a.jar"),
  storedFile("mods/sodium-fabric-0.5.3.jar"),
];

const known = (of: LoaderKey): KnownLoader => ({
  profile: readProfile(encode(makeProfile(of, "https://maven.example/")), of),
  artifact: { size: 700, MD5: "0".repeat(32), url: `https://packs.example/helios/loaders/${of.name}.json` },
});

const describe = (manifest: Manifest, loader?: KnownLoader) => {
  const page = { name: "Winter", summary: "", icon: "", blobs: "https://packs.example/v1/blobs", loader };
  const described = describeServer(manifest, page);
  if ("reason" in described) throw new Error(described.reason);
  return described.server;
};

test("an ordinary Fabric pack has the loader of its makers: the profile as we keep it, libraries from their repository", async () => {
  const distribution = renderDistribution([JSON.stringify(describe(makeManifest(files), known(key)))]);
  expect(distribution).toBe(await Bun.file(join(import.meta.dir, "../fixtures/helios/fabric.json")).text());
});

test("as long as its makers have not told, a pack has the loader's own jar and the address of its profile", () => {
  const [module] = describe(makeManifest(files)).modules;
  const maven = "https://maven.fabricmc.net/net/fabricmc/fabric-loader/0.15.0/fabric-loader-0.15.0.jar";
  const meta = "https://meta.fabricmc.net/v2/versions/loader/1.20.1/0.15.0/profile/json";
  expect(module).toEqual({
    id: "net.fabricmc:fabric-loader:0.15.0",
    name: "fabric 0.15.0",
    type: "Fabric",
    artifact: { size: 0, url: maven },
    subModules: [
      {
        id: "fabric-loader-0.15.0-1.20.1",
        name: "fabric 0.15.0 (version.json)",
        type: "VersionManifest",
        artifact: { size: 0, url: meta },
      },
    ],
  });
});

test("Quilt is started the same way, and finds its mods in their folder: the launcher tells only Fabric where they are", () => {
  const quilt: LoaderKey = { ...key, name: "quilt", version: "0.26.0-beta.1" };
  const manifest = makeManifest(files, { loader: { name: "quilt-loader", version: "0.26.0-beta.1" } });
  for (const loader of [undefined, known(quilt)]) {
    const { modules } = describe(manifest, loader);
    expect([modules[0]?.id, modules[0]?.type]).toEqual(["org.quiltmc:quilt-loader:0.26.0-beta.1", "Fabric"]);
    const mod = modules.find(({ id }) => id === "mods/sodium-fabric-0.5.3.jar");
    expect([mod?.type, mod?.artifact.path]).toEqual(["File", "mods/sodium-fabric-0.5.3.jar"]);
  }
  const unknown = describe(manifest).modules[0];
  expect([unknown?.artifact.url, unknown?.subModules?.[0]?.artifact.url]).toEqual([
    "https://maven.quiltmc.org/repository/release/org/quiltmc/quilt-loader/0.26.0-beta.1/quilt-loader-0.26.0-beta.1.jar",
    "https://meta.quiltmc.org/v3/versions/loader/1.20.1/0.26.0-beta.1/profile/json",
  ]);
});

test("a loader that its makers do not know, or that cannot stand in an address, is refused with the reason", () => {
  const page = { name: "Winter", summary: "", icon: "", blobs: "", loader: "missing" as const };
  expect(describeServer(makeManifest(files), page)).toEqual({
    reason: "it needs the loader, and fabric 0.15.0 for Minecraft 1.20.1 is unknown to its makers",
  });
  for (const version of ["../../x", "", "0.15.0/x", "0..1", "0.15.0?", "a".repeat(65)])
    expect(describeServer(makeManifest(files, { loader: { name: "fabric", version } }), page)).toEqual({
      reason: `it cannot read the version of fabric ${version}`,
    });
});

test("a profile is read only when it is one, of this loader, with names that make no paths of their own", () => {
  const good = makeProfile(key, "https://maven.example/");
  expect(readProfile(encode(good), key).libraries).toHaveLength(4);
  const library = (name: string, url = "https://maven.example/") => ({
    ...good,
    libraries: [...good.libraries, { name, url }],
  });
  const wrong: unknown[] = [
    "text",
    null,
    [],
    { ...good, id: "../../up" },
    { ...good, id: "a/b" },
    { ...good, inheritsFrom: "1.20.2" },
    { ...good, mainClass: undefined },
    { ...good, arguments: undefined },
    { ...good, libraries: good.libraries.slice(0, 3) },
    { ...good, libraries: Array.from({ length: 501 }, () => good.libraries[3]) },
    library("a:../../b:1"),
    library("a:b"),
    library("a..b:c:1"),
    library("a:b:1@exe"),
    library("a:b:1", "file:///etc/"),
    library("a:b:1", "javascript:1"),
  ];
  for (const value of wrong) expect(() => readProfile(encode(value), key)).toThrow("Cannot use the profile of fabric");
  expect(() => readProfile(new Uint8Array([1, 2, 255]), key)).toThrow("it is no profile");
});
