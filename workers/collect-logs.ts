import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { LogBatch } from "../db/log-stream.ts";
import { type LogFile, listLogFiles, logFilePath, logsFolder } from "../log-files.ts";
import type { Handle } from "../queues/actor.ts";
import type { CollectLogs } from "../queues/collect-logs.ts";

const partBytes = 16 * 1024 ** 2;

/**
 * One run at a time, of all pods. Lines are on the disk before the stream forgets them; a run that is killed in between
 * writes them twice, and readers tell copies by their ids. Where the disk is full or the folder refuses, lines stay in the
 * stream, which is bounded: nothing else waits for that.
 */
export const handle: Handle<CollectLogs, "logs" | "config"> = async ({ deps: { logs, config }, signal, log }) => {
  const folder = logsFolder(config);
  let lines = 0;
  let removed: number | undefined;
  await logs.take(async (batches) => {
    signal.throwIfAborted();
    removed ??= await tidy(folder, { keepDays: config.LOGS_KEEP_DAYS, maxBytes: config.LOGS_MAX_BYTES, signal });
    lines += await writeBatches(folder, batches);
  });
  if (removed) log.info({ files: removed }, "old logs were removed");
  return { lines };
};

/** Adds lines to the files of their services and days. Answers with how many there were. */
export async function writeBatches(folder: string, batches: readonly LogBatch[]): Promise<number> {
  const files = await listLogFiles(folder);
  const texts = new Map<string, { service: string; day: string; lines: string[] }>();
  for (const line of batches.flatMap(({ lines }) => lines.split("\n")).filter(Boolean)) {
    const { service, day } = placeOf(line);
    const key = `${service} ${day}`;
    const text = texts.get(key) ?? { service, day, lines: [] };
    text.lines.push(line);
    texts.set(key, text);
  }
  let count = 0;
  for (const { service, day, lines } of texts.values()) {
    const last = files.findLast((file) => file.service === service && file.day === day);
    const part = last === undefined ? 1 : last.packed || last.sizeBytes > partBytes ? last.part + 1 : last.part;
    await append(logFilePath(folder, { service, day, part }), `${lines.join("\n")}\n`);
    count += lines.length;
  }
  return count;
}

function placeOf(line: string): { service: string; day: string } {
  const service = /"service":"([a-z][a-z0-9-]{0,40})"/.exec(line)?.[1] ?? "other";
  const day = /"time":"(\d{4}-\d\d-\d\d)T/.exec(line)?.[1] ?? new Date().toISOString().slice(0, 10);
  return { service, day };
}

/** Adds to a file and waits for the disk. What could not be written whole is taken back, as far as it can be. */
async function append(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, "a+", 0o600);
  const { size } = await file.stat();
  try {
    // A run that was killed may have left half a line: it shall not spoil the next.
    const torn = size > 0 && (await file.read(Buffer.alloc(1), 0, 1, size - 1)).buffer[0] !== 10;
    await file.appendFile(torn ? `\n${text}` : text);
    await file.sync();
  } catch (error) {
    await file.truncate(size).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

type Rules = { keepDays: number; maxBytes: number; signal: AbortSignal };

/** Packs what nothing is added to any more and removes what is too old, or too much: the oldest first. */
async function tidy(folder: string, { keepDays, maxBytes, signal }: Rules): Promise<number> {
  const today = new Date().toISOString().slice(0, 10);
  const oldest = new Date(Date.now() - keepDays * 24 * 3_600_000).toISOString().slice(0, 10);
  const files = await listLogFiles(folder);
  let bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let removed = 0;
  const kept: LogFile[] = [];
  for (const file of files) {
    const old = file.day < oldest || bytes > maxBytes;
    if (!old) kept.push(file);
    else {
      await rm(file.path, { force: true });
      bytes -= file.sizeBytes;
      removed += 1;
    }
  }
  for (const file of kept) {
    signal.throwIfAborted();
    if (file.packed)
      await rm(file.path.replace(/\.gz$/, ""), { force: true }); // a run was killed after it had packed it
    else if (file.day < today || file.sizeBytes > partBytes) await pack(file.path);
  }
  return removed;
}

/** A packed file gets its name when it is whole. */
async function pack(path: string): Promise<void> {
  const unnamed = `${path}.packing`;
  await pipeline(createReadStream(path), createGzip(), createWriteStream(unnamed, { mode: 0o600, flush: true }));
  await rename(unnamed, `${path}.gz`);
  await rm(path, { force: true });
}
