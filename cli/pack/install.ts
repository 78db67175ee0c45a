import { defineCommand, usageFault } from "../arguments.ts";
import { openClient } from "../client.ts";
import { type Address, openOrigin, readAddress } from "../install/address.ts";
import { type InstallResult, installPack } from "../install/index.ts";
import { installMessages } from "../install/messages.ts";
import { formatBytes, type Output } from "../output.ts";
import { checkChoice } from "../publish/names.ts";

const usage =
  "pack install PACK[@VERSION|@CHANNEL]|ADDRESS|FILE.mrpack DIR [--side client|server|both] [--version V] [--channel C]" +
  " [--group NAME]… [--without NAME]… [--all-optional] [--new-keys]";
const channels = ["release", "beta", "alpha"];
const sides = ["client", "server", "both"] as const;

/** `sunduk pack install`: makes a folder hold a version's files, and keeps what is the player's. */
export const command = defineCommand({
  name: "pack install",
  usage,
  summary: "Install a pack into a folder, or update it there",
  options: {
    side: { type: "string" },
    version: { type: "string" },
    channel: { type: "string" },
    group: { type: "string", multiple: true },
    without: { type: "string", multiple: true },
    "all-optional": { type: "boolean" },
    "new-keys": { type: "boolean" },
  },
  positionals: ["PACK", "DIR"],
  async run({ values, positionals: [pack, dir], output, signal, client }) {
    checkChoice(values.side, { option: "--side", allowed: [...sides], usage });
    checkChoice(values.channel, { option: "--channel", allowed: channels, usage });
    const address = readAddress(pack);
    const { version, channel } = readWish(address, values);
    const open = (server?: string) => (server === undefined ? client() : openClient({ server, output }));
    const origin = await openOrigin(address, open);
    try {
      const result = await installPack(dir, {
        origin,
        version,
        channel,
        side: sides.find((side) => side === values.side),
        groups: values.group ?? [],
        without: values.without ?? [],
        ...(values["all-optional"] && { allOptional: true }),
        newKeys: values["new-keys"] ?? false,
        signal,
        progress: fetchingBar(output),
      });
      sayInstalled(result, output);
      output.result({ ok: true, ...result });
    } finally {
      await origin.close?.();
    }
  },
});

type Wish = { version?: string | undefined; channel?: string | undefined };

function readWish(address: Address, { version, channel }: Wish): Wish {
  const said = address.kind === "name" ? { version: address.version, channel: address.channel } : {};
  const wish = { version: version ?? said.version, channel: channel ?? said.channel };
  if (wish.version !== undefined && wish.channel !== undefined)
    throw usageFault("Install: a version is in its channel; name one of the two", usage);
  const elsewhere = address.kind === "packwiz" || address.kind === "mrpack";
  if (elsewhere && (wish.version !== undefined || wish.channel !== undefined))
    throw usageFault(
      "Install: there is one version at such an address; --version and --channel are for packs of a Sunduk",
      usage,
    );
  return wish;
}

/** A bar for the files that are fetched. */
export function fetchingBar(output: Output) {
  return (total: number, unit: "bytes" | "files") =>
    output.progress(installMessages(output.language).fetching, { total, unit });
}

/** Tells a person what an install did. */
export function sayInstalled(result: InstallResult, output: Output): void {
  const text = installMessages(output.language);
  output.say(result.upToDate ? text.upToDate(result) : text.installed(result, formatBytes(result.fetchedBytes)));
  for (const { path, reason } of result.kept) output.say(text.kept(path, reason));
  for (const path of result.backedUp) output.say(text.backedUp(path));
  for (const offer of result.optional) output.say(text.optional(offer));
}
