import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { waitFor } from "../tests/harness.ts";
import { pickPorts } from "../tests/services/cluster.ts";
import { type Bench, command, type Run } from "./bench.ts";
import { planFiles, writeFiles } from "./content.ts";
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
      const url = await openLine({ roundTripMs, stack, environment: system.environment });
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

type Line = { roundTripMs: number; stack: Run["stack"]; environment: Record<string, string> };

/** An API on the same parts at the far end of a line, and the address of its near end, which the API signs for. */
async function openLine({ roundTripMs, stack, environment }: Line): Promise<string> {
  const main = join(import.meta.dir, "..", "main.ts");
  const proxy = join(import.meta.dir, "..", "tests", "delay-proxy.ts");
  const [port = 0] = pickPorts(1);
  let url = `http://127.0.0.1:${port}`;
  if (roundTripMs > 0) {
    // A process of its own, so that it does not share the core of what is measured.
    const child = Bun.spawn([process.execPath, proxy, String(port), String(roundTripMs)], { stdout: "pipe" });
    stack.defer(() => child.kill());
    const { value } = await child.stdout.getReader().read();
    url = `http://127.0.0.1:${Number(new TextDecoder().decode(value))}`;
  }
  const api = Bun.spawn([process.execPath, main, "api"], {
    env: { PATH: process.env.PATH ?? "", ...environment, PORT: String(port), PUBLIC_URL: url, SUPERVISED: "1" },
    stdin: "pipe",
    stdout: "inherit",
    stderr: "inherit",
  });
  stack.defer(async () => {
    api.kill("SIGTERM");
    await api.exited;
  });
  await waitFor(async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.ok, "the API to be ready");
  return url;
}

const Signed = t.Object({ urls: t.Record(t.String(), t.String()) });
type Manifest = { files: { path: string; digests: { sha256: string } }[] };

/** aria2c's input file: an address and the name of each file. */
async function signInput(url: string, { files }: Manifest): Promise<string> {
  const answer = await fetch(`${url}/v1/blobs/urls`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sha256: files.map(({ digests }) => digests.sha256) }),
  });
  const { urls } = Value.Parse(Signed, await answer.json());
  return files.map(({ path, digests }) => `${urls[digests.sha256]}\n  out=${path}\n`).join("");
}

async function checkFiles(folder: string, count: number): Promise<void> {
  const found = await Array.fromAsync(new Bun.Glob("*/*").scan({ cwd: folder }));
  if (found.length !== count) throw new Error(`Cannot measure: ${found.length} of ${count} files arrived`);
}
