import { readdir, readFile, readlink } from "node:fs/promises";

/** The command line of a process as separate arguments; empty when it is gone (or a zombie). */
export async function listProcessArguments(pid: number): Promise<string[]> {
  if (!Number.isInteger(pid) || pid <= 0) return [];
  if (process.platform === "linux") {
    const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    return text.split("\0").filter(Boolean);
  }
  const child = Bun.spawn(["ps", "-o", "command=", "-p", String(pid)], { stdout: "pipe", stderr: "ignore" });
  return (await new Response(child.stdout).text()).trim().split(" ").filter(Boolean);
}

/** The processes that work in a folder, as far as we may see them; Linux only. */
export async function listProcessesIn(folder: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const places = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => "")));
  return pids.filter((_, index) => places[index] === folder).map(Number);
}
