import { appendFile, chmod, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Config } from "../config.ts";
import { digestStream } from "../digest.ts";
import { makeSecret } from "../keys.ts";
import { defineCommand } from "./arguments.ts";
import { type Client, openClient, readSession } from "./client.ts";
import { changeExample, examplePaths, writeExample } from "./demo/pack.ts";
import { chooseFiles, noChoice } from "./install/choose.ts";
import { type InstallResult, installPack } from "./install/index.ts";
import { listWanted, parseManifest } from "./install/manifest.ts";
import { packServer } from "./install/server.ts";
import { formatBytes, type Output } from "./output.ts";
import { fetchingBar, sayInstalled } from "./pack/install.ts";
import { publishPath } from "./pack/publish.ts";
import { changeServers, serversPath } from "./servers.ts";

/** What the demo did; sizes in bytes. `wrong` names the files that are not as they should be: none when all matched. */
export type Shown = {
  matched: boolean;
  slug: string;
  login: string;
  address: string;
  docs: string;
  folder: string;
  files: number;
  uploadedBytes: number;
  fetchedBytes: number;
  kept: string[];
  wrong: string[];
};

const playersText = "# the player was here\n";
const playersFile = "saves/world/level.dat";

/** `sunduk demo`: a server of its own, the demo, and nothing left behind. */
export const command = defineCommand({
  name: "demo",
  usage: "demo",
  summary: "Show the main job: publish a pack, install it, update it",
  options: {},
  positionals: [],
  async run({ output, signal }) {
    const { startServer } = await import("./up.ts");
    const folder = await mkdtemp(join(tmpdir(), "sunduk-demo-"));
    try {
      await chmod(folder, 0o711); // started by root, the database runs as somebody else
      const server = await startServer(
        { port: "0", data: join(folder, "data") },
        { output, environment: { ...listForeign(process.env), LOG_LEVEL: "warn", FABRIC_META_URL: "off" } },
      );
      try {
        const shown = await showDemo({ url: server.url, output, folder, signal });
        const { folder: _removed, ...told } = shown;
        output.result({ ok: shown.matched, ...told });
        return shown.matched ? 0 : 1;
      } finally {
        await server.close();
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
});

type DemoOptions = { url: string; output: Output; folder: string; signal: AbortSignal };

/**
 * Publishes an example pack in two versions, installs the first below `folder`, lets "the player" edit it, updates it to
 * the second, and compares every file with the manifest. Touches no sign-ins of the person who watches.
 */
export async function showDemo({ url, output, folder, signal }: DemoOptions): Promise<Shown> {
  const { text } = output;
  const name = crypto.randomUUID().slice(0, 8);
  const slug = `demo-${name}`;
  const login = `author-${name}`;
  const client = await signUp(login, { url, output, folder, signal });
  output.say(text.demoAuthor(login));
  const source = join(folder, "pack");
  const player = join(folder, "player");
  const publish = () => publishPath(source, { values: { visibility: "public" }, client, output, signal });
  const install = async (version: string): Promise<InstallResult> => {
    const options = { origin: packServer(client, slug), version, signal };
    const result = await installPack(player, { ...options, progress: fetchingBar(output) });
    sayInstalled(result, output);
    return result;
  };

  await writeExample(source, slug);
  const first = await publish();
  const installed = await install("1.0.0");
  const edits = await editAsPlayer(player);
  output.say(text.demoEdited(edits));
  await changeExample(source, slug);
  const second = await publish();
  const updated = await install("1.1.0");
  const kept = updated.kept.map((file) => file.path);

  const { checked, wrong } = await compare(client, { slug, version: "1.1.0", player, signal });
  const uploadedBytes = [first, second].reduce((sum, now) => sum + ("uploadedBytes" in now ? now.uploadedBytes : 0), 0);
  const fetchedBytes = installed.fetchedBytes + updated.fetchedBytes;
  output.say(
    text.demoDone({
      uploaded: formatBytes(uploadedBytes),
      first: formatBytes(installed.fetchedBytes),
      update: formatBytes(updated.fetchedBytes),
      kept,
    }),
  );
  output.say(wrong.length === 0 ? text.demoMatched(checked) : text.demoWrong(wrong));
  return {
    matched: wrong.length === 0,
    slug,
    login,
    address: `${url}/v1/packs/${slug}`,
    docs: `${url}/openapi`,
    folder: player,
    files: checked,
    uploadedBytes,
    fetchedBytes,
    kept,
    wrong,
  };
}

/** Tells where the results of a demo can be looked at, while its server goes on. */
export function sayWhereToLook({ address, docs, folder }: Shown, output: Output): void {
  output.say(output.text.demoLook({ address, docs, folder }));
}

/** Settings of a production server (its database!) must not reach a demo: only what is not ours stays. */
function listForeign(environment: Record<string, string | undefined>): Record<string, string | undefined> {
  const isOurs = (name: string) => Object.hasOwn(Config.properties, name.replace(/_FILE$/, ""));
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !isOurs(name)));
}

/** An account that is used once: its password is random and kept nowhere, its tokens lie below the demo's folder. */
async function signUp(login: string, { url, output, folder, signal }: DemoOptions): Promise<Client> {
  const env = { XDG_CONFIG_HOME: join(folder, "config") };
  const stranger = await openClient({ server: url, output, env });
  const body = { login, password: makeSecret() };
  const answer = await stranger.request("POST", "/v1/auth/register", { body, signal, anonymous: true });
  const signIn = readSession(answer.json);
  await changeServers(serversPath(env), async () => ({ current: url, servers: { [stranger.server]: signIn } }));
  return openClient({ server: url, output, env });
}

/** Changes a config and the game's settings, and adds a file of the player's own. */
async function editAsPlayer(player: string): Promise<string[]> {
  const paths = [examplePaths.edited, examplePaths.preserved];
  for (const path of paths) await appendFile(join(player, path), playersText);
  await Bun.write(join(player, playersFile), playersText);
  return [...paths, playersFile];
}

type Comparing = { slug: string; version: string; player: string; signal: AbortSignal };

/** Every file of the manifest has its digest, but those of the player, which have his words; what was removed is gone. */
async function compare(
  client: Client,
  { slug, version, player, signal }: Comparing,
): Promise<{ checked: number; wrong: string[] }> {
  const answer = await client.request("GET", `/v1/packs/${slug}/versions/${version}/manifest`, { signal });
  const { files } = chooseFiles(parseManifest(answer.json), { side: "client", kept: noChoice, given: {} });
  const wanted = listWanted(files);
  const own: string[] = [examplePaths.edited, examplePaths.preserved, playersFile];
  const wrong: string[] = [];
  for (const { path, digest } of wanted.filter((file) => !own.includes(file.path))) {
    const file = Bun.file(join(player, path));
    const found = (await file.exists()) ? (await digestStream(file.stream(), { sha256Only: true })).sha256 : "nothing";
    if (digest !== `sha256:${found}`) wrong.push(path);
  }
  for (const path of own) {
    const text = await readFile(join(player, path), "utf8").catch(() => "");
    if (!text.endsWith(playersText)) wrong.push(path);
  }
  for (const path of [examplePaths.dropped, examplePaths.moved.from]) {
    if (await stat(join(player, path)).catch(() => undefined)) wrong.push(path);
  }
  return { checked: wanted.length, wrong };
}
