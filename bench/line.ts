import { join } from "node:path";
import { Type as t } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { startDelayProxy } from "../tests/delay-proxy.ts";
import { waitFor } from "../tests/harness.ts";
import { pickPorts } from "../tests/services/cluster.ts";
import type { Run } from "./bench.ts";

type Line = { roundTripMs: number; stack: Run["stack"]; environment: Record<string, string>; counted?: boolean };

/**
 * An API on the same parts at the far end of a line, and the address of its near end, which the API signs for; `counted` says
 * what went through.
 */
export async function openLine({ roundTripMs, stack, environment, counted = false }: Line) {
  const main = join(import.meta.dir, "..", "main.ts");
  const proxy = join(import.meta.dir, "..", "tests", "delay-proxy.ts");
  const [port = 0] = pickPorts(1);
  let url = `http://127.0.0.1:${port}`;
  let totals = { bytesToClient: 0 };
  if (counted) {
    const near = startDelayProxy({ targetPort: port, roundTripMs });
    stack.defer(near.stop);
    totals = near.totals;
    url = `http://127.0.0.1:${near.port}`;
  } else if (roundTripMs > 0) {
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
  return { url, totals };
}

const Signed = t.Object({ urls: t.Record(t.String(), t.String()) });
export type Manifest = { files: { path: string; digests: { sha256: string } }[] };

/** aria2c's input file: an address and the name of each file. */
export async function signInput(url: string, { files }: Manifest): Promise<string> {
  const answer = await fetch(`${url}/v1/blobs/urls`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ sha256: files.map(({ digests }) => digests.sha256) }),
  });
  const { urls } = Value.Parse(Signed, await answer.json());
  return files.map(({ path, digests }) => `${urls[digests.sha256]}\n  out=${path}\n`).join("");
}

export async function checkFiles(folder: string, count: number): Promise<void> {
  const found = await Array.fromAsync(new Bun.Glob("*/*").scan({ cwd: folder }));
  if (found.length !== count) throw new Error(`Cannot measure: ${found.length} of ${count} files arrived`);
}
