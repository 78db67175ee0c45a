import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Config } from "../config.ts";
import { hasCode } from "../fault.ts";
import type { Log } from "../log.ts";
import type { Outcome, Task, TextureOutcome, TextureTask } from "./decode/task.ts";
import { type DecoderProcess, type Ending, startDecoderProcess } from "./decoder-process.ts";

/** Decodes images in processes of their own, which live and die without this one. Nothing is started before it is asked. */
export type Decoder = {
  /** A folder for one image and what is made of it; gone when disposed of. */
  openFolder: () => Promise<AsyncDisposable & { path: string }>;
  /**
   * Waits for its turn: what is `urgent` goes before everything that is not. `begin` is asked just before the image is
   * decoded; undefined when it says no. Throws the signal's reason.
   */
  decode: (task: Omit<Task, "maxPixels">, options: Turn) => Promise<Outcome | Died | undefined>;
  /** The same for a texture, which goes before everything that is not urgent. */
  decodeTexture: (task: TextureTask, signal: AbortSignal) => Promise<TextureOutcome | Died>;
  /** The processes of this moment. */
  pids: () => number[];
  close: () => Promise<void>;
};

type Died = { died: string };
type Turn = { urgent: boolean; signal: AbortSignal; begin?: () => Promise<boolean> };

/** As many as `render-image` takes at once; back-fill is one at a time, so that one is always left for what is new. */
const slotCount = 2;
const timeoutMs = 90_000;
const idleMs = 30_000;

type Slot = { process?: DecoderProcess; idle?: Timer };

/** Opens the decoder of this process, with the limits that the configuration names. */
export function openDecoder({ config, log }: { config: Config; log: Log }): Decoder {
  const parent = resolve(config.DATA, "decoding");
  const own = join(parent, `${process.pid}-${Date.now()}-${crypto.randomUUID()}`);
  const free: Slot[] = Array.from({ length: slotCount }, () => ({}));
  const slots = [...free];
  const waiting: { urgent: ((slot: Slot) => void)[]; other: ((slot: Slot) => void)[] } = { urgent: [], other: [] };
  let ready: Promise<void> | undefined;

  const prepare = () => {
    ready ??= sweepFolders(parent).then(async () => void (await mkdir(own, { recursive: true, mode: 0o700 })));
    return ready;
  };
  const take = (urgent: boolean): Promise<Slot> => {
    const slot = free.pop();
    if (slot) return Promise.resolve(slot);
    return new Promise((next) => waiting[urgent ? "urgent" : "other"].push(next));
  };
  const giveBack = (slot: Slot) => {
    const next = waiting.urgent.shift() ?? waiting.other.shift();
    if (next) return next(slot);
    slot.idle = setTimeout(() => void slot.process?.kill(), idleMs);
    slot.idle.unref();
    free.push(slot);
  };
  const decodeInTurn = async (
    task: Task | TextureTask,
    { urgent, signal, begin }: Turn,
  ): Promise<Ending | undefined> => {
    await prepare();
    const slot = await take(urgent);
    clearTimeout(slot.idle);
    try {
      signal.throwIfAborted();
      if (!slot.process?.alive())
        slot.process = startDecoderProcess({ folder: own, memoryBytes: config.IMAGE_MEMORY_BYTES, timeoutMs });
      if (begin && !(await begin())) return undefined;
      const ending = await slot.process.run(task, signal);
      signal.throwIfAborted();
      if ("died" in ending) log.warn({ died: ending.died }, "a decoder ended in the middle of an image");
      return ending;
    } finally {
      giveBack(slot);
    }
  };
  return {
    openFolder: async () => {
      await prepare();
      const path = await mkdtemp(join(own, "image-"));
      return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
    },
    decode: async (task, turn) => {
      const ending = await decodeInTurn({ ...task, maxPixels: config.IMAGE_MAX_PIXELS }, turn);
      return ending && "texture" in ending ? { died: "it answered something else" } : ending;
    },
    decodeTexture: async (task, signal) => {
      const ending = await decodeInTurn(task, { urgent: true, signal });
      return ending && ("texture" in ending || "refused" in ending || "died" in ending)
        ? ending
        : { died: "it answered something else" };
    },
    pids: () => slots.flatMap(({ process }) => (process?.alive() ? process.pid : [])),
    close: async () => {
      for (const slot of slots) {
        clearTimeout(slot.idle);
        await slot.process?.kill();
      }
      if (ready) await rm(own, { recursive: true, force: true });
    },
  };
}

/** Removes the folders of processes that are gone: images of people lie in them. */
async function sweepFolders(parent: string): Promise<void> {
  const startedAt = Date.now() - process.uptime() * 1000;
  for (const name of await readdir(parent).catch(() => [])) {
    const [pid = 0, madeAt = 0] = name.split("-", 2).map(Number);
    // In a container that was started anew, the process that is gone may have had our number.
    if (pid === process.pid ? madeAt >= startedAt : isRunning(pid)) continue;
    await rm(join(parent, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return hasCode(error, "EPERM");
  }
}
