import type { LogStream } from "../../db/log-stream.ts";
import { listLogFiles, readLogFile } from "../../log-files.ts";
import { waitAtMost } from "../../patience.ts";

/** A line as it was written, and its parts by which lines are ordered. */
export type FoundLine = { time: string; id: string; level: number; line: Record<string, unknown> };
export type Wanted = {
  trace?: string | undefined;
  /** The least level's number. */
  level: number;
  service?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  /** A text that the line holds, in any case. */
  query?: string | undefined;
  /** Only lines that come after this one: those are older. */
  after?: { time: string; id: string } | undefined;
  limit: number;
};
export type Found = {
  /** The newest first; one more than `limit` when there are more. */
  lines: FoundLine[];
  /** Whether all was looked at: time was enough. */
  complete: boolean;
  /** What could not be looked at. */
  missing: "stream"[];
};

const limitMs = 5_000;
const streamLimitMs = 2_000;

/** Looks for lines in the stream, and then in the files day by day, from the newest, until there are enough. */
export async function searchLogs(
  { stream, folder }: { stream: Pick<LogStream, "read">; folder: string },
  wanted: Wanted,
): Promise<Found> {
  const deadline = performance.now() + limitMs;
  const isWanted = makeFilter(wanted);
  let found = new Map<string, FoundLine>();
  const look = (text: string) => {
    for (const line of text.split("\n")) {
      const read = isWanted(line) ? readLine(line) : undefined;
      if (read && fits(read, wanted)) found.set(read.id, read);
    }
    if (found.size > 4 * wanted.limit + 1_000) found = newest(found, wanted.limit + 1);
  };
  const missing: "stream"[] = [];
  const batches = await waitAtMost(stream.read(), streamLimitMs).catch(() => undefined);
  if (batches) for (const { lines } of batches) look(lines);
  else missing.push("stream");
  const days = Map.groupBy(await listLogFiles(folder), ({ day }) => day);
  const done = () => [...newest(found, wanted.limit + 1).values()];
  for (const [day, files] of [...days].sort(([a], [b]) => (a < b ? 1 : -1))) {
    if (isOutside(day, wanted)) continue;
    for (const file of files) {
      if (wanted.service !== undefined && file.service !== wanted.service) continue;
      for await (const text of readLogFile(file)) {
        if (performance.now() > deadline) return { lines: done(), complete: false, missing };
        look(text);
      }
    }
    // Older days hold older lines.
    const enough = done();
    if (enough.length > wanted.limit && (enough.at(-1)?.time ?? "") >= day) break;
  }
  return { lines: done(), complete: true, missing };
}

function isOutside(day: string, { from, to, after }: Wanted): boolean {
  const last = [to, after?.time].filter((time) => time !== undefined).sort()[0];
  return (from !== undefined && day < from.slice(0, 10)) || (last !== undefined && day > last.slice(0, 10));
}

/** What can be told without reading the line's JSON, so that most lines cost little. */
function makeFilter({ trace, query, service }: Wanted): (line: string) => boolean {
  const text = query?.toLowerCase();
  return (line) =>
    line !== "" &&
    (trace === undefined || line.includes(trace)) &&
    (service === undefined || line.includes(`"service":"${service}"`)) &&
    (text === undefined || line.toLowerCase().includes(text));
}

function readLine(text: string): FoundLine | undefined {
  try {
    const line: unknown = JSON.parse(text);
    if (typeof line !== "object" || line === null || !("id" in line && "time" in line && "level" in line))
      return undefined;
    const { id, time, level } = line;
    if (typeof id !== "string" || typeof time !== "string" || typeof level !== "number") return undefined;
    return { id, time, level, line: { ...line } };
  } catch {
    return undefined; // half a line, of a run that was killed
  }
}

function fits({ id, time, level, line }: FoundLine, wanted: Wanted): boolean {
  const { from, to, after } = wanted;
  return (
    level >= wanted.level &&
    (wanted.trace === undefined || line.traceId === wanted.trace) &&
    (wanted.service === undefined || line.service === wanted.service) &&
    (from === undefined || time >= from) &&
    (to === undefined || time < to) &&
    (after === undefined || time < after.time || (time === after.time && id < after.id))
  );
}

function newest(found: Map<string, FoundLine>, limit: number): Map<string, FoundLine> {
  const sorted = [...found].sort(([idA, a], [idB, b]) =>
    a.time === b.time ? (idA < idB ? 1 : -1) : a.time < b.time ? 1 : -1,
  );
  return new Map(sorted.slice(0, limit));
}
