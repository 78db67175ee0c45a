import { openClient } from "../../cli/client.ts";
import { openOrigin, readAddress } from "../../cli/install/address.ts";
import { type InstallOptions, installPack } from "../../cli/install/index.ts";
import { createOutput } from "../../cli/output.ts";
import { hex } from "./install-server.ts";

export type Packed = { file: string; hash?: string; more?: string };

/** A host that knows nothing of Sunduk: files by their path, and what was asked for. */
export function startPackHost() {
  const files = new Map<string, string | Uint8Array>();
  const calls: string[] = [];
  const odd = new Map<string, (times: number) => Response | undefined>();
  const times = new Map<string, number>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname, search } = new URL(request.url);
      const path = decodeURIComponent(pathname.slice(1));
      calls.push(`${path}${search}`);
      const count = (times.get(path) ?? 0) + 1;
      times.set(path, count);
      const answer = odd.get(path)?.(count);
      if (answer) return answer;
      const bytes = files.get(path);
      if (bytes === undefined) return new Response("nothing here", { status: 404 });
      const etag = `"${hex("sha1", bytes)}"`;
      if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304 });
      return new Response(bytes, { headers: { etag } });
    },
  });
  const url = server.url.origin;
  return {
    url,
    files,
    calls,
    odd,
    /** Writes a packwiz pack below `folder/`: its entries are as they stand, with hashes where they lack one. */
    writePackwiz(folder: string, { version, entries }: { version: string; entries: Packed[] }) {
      const lines = entries.map(({ file, hash, more = "" }) => {
        const digest = hash ?? hex("sha256", files.get(`${folder}/${file}`) ?? "");
        return `[[files]]\nfile = ${JSON.stringify(file)}\nhash = "${digest}"\n${more}\n`;
      });
      const index = `hash-format = "sha256"\n${lines.join("\n")}`;
      files.set(`${folder}/index.toml`, index);
      const named = `name = "Elsewhere"\nversion = "${version}"\npack-format = "packwiz:1.1.0"\n`;
      const indexed = `[index]\nfile = "index.toml"\nhash-format = "sha256"\nhash = "${hex("sha256", index)}"\n`;
      files.set(`${folder}/pack.toml`, `${named}${indexed}[versions]\nminecraft = "1.21.1"\n`);
      return `${url}/${folder}/pack.toml`;
    },
    /** A metafile for bytes that lie at `jars/NAME` of this host. */
    addJar(folder: string, { file, bytes, more = "" }: { file: string; bytes: string; more?: string }): Packed {
      const name = `${file.split("/").at(-1)}.jar`;
      files.set(`jars/${name}`, bytes);
      const download = `[download]\nurl = "${url}/jars/${name}"\nhash-format = "sha512"\nhash = "${hex("sha512", bytes)}"\n`;
      const path = `${file}.pw.toml`;
      files.set(`${folder}/${path}`, `name = "${name}"\nfilename = "${name}"\n${more}\n${download}`);
      return { file: path, more: "metafile = true" };
    },
    addFile(folder: string, { file, bytes, more = "" }: { file: string; bytes: string; more?: string }): Packed {
      files.set(`${folder}/${file}`, bytes);
      return { file, more };
    },
    /** Forgets everything, for the next test. */
    clear() {
      for (const kept of [files, odd, times]) kept.clear();
      calls.length = 0;
    },
    stop: () => server.stop(true),
  };
}

/** Installs what an address says, as the command does. */
export async function installFrom(address: string, dir: string, options: Partial<InstallOptions> = {}) {
  const output = createOutput({ json: true, stdout: process.stdout, stderr: process.stderr });
  const open = (server?: string) =>
    openClient({ ...(server !== undefined && { server }), output, env: { XDG_CONFIG_HOME: `${dir}/.sunduk/none` } });
  const origin = await openOrigin(readAddress(address), open);
  try {
    return await installPack(dir, { origin, signal: new AbortController().signal, ...options });
  } finally {
    await origin.close?.();
  }
}
