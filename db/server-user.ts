import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";

/** The account that PostgreSQL runs as when root starts us, since it refuses to run as root. */
export type ServerUser = { uid: number; gid: number; reaches: boolean };

const candidates = ["sunduk", "postgres", "nobody"];

/**
 * Undefined when we are not root: PostgreSQL then runs as ourselves. For root: the first of the accounts sunduk, postgres
 * and nobody that exists, and whether it can reach `paths` through every folder above them.
 */
export async function findServerUser(paths: string[]): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  for (const name of candidates) {
    const account = accounts.find(([login]) => login === name);
    if (!account) continue;
    const user = { uid: Number(account[2]), gid: Number(account[3]) };
    const reachable = await Promise.all(paths.map((path) => canReach(path, user)));
    return { ...user, reaches: reachable.every(Boolean) };
  }
  throw new Error(
    `Cannot start PostgreSQL as root: none of the accounts ${candidates.join(", ")} exists. Start Sunduk as an ordinary user`,
  );
}

/**
 * Starts a program as that user. Where a folder above (such as /root) is closed to it, the program gets the one capability
 * to pass closed folders, through setpriv of util-linux; no_setuid_fixup makes access(2) honour it too (capabilities(7)).
 */
export function spawnAs(user: ServerUser | undefined, command: string[]): Bun.Subprocess<"ignore", "ignore", "pipe"> {
  const stdio = { stdin: "ignore", stdout: "ignore", stderr: "pipe", cwd: "/", detached: true } as const;
  if (!user) return Bun.spawn(command, stdio);
  if (user.reaches) return Bun.spawn(command, { ...stdio, uid: user.uid, gid: user.gid });
  if (!Bun.which("setpriv")) {
    throw new Error(
      "Cannot start PostgreSQL as root below a folder that only root may enter: use --data with another folder, or start Sunduk as an ordinary user",
    );
  }
  const capability = [
    "--securebits=+no_setuid_fixup",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
  ];
  return Bun.spawn(
    ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", ...capability, ...command],
    stdio,
  );
}

async function canReach(path: string, user: { uid: number; gid: number }): Promise<boolean> {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined);
    if (!found) continue;
    const bit = found.uid === user.uid ? 0o100 : found.gid === user.gid ? 0o010 : 0o001;
    if ((found.mode & bit) === 0) return false;
  }
  return true;
}
