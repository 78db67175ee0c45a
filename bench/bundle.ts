import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openClient } from "../cli/client.ts";
import { installPack } from "../cli/install/index.ts";
import { packServer } from "../cli/install/server.ts";
import { createOutput } from "../cli/output.ts";
import { type Bench, command } from "./bench.ts";
import { type Content, writeFiles } from "./content.ts";
import { checkFiles, openLine, signInput } from "./line.ts";
import { compare, timeSeconds } from "./measure.ts";
import { clientEnvironment, openSystem, publishFolder, sunduk } from "./system.ts";

const roundTripMs = 50;
const rounds = 5;
/** Settings of a pack: a few kilobytes each. */
const files: Content[] = Array.from({ length: 300 }, (_, index) => ({
  path: `config/settings-${index}.toml`,
  sizeBytes: 1024 + (index % 16) * 1024,
}));

/** 300 small files over a long line: as one bundle, and one by one. */
export const bench: Bench = {
  name: "bundle",
  programs: { aria2c: "aria2" },
  run: async ({ folder, stack, report }) => {
    const system = await openSystem({ folder, stack });
    const pack = join(folder, "pack");
    await writeFiles(pack, files);
    await publishFolder(pack, { slug: "bundle", system });
    const manifest = (await system.call("GET", "/v1/packs/bundle/versions/1.0.0/manifest")).json;
    const { url } = await openLine({ roundTripMs, stack, environment: system.environment });
    const list = join(folder, "urls");
    await writeFile(list, await signInput(url, manifest));
    const output = createOutput({ json: true, stdout: process.stdout, stderr: process.stderr });
    const client = await openClient({ server: url, output, env: { XDG_CONFIG_HOME: join(folder, "config") } });
    const bundled = packServer(client, "bundle");
    const { openBundle: _, ...single } = bundled;
    const { signal } = new AbortController();
    let turn = 0;
    const measure = async (install: (target: string) => Promise<unknown>) => {
      const target = join(folder, `target-${++turn}`);
      await mkdir(target);
      const seconds = await timeSeconds(() => install(target));
      await checkFiles(target, files.length);
      await rm(target, { recursive: true });
      return seconds;
    };
    const what = `install of ${files.length} small files, ${roundTripMs} ms round trip, time`;
    const sides = { what, unit: "s", rounds } as const;
    report(
      await compare({
        ...sides,
        reference: "the same installer, file by file over 64 connections",
        aim: { atMost: 1 },
        ours: () => measure((target) => installPack(target, { origin: bundled, signal })),
        theirs: () => measure((target) => installPack(target, { origin: single, signal })),
      }),
    );
    const env = clientEnvironment(folder, { url });
    report(
      await compare({
        ...sides,
        reference: "aria2c -j16",
        aim: { atMost: 0.5 },
        ours: () => measure((target) => command([sunduk, "pack", "install", "bundle", target, "--json"], { env })),
        theirs: () => measure((target) => command(["aria2c", "-j16", "-q", "--no-conf", "-i", list, "-d", target])),
      }),
    );
  },
};
