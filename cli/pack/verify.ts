import { defineCommand } from "../arguments.ts";
import { openClient } from "../client.ts";
import { type Address, openOrigin, readSource } from "../install/address.ts";
import { installPack } from "../install/index.ts";
import { installMessages } from "../install/messages.ts";
import { verifyFolder } from "../install/verify.ts";
import { fetchingBar, sayInstalled } from "./install.ts";

/** `sunduk pack verify`: reads every installed file; with --repair, fetches what is missing or changed. */
export const command = defineCommand({
  name: "pack verify",
  usage: "pack verify DIR [--repair]",
  summary: "Check an installed pack file by file",
  options: { repair: { type: "boolean" } },
  positionals: ["DIR"],
  async run({ values, positionals: [dir], output, signal }) {
    const text = installMessages(output.language);
    const found = await verifyFolder(dir, { signal });
    const { pack, version, side, server, source } = found.installed;
    const wrong = found.missing.length + found.changed.length + found.extra.length;
    for (const path of found.missing) output.say(text.missing(path));
    for (const path of found.changed) output.say(text.changed(path));
    for (const path of found.extra) output.say(text.extra(path));
    if (wrong === 0) output.say(text.intact(found));
    const { installed: _installed, ...lists } = found;
    const about = { pack, version, side, ...lists };
    if (wrong === 0 || !values.repair) {
      if (wrong > 0) output.say(text.broken(wrong));
      output.result({ ok: wrong === 0, ...about });
      return wrong === 0 ? 0 : 1;
    }
    // The folder knows where its pack is from, which need not be the server that was signed in to last.
    const address: Address = source === undefined ? { kind: "public", server, slug: pack } : readSource(source);
    const open = (named = server) => openClient({ server: values.server ?? named, output });
    const origin = await openOrigin(address, open);
    const pinned = source === undefined || source.kind === "link";
    const repaired = await installPack(dir, {
      origin,
      ...(pinned && { version }),
      side,
      full: true,
      edited: "back-up",
      signal,
      progress: fetchingBar(output),
    }).finally(() => origin.close?.());
    sayInstalled(repaired, output);
    output.result({ ok: true, ...about, repaired });
    return 0;
  },
});
