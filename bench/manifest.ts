import { join } from "node:path";
import { type Bench, command, searchPath } from "./bench.ts";
import { planFiles, writeFiles } from "./content.ts";
import { countAnswers } from "./load.ts";
import { compare } from "./measure.ts";
import { openNginx } from "./nginx.ts";
import { openSystem, publishFolder } from "./system.ts";

const rounds = 7;
const seconds = 2;
const connections = 64;

/** The manifest of a public pack of 300 files, anonymous and kept alive, against nginx with the same bytes as a file. */
export const bench: Bench = {
  name: "manifest",
  programs: { nginx: "nginx-light" },
  run: async ({ folder, stack, report, note }) => {
    const system = await openSystem({ folder, stack });
    const pack = join(folder, "pack");
    await writeFiles(pack, planFiles({ count: 300, totalBytes: 300_000 }));
    await publishFolder(pack, { slug: "manifest", system });
    const path = "/v1/packs/manifest/versions/1.0.0/manifest";
    const bytes = await (await fetch(`${system.url}${path}`)).bytes();
    const nginx = await openNginx({ folder: join(folder, "nginx"), stack }, { name: "manifest.json", bytes });
    const wrk = Bun.which("wrk", { PATH: searchPath });
    const rate = wrk ? (url: string) => askWrk(wrk, url) : (url: string) => countAnswers(url, { seconds, connections });
    note(
      `${bytes.length} bytes, ${connections} connections, load by ${wrk ? "wrk -t1" : "a Bun client of our own (no wrk here)"}`,
    );
    report(
      await compare({
        what: "manifest, rate",
        reference: "nginx, one worker, the same bytes as a static file",
        unit: "/s",
        aim: { atLeast: 1 },
        rounds,
        ours: () => rate(`${system.url}${path}`),
        theirs: () => rate(`${nginx}/manifest.json`),
      }),
    );
  },
};

async function askWrk(wrk: string, url: string): Promise<number> {
  const told = await command([wrk, "-t1", `-c${connections}`, `-d${seconds}s`, url]);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(told)?.[1]);
}
