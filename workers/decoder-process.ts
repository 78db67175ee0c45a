import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Value } from "@sinclair/typebox/value";
import { Outcome, type Task, TextureOutcome, type TextureTask } from "./decode/task.ts";

/** What has become of a task: an outcome, or why its process is no more. */
export type Ending = Outcome | TextureOutcome | { died: string };

export type DecoderProcess = {
  run: (task: Task | TextureTask, signal: AbortSignal) => Promise<Ending>;
  pid: number;
  alive: () => boolean;
  kill: () => Promise<void>;
};

type Options = { folder: string; memoryBytes: number; timeoutMs: number };

const lookEveryMs = 100;
/** Of the kernels that tell /proc/PID/statm in pages. */
const pageBytes = 4_096;

/**
 * Starts a process that decodes one image after the other. It is given no environment of ours. It is killed at the time
 * limit, when it holds more memory than it may, and when the signal says so; the caller then starts another.
 */
export function startDecoderProcess({ folder, memoryBytes, timeoutMs }: Options): DecoderProcess {
  let answer: ((ending: Ending) => void) | undefined;
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "decode", "main.ts")], {
    cwd: folder,
    // Fewer arenas, so that memory goes back to the system between pictures; larger ones are spilled into our folder.
    env: { MALLOC_ARENA_MAX: "2", TMPDIR: folder },
    stdio: ["ignore", "ignore", "ignore"],
    ipc: (message) =>
      answer?.(
        Value.Check(Outcome, message) || Value.Check(TextureOutcome, message)
          ? message
          : { died: "it answered nonsense" },
      ),
  });
  const kill = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  const run = async (task: Task | TextureTask, signal: AbortSignal): Promise<Ending> => {
    const { promise, resolve } = Promise.withResolvers<Ending>();
    answer = resolve;
    void child.exited.then(() => resolve({ died: `it ended: ${child.signalCode ?? child.exitCode}` }));
    const limit = setTimeout(() => resolve({ died: `it took longer than ${timeoutMs} ms` }), timeoutMs);
    const watch = setInterval(async () => {
      const bytes = await readMemory(child.pid);
      if (bytes > memoryBytes) resolve({ died: `it took ${bytes} bytes of memory` });
    }, lookEveryMs);
    const abort = () => resolve({ died: "it was told to end" });
    signal.addEventListener("abort", abort, { once: true });
    try {
      child.send(task);
      const ending = signal.aborted ? { died: "it was told to end" } : await promise;
      if ("died" in ending) await kill();
      return ending;
    } finally {
      answer = undefined;
      clearTimeout(limit);
      clearInterval(watch);
      signal.removeEventListener("abort", abort);
    }
  };
  return { run, pid: child.pid, alive: () => child.exitCode === null && child.signalCode === null, kill };
}

/** Bytes of memory that a process holds; 0 where the kernel does not say. */
async function readMemory(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/statm`, "utf8").catch(() => "");
  return Number(text.split(" ")[1] ?? 0) * pageBytes;
}
