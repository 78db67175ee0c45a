import { type Client, readAnswer, requestOrMissing } from "../client.ts";
import type { Output } from "../output.ts";
import { Manifest, Version } from "./answers.ts";
import { type Changes, compareWithManifest, type HashedPack } from "./files.ts";

const namesShown = 5;

type Flow = { client: Client; output: Output; signal: AbortSignal; slug: string; channel: string };
type Told = { manifest: Manifest | undefined; changes: Changes | undefined };

/** Tells what differs from the newest version of the channel, where there is one. `known`: whether there is such a pack. */
export async function tellChanges(
  flow: Flow,
  { known, hashed }: { known: boolean; hashed: HashedPack },
): Promise<Told> {
  const { client, output, signal, slug, channel } = flow;
  const latest = known
    ? await requestOrMissing(client, `/v1/packs/${slug}/latest`, { signal, query: { channel } })
    : undefined;
  if (latest === undefined) {
    output.say(output.text.firstVersion);
    return { manifest: undefined, changes: undefined };
  }
  const { version } = readAnswer(Version, latest);
  const path = `/v1/packs/${slug}/versions/${encodeURIComponent(version)}/manifest`;
  const manifest = readAnswer(Manifest, (await client.request("GET", path, { signal })).json);
  const changes = compareWithManifest(hashed.files, manifest);
  output.say(
    output.text.changes(changes.added.length, changes.changed.length, changes.removed.length, `${slug} ${version}`),
  );
  for (const [sign, paths] of [
    ["+", changes.added],
    ["~", changes.changed],
    ["-", changes.removed],
  ] as const) {
    for (const changed of paths.slice(0, namesShown)) output.say(`  ${sign} ${changed}`);
    if (paths.length > namesShown) output.say(output.text.andMore(paths.length - namesShown));
  }
  return { manifest, changes };
}
