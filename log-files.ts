import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import type { Config } from "./config.ts";

/** Lines of one service and one day (UTC): `<folder>/<service>/<day>.<part>.ndjson`, with .gz once nothing is added any more. */
export type LogFile = { path: string; service: string; day: string; part: number; packed: boolean; sizeBytes: number };

/** Where collected logs are. */
export function logsFolder({ LOGS_FOLDER, DATA }: Pick<Config, "LOGS_FOLDER" | "DATA">): string {
  return LOGS_FOLDER ?? join(DATA, "logs");
}

export function logFilePath(folder: string, { service, day, part }: Pick<LogFile, "service" | "day" | "part">): string {
  return join(folder, service, `${day}.${part}.ndjson`);
}

/** All files, the oldest first; none where there is no folder. A file that is being packed is listed once. */
export async function listLogFiles(folder: string): Promise<LogFile[]> {
  const found = new Map<string, LogFile>();
  for (const service of await listFolder(folder))
    for (const name of await listFolder(join(folder, service))) {
      const [, day, part, packed] = /^(\d{4}-\d\d-\d\d)\.(\d+)\.ndjson(\.gz)?$/.exec(name) ?? [];
      if (day === undefined) continue;
      const path = join(folder, service, name);
      const sizeBytes = await stat(path).then(
        ({ size }) => size,
        () => 0,
      );
      const key = `${day} ${String(part).padStart(6, "0")} ${service}`;
      // The packed one was complete when it got its name.
      if (packed || !found.has(key))
        found.set(key, { path, service, day, part: Number(part), packed: packed !== undefined, sizeBytes });
    }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, file]) => file);
}

/** The text of a file, a piece after the other, each of whole lines. One that goes meanwhile, or is broken, ends early. */
export async function* readLogFile({ path, packed }: LogFile): AsyncGenerator<string> {
  const source = createReadStream(path);
  const unpack = packed ? createGunzip() : undefined;
  source.on("error", (error) => unpack?.destroy(error));
  let rest = "";
  try {
    for await (const chunk of unpack ? source.pipe(unpack) : source) {
      const text = rest + String(chunk);
      const end = text.lastIndexOf("\n") + 1;
      rest = text.slice(end);
      if (end > 0) yield text.slice(0, end);
    }
  } catch {
    // what could be read is worth more than nothing
  } finally {
    source.destroy();
    unpack?.destroy();
  }
}

function listFolder(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
