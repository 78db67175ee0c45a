import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { digestStream } from "../digest.ts";
import { type TestUser, waitFor } from "../tests/harness.ts";
import { type Bench, command } from "./bench.ts";
import { randomBytes } from "./content.ts";
import { compare, timeSeconds } from "./measure.ts";
import { openSystem } from "./system.ts";

const sizeBytes = 256 * 1024 ** 2;
const rounds = 5;
/** Parts on their way at the same time, as `sunduk pack publish` has files. */
const partsAtOnce = 4;

/**
 * From POST /v1/uploads over the PUT of every part to the state "verified": the bytes are then synced under their final
 * key. As with every client the digest is known before; the reference computes its own at the end.
 */
export const bench: Bench = {
  name: "upload",
  programs: { sha512sum: "coreutils", cp: "coreutils", sync: "coreutils" },
  run: async ({ folder, stack, report, note }) => {
    const system = await openSystem({ folder, stack }, { pods: 0 });
    const author = await system.signUp();
    const path = join(folder, "file");
    const copy = join(folder, "copy");
    await Bun.write(path, randomBytes(sizeBytes));
    await command(["sync", path]);
    const reference = `cp ${path} ${copy} && sync ${copy} && sha512sum ${copy}`;
    const theirs = async () => {
      const seconds = await timeSeconds(() => command(["sh", "-c", reference]));
      await rm(copy);
      return seconds;
    };
    const measure = async (what: string, pod: Record<string, string>) => {
      const pods = [system.startPod(pod), system.startPod(pod)];
      const ours = async () => uploadOnce(author, { path, sha256: await changeFile(path) });
      report(
        await compare({
          what: `upload of 256 MiB, ${what}, time`,
          reference: "cp + sync + sha512sum",
          unit: "s",
          aim: { atMost: 1 },
          rounds,
          ours,
          theirs,
        }),
      );
      await stopPods(pods);
    };
    note("SHA-256 alone: pods with a verification that makes the other digests up; the product computes them always");
    await measure("SHA-256 alone", { BUN_OPTIONS: `--preload=${join(import.meta.dir, "sha256-only.ts")}` });
    await measure("all digests", {});
  },
};

async function stopPods(pods: Subprocess[]): Promise<void> {
  for (const pod of pods) pod.kill("SIGTERM");
  await Promise.all(pods.map((pod) => pod.exited));
}

/** Makes other bytes of a file, since nobody has to send the same ones twice. Answers their SHA-256. */
async function changeFile(path: string): Promise<string> {
  const handle = await open(path, "r+");
  await handle.write(randomBytes(16), 0, 16, 0); // in place: a file written anew would keep the disk busy meanwhile
  await handle.sync();
  await handle.close();
  const { sha256 } = await digestStream(Bun.file(path).stream(), { sha256Only: true });
  return sha256;
}

type Part = { number: number; offset: number; sizeBytes: number; url: string; headers: Record<string, string> };

async function uploadOnce(author: TestUser, { path, sha256 }: { path: string; sha256: string }): Promise<number> {
  const file = Bun.file(path);
  return timeSeconds(async () => {
    const opened = await author.call("POST", "/v1/uploads", { body: { sha256, size: sizeBytes, name: "file" } });
    if (opened.status !== 201) throw new Error(`Cannot measure: the upload was not opened\n${opened.text}`);
    const parts: Part[] = [...opened.json.parts];
    const drain = async () => {
      for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
        const { url, headers, offset } = part;
        const sent = await fetch(url, { method: "PUT", headers, body: file.slice(offset, offset + part.sizeBytes) });
        if (!sent.ok) throw new Error(`Cannot measure: a part was refused\n${await sent.text()}`);
      }
    };
    await Promise.all(Array.from({ length: partsAtOnce }, drain));
    await author.call("POST", `/v1/uploads/${opened.json.id}/complete`);
    await waitFor(async () => {
      const { json } = await author.call("GET", `/v1/uploads/${opened.json.id}`);
      if (json.state === "rejected") throw new Error(`Cannot measure: rejected, ${json.reason}`);
      return json.state === "verified";
    }, "the upload to be verified");
  });
}
