import { defineCommand, usageFault } from "../arguments.ts";
import { type InstallResult, installPack } from "../install/index.ts";
import { installMessages } from "../install/messages.ts";
import { packServer } from "../install/server.ts";
import { formatBytes, type Output } from "../output.ts";

const usage = "pack install PACK[@VERSION|@CHANNEL] DIR [--side client|server]";
const channels = ["release", "beta", "alpha"];

/** `sunduk pack install`: makes a folder hold a version's files, and keeps what is the player's. */
export const command = defineCommand({
  name: "pack install",
  usage,
  summary: "Install a pack into a folder, or update it there",
  options: { side: { type: "string", default: "client" } },
  positionals: ["PACK", "DIR"],
  async run({ values, positionals: [pack, dir], output, signal, client }) {
    const { side } = values;
    if (side !== "client" && side !== "server") throw usageFault("Install: --side is client or server", usage);
    const result = await installPack(dir, {
      ...parsePack(pack),
      server: packServer(await client()),
      side,
      signal,
      progress: fetchingBar(output),
    });
    sayInstalled(result, output);
    output.result({ ok: true, ...result });
  },
});

/** Reads `slug`, `slug@version` or `slug@channel`; `slug@latest` is the newest release. Throws a usage Fault. */
export function parsePack(text: string): { slug: string; version?: string; channel?: string } {
  const [slug = "", wish, ...rest] = text.split("@");
  if (slug === "" || wish === "" || rest.length > 0) {
    throw usageFault(`Install: "${text}" is not a pack; write PACK, PACK@VERSION or PACK@CHANNEL`, usage);
  }
  if (wish === undefined || wish === "latest") return { slug };
  return channels.includes(wish) ? { slug, channel: wish } : { slug, version: wish };
}

/** A bar in bytes for the files that are fetched. */
export function fetchingBar(output: Output) {
  return (totalBytes: number) =>
    output.progress(installMessages(output.language).fetching, { total: totalBytes, unit: "bytes" });
}

/** Tells a person what an install did. */
export function sayInstalled(result: InstallResult, output: Output): void {
  const text = installMessages(output.language);
  output.say(result.upToDate ? text.upToDate(result) : text.installed(result, formatBytes(result.fetchedBytes)));
  for (const { path, reason } of result.kept) output.say(text.kept(path, reason));
  for (const path of result.backedUp) output.say(text.backedUp(path));
}
