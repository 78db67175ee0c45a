import type { LoaderKey } from "../loader-profile.ts";

const md5 = (text: string) => new Bun.CryptoHasher("md5").update(text).digest("hex");

/** A small profile in the shape that makers of loaders tell it; its libraries lie at `maven`, and hold their names. */
export function makeProfile({ name, version, minecraft }: LoaderKey, maven: string) {
  const [group, main] = name === "fabric" ? ["net.fabricmc", "fabric"] : ["org.quiltmc", "quilt"];
  return {
    id: `${main}-loader-${version}-${minecraft}`,
    inheritsFrom: minecraft,
    releaseTime: "2026-01-01T00:00:00+0000",
    time: "2026-01-01T00:00:00+0000",
    type: "release",
    mainClass: `${group}.loader.impl.launch.knot.KnotClient`,
    arguments: { game: [], jvm: ["-DFabricMcEmu= net.minecraft.client.main.Main "] },
    libraries: [
      { name: "org.ow2.asm:asm:9.6", url: maven, md5: md5("asm-9.6.jar").toUpperCase(), sha1: "0", size: 11 },
      { name: "org.ow2.asm:asm-tree:9.6:natives", url: maven },
      { name: `net.fabricmc:intermediary:${minecraft}`, url: maven },
      { name: `${group}:${main}-loader:${version}`, url: maven },
    ],
  };
}
