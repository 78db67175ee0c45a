import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { waitFor } from "../tests/harness.ts";
import { pickPorts } from "../tests/services/cluster.ts";
import { type Bench, command, type Run, searchPath } from "./bench.ts";
import { planFiles, writeFiles } from "./content.ts";
import { countAnswers } from "./load.ts";
import { compare } from "./measure.ts";
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

type Page = { name: string; bytes: Uint8Array };

/** nginx as it is fastest here: one process, sendfile, the file kept open, no log. Answers its address. */
async function openNginx({ folder, stack }: Pick<Run, "folder" | "stack">, { name, bytes }: Page): Promise<string> {
  const [port = 0] = pickPorts(1);
  await mkdir(folder);
  await chmod(folder, 0o755);
  await writeFile(join(folder, name), bytes);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${kind};`);
  await writeFile(
    join(folder, "nginx.conf"),
    `worker_processes 1; daemon off; pid nginx.pid; error_log stderr crit;
    events { worker_connections 1024; }
    http {
      ${temporary.join(" ")}
      access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 1000000000; open_file_cache max=16;
      default_type application/json;
      server { listen 127.0.0.1:${port}; root ${folder}; }
    }`,
  );
  const user = process.getuid?.() === 0 ? ["-g", "user root;"] : [];
  const child = Bun.spawn(["nginx", "-p", folder, "-c", join(folder, "nginx.conf"), "-e", "stderr", ...user], {
    env: { PATH: searchPath },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "inherit",
  });
  stack.defer(async () => {
    child.kill("SIGTERM");
    await child.exited;
  });
  const url = `http://127.0.0.1:${port}`;
  await waitFor(async () => (await fetch(`${url}/${name}`).catch(() => undefined))?.ok, "nginx to answer");
  return url;
}
