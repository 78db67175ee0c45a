import { open, rename, rm } from "node:fs/promises";
import { Fault } from "../../fault.ts";
import { defineCommand, usageFault } from "../arguments.ts";
import { type Client, readAnswer } from "../client.ts";
import { formatBytes, type Output } from "../output.ts";
import { JobAnswer, Version } from "../publish/answers.ts";
import { checkChoice } from "../publish/names.ts";
import { waitForJob } from "../publish/wait.ts";

const usage = "pack download PACK[@VERSION] [FILE] [--side client|server] [--format zip|mrpack] [--channel C]";

/** `sunduk pack download`: one version as one archive, for a server or for by hand. */
export const command = defineCommand({
  name: "pack download",
  usage,
  summary: "Download a version as one archive: all of it, or what a server needs (--side server)",
  options: { side: { type: "string" }, format: { type: "string" }, channel: { type: "string" } },
  positionals: ["PACK", "FILE?"],
  async run({ values, positionals: [pack, file], output, signal, client: openClient }) {
    checkChoice(values.side, { option: "--side", allowed: ["client", "server"], usage });
    checkChoice(values.format, { option: "--format", allowed: ["zip", "mrpack"], usage });
    const [slug = "", named] = pack.split("@", 2);
    if (named !== undefined && values.channel !== undefined)
      throw usageFault("Download: a version is in its channel; name one of the two", usage);
    const { side, format = "zip" } = values;
    const client = await openClient();
    const version = named ?? (await findLatest(client, { slug, channel: values.channel, signal }));
    const path = `/v1/packs/${slug}/versions/${encodeURIComponent(version)}/archive`;
    const address = await findArchive(client, { path, query: { format, side }, output, signal });
    const target = file ?? `${slug}-${version}${side === undefined ? "" : `-${side}`}.${format}`;
    const sizeBytes = await fetchTo(target, { address, signal });
    output.say(output.text.downloaded(target, formatBytes(sizeBytes)));
    output.result({ ok: true, slug, version, file: target, sizeBytes });
  },
});

type Latest = { slug: string; channel: string | undefined; signal: AbortSignal };

async function findLatest(client: Client, { slug, channel, signal }: Latest): Promise<string> {
  const answer = await client.request("GET", `/v1/packs/${slug}/latest`, { signal, query: { channel } });
  return readAnswer(Version, answer.json).version;
}

type Archive = { path: string; query: Record<string, string | undefined>; output: Output; signal: AbortSignal };

/** The archive's signed address, as soon as it is built. */
async function findArchive(client: Client, { path, query, output, signal }: Archive): Promise<string> {
  for (;;) {
    const answer = await client.request("GET", path, { signal, query });
    const location = answer.headers.get("location");
    if (location !== null) return location;
    const { id } = readAnswer(JobAnswer, answer.json).job;
    await waitForJob(client, { id, label: output.text.packing, output, signal });
  }
}

/** Fetches into a file that is there only when it is whole. */
async function fetchTo(target: string, { address, signal }: { address: string; signal: AbortSignal }): Promise<number> {
  const response = await fetch(address, { signal });
  if (!response.ok || !response.body)
    throw new Fault("unavailable", `Download: ${new URL(address).host} answered ${response.status}`);
  const partial = `${target}.part`;
  const file = await open(partial, "w");
  let sizeBytes = 0;
  try {
    for await (const chunk of response.body) {
      await file.writeFile(chunk);
      sizeBytes += chunk.byteLength;
    }
    await file.close();
    await rename(partial, target);
  } catch (cause) {
    await file.close().catch(() => undefined);
    await rm(partial, { force: true });
    if (signal.aborted || cause instanceof Fault) throw cause;
    throw new Fault("unavailable", "Download: it was cut off; try again", { cause });
  }
  return sizeBytes;
}
