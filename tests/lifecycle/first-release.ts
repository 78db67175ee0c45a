import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "..", "..");

/** The last commit before anything was built on the first release's tables. */
export const firstRelease = "c0b0d142088f77670cfd9f7c250e32aa0a082991";

/** Whether this clone holds that commit: one that was made with --depth does not. */
export function hasFirstRelease(): boolean {
  return Bun.which("git") !== null && git(["cat-file", "-e", `${firstRelease}^{commit}`]).exitCode === 0;
}

/** The first release's program in a folder of its own, with the packages that are installed here. */
export async function unpackFirstRelease(): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "sunduk-first-"));
  const archive = git(["archive", "--format=tar", firstRelease]);
  if (archive.exitCode !== 0) throw new Error(`unpacking ${firstRelease}: ${archive.stderr}`);
  const unpacked = Bun.spawnSync(["tar", "x", "-C", folder], { stdin: archive.stdout });
  if (unpacked.exitCode !== 0) throw new Error(`unpacking: ${unpacked.stderr}`);
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}

const git = (words: string[]) => Bun.spawnSync(["git", "-C", root, ...words]);
