import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Bench, command } from "./bench.ts";
import { planFiles, writeFiles } from "./content.ts";
import { checkFiles, openLine, signInput } from "./line.ts";
import { compare, timeSeconds } from "./measure.ts";
import { clientEnvironment, openSystem, publishFolder, sunduk } from "./system.ts";

const lines = [
  { roundTripMs: 0, aim: 0.35, rounds: 5 },
  { roundTripMs: 50, aim: 0.3, rounds: 5 },
];

/** `sunduk pack install` into an empty folder against aria2c, which is given the signed addresses for nothing. */
export const bench: Bench = {
  name: "install",
  programs: { aria2c: "aria2" },
  run: async ({ folder, stack, report }) => {
    const system = await openSystem({ folder, stack });
    const pack = join(folder, "pack");
    const files = planFiles({ count: 300, totalBytes: 35_000_000 });
    await writeFiles(pack, files);
    await publishFolder(pack, { slug: "install", system });
    const manifest = (await system.call("GET", "/v1/packs/install/versions/1.0.0/manifest")).json;
    for (const { roundTripMs, aim, rounds } of lines) {
      const { url } = await openLine({ roundTripMs, stack, environment: system.environment });
      const list = join(folder, `urls-${roundTripMs}`);
      await writeFile(list, await signInput(url, manifest));
      let turn = 0;
      const fresh = async (name: string) => {
        const target = join(folder, `${name}-${roundTripMs}-${++turn}`);
        await mkdir(target);
        return target;
      };
      const measure = async (name: string, argv: (target: string) => string[]) => {
        const target = await fresh(name);
        const seconds = await timeSeconds(() => command(argv(target), { env: clientEnvironment(folder, { url }) }));
        await checkFiles(target, files.length);
        await rm(target, { recursive: true });
        return seconds;
      };
      report(
        await compare({
          what: `install, ${roundTripMs} ms round trip, time`,
          reference: "aria2c -j16",
          unit: "s",
          aim: { atMost: aim },
          rounds,
          ours: () => measure("ours", (target) => [sunduk, "pack", "install", "install", target, "--json"]),
          theirs: () => measure("theirs", (target) => ["aria2c", "-j16", "-q", "--no-conf", "-i", list, "-d", target]),
        }),
      );
    }
  },
};
