import { join } from "node:path";
import { pickPorts } from "../tests/services/cluster.ts";
import { type Bench, command } from "./bench.ts";
import { planFiles, writeFiles } from "./content.ts";
import { countWholeAnswers } from "./load.ts";
import { compare } from "./measure.ts";
import { openNginx } from "./nginx.ts";
import { openSystem, publishFolder } from "./system.ts";

const rounds = 7;
const load = { seconds: 2, connections: 64 };

/** What launchers ask for at every start, through the gateway, against nginx with the same bytes as files. */
export const bench: Bench = {
  name: "formats",
  programs: { nginx: "nginx-light" },
  run: async ({ folder, stack, report, note }) => {
    const system = await openSystem({ folder, stack });
    const pack = join(folder, "pack");
    await writeFiles(pack, planFiles({ count: 300, totalBytes: 300_000 }));
    await publishFolder(pack, { slug: "formats", system });
    const [port = 0, storagePort = 0] = pickPorts(2);
    const script = join(import.meta.dir, "../tests/services/nginx.sh");
    const dir = join(folder, "gateway");
    await command(["mkdir", "-p", dir]);
    await command([script, "start", dir, String(port), String(storagePort), new URL(system.url).port]);
    stack.defer(async () => void (await command([script, "stop", dir])));
    note(`${load.connections} connections, load by a Bun client of our own; the gateway writes its access log`);
    const asked = {
      "pack.toml": "/p/formats/pack.toml",
      "index.toml": "/p/formats/index.toml",
      manifest: "/v1/packs/formats/versions/1.0.0/manifest",
    };
    for (const [name, path] of Object.entries(asked)) {
      const bytes = await (await fetch(`${system.url}${path}`)).bytes();
      const nginx = await openNginx({ folder: join(folder, `nginx-${name}`), stack }, { name, bytes });
      report(
        await compare({
          what: `${name} of 300 files (${bytes.length} bytes) through the gateway, rate`,
          reference: "nginx, one worker, the same bytes as a static file",
          unit: "/s",
          aim: { atLeast: 0.9 },
          rounds,
          ours: () => countWholeAnswers(`http://127.0.0.1:${port}${path}`, load),
          theirs: () => countWholeAnswers(`${nginx}/${name}`, load),
        }),
      );
    }
  },
};
