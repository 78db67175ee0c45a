import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openClient } from "../../cli/client.ts";
import { type InstallOptions, installPack } from "../../cli/install/index.ts";
import { packServer } from "../../cli/install/server.ts";
import { createOutput } from "../../cli/output.ts";
import type { startInstallServer } from "./install-server.ts";

/** A folder of a player, gone at the end of the test. */
export function makeFolder() {
  const dir = mkdtempSync(join(tmpdir(), "sunduk-install-"));
  return {
    dir,
    write(path: string, text: string) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text);
    },
    /** Every file but the installer's own, with what it holds. */
    files(): Record<string, string> {
      const entries = readdirSync(dir, { recursive: true, withFileTypes: true });
      const paths = entries
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
        .filter((path) => !path.startsWith(".sunduk"));
      return Object.fromEntries(paths.sort().map((path) => [path, readFileSync(join(dir, path), "utf8")]));
    },
    folders: () =>
      readdirSync(dir, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
        .filter((path) => !path.startsWith(".sunduk"))
        .sort(),
    [Symbol.dispose]() {
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Installs the pack `demo` in this process, through the client that the command uses. */
export async function install(
  server: Pick<ReturnType<typeof startInstallServer>, "url">,
  dir: string,
  { slug = "demo", ...options }: Partial<InstallOptions> & { slug?: string } = {},
) {
  const output = createOutput({ json: true, stdout: process.stdout, stderr: process.stderr });
  const client = await openClient({
    server: server.url,
    output,
    env: { XDG_CONFIG_HOME: join(dir, ".sunduk", "none") },
  });
  const signal = new AbortController().signal;
  return installPack(dir, { origin: packServer(client, slug), signal, ...options });
}
