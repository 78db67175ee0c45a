import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const program = join(import.meta.dir, "../../cli/index.ts");

export type Outcome = { code: number; stdout: string; stderr: string; json: any };
/** Runs the real command line in its own process, with a home of its own. */
export type Sunduk = (
  words: string[],
  options?: { stdin?: string; env?: Record<string, string>; home?: string },
) => Promise<Outcome>;
export type Person = { folder: string; sunduk: Sunduk; close: () => Promise<void> };

/** Somebody at a terminal: a folder, and a command line whose sign-ins lie in it. */
export async function seat(): Promise<Person> {
  const folder = await mkdtemp(join(tmpdir(), "sunduk-cli-"));
  const sunduk: Sunduk = async (words, { stdin = "", env = {}, home = "home" } = {}) => {
    const child = Bun.spawn([process.execPath, program, ...words], {
      env: { PATH: process.env.PATH ?? "", LANG: "C", XDG_CONFIG_HOME: join(folder, home), ...env },
      cwd: folder,
      stdin: new Blob([stdin]),
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, stdout, stderr, json: words.includes("--json") ? JSON.parse(stdout) : undefined };
  };
  return { folder, sunduk, close: () => rm(folder, { recursive: true, force: true }) };
}

/** Writes files below a folder, which is emptied first. */
export async function writeFiles(folder: string, files: Record<string, string | Uint8Array>): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  for (const [path, content] of Object.entries(files)) await Bun.write(join(folder, path), content);
  return folder;
}

/** Every file below a folder with its digest (sha256), but those of the installer. */
export async function readDigests(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const path of new Bun.Glob("**/*").scan({ cwd: folder, dot: true })) {
    if (path.startsWith(".sunduk/")) continue;
    found[path] = new Bun.CryptoHasher("sha256").update(await Bun.file(join(folder, path)).bytes()).digest("hex");
  }
  return Object.fromEntries(Object.entries(found).sort());
}
