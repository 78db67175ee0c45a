import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { waitFor } from "../tests/harness.ts";
import { pickPorts } from "../tests/services/cluster.ts";
import { type Run, searchPath } from "./bench.ts";

type Page = { name: string; bytes: Uint8Array };

/** nginx as it is fastest here: one process, sendfile, the file kept open, no log. Answers its address. */
export async function openNginx(
  { folder, stack }: Pick<Run, "folder" | "stack">,
  { name, bytes }: Page,
): Promise<string> {
  const [port = 0] = pickPorts(1);
  await mkdir(folder);
  await chmod(folder, 0o755);
  await writeFile(join(folder, name), bytes);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${kind};`);
  await writeFile(
    join(folder, "nginx.conf"),
    `worker_processes 1; daemon off; pid nginx.pid; error_log stderr crit;
    worker_rlimit_nofile 16384; events { worker_connections 8192; }
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
