import type { Comparison } from "./measure.ts";

/** What a benchmark is given. */
export type Run = {
  /** A folder of its own, on disk, removed afterwards. */
  folder: string;
  /** Tells a result as soon as it is there. */
  report: (comparison: Comparison) => void;
  /** Tells the reader something about how it was measured. */
  note: (text: string) => void;
  /** Ends with the benchmark, in reverse order. */
  stack: AsyncDisposableStack;
};

export type Bench = {
  name: string;
  /** Programs that have to be on this machine, with the Debian package that holds each. */
  programs: Record<string, string>;
  run: (run: Run) => Promise<void>;
};

/** Runs a command to its end; throws with what it said when it fails. Answers what it wrote to stdout. */
export async function command(argv: string[], options: { cwd?: string; env?: Record<string, string> } = {}) {
  const child = Bun.spawn(argv, {
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    env: { PATH: searchPath, ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: 60_000,
  });
  const [out, said] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0) throw new Error(`Cannot measure: ${argv[0]} failed\n${said || out}`);
  return out;
}

/** Where programs are looked for: daemons are often outside an ordinary user's PATH. */
export const searchPath = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`;
