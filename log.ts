import { writeSync } from "node:fs";
import { pino } from "pino";
import type { Config } from "./config.ts";
import { type LogBuffer, openLogBuffer } from "./log-buffer.ts";
import { listSecrets, openRedactor } from "./redact.ts";
import { currentTrace } from "./trace.ts";

export type Log = pino.Logger;

/** Names of levels, and their numbers in a line. */
export const logLevels = { debug: 20, info: 30, warn: 40, error: 50 } as const;
const never = 100;
/** A line is cut at so many characters: what is longer is an accident, and would fill what is kept for all. */
const maxLineLength = 16_384;

type Options = {
  /** What goes to standard error: a level's name, or "silent". */
  level: string;
  /** The role of the process. */
  service: string;
  /** Where lines go besides, and from which level on ("off": none). */
  collect?: { level: string; buffer: LogBuffer };
  /** Texts that no line may hold, besides all that looks like a secret. */
  secrets?: readonly string[];
  /** Writes to standard error when not given. */
  write?: (line: string) => void;
};

/**
 * Opens the log of one process: JSON lines on standard error, standard output being for people and results. Each line
 * carries the trace that it belongs to. What a line says is looked at as a whole before it leaves, so that no secret comes
 * out whatever field or text it stands in. A line that cannot be written is lost, and nothing else.
 */
export function openLog({ level, service, collect, secrets = [], write = writeSafely }: Options): Log {
  const { hideMembers } = openRedactor(secrets);
  const shownFrom = numberOf(level);
  const keptFrom = collect ? numberOf(collect.level) : never;
  const lowest = Math.min(shownFrom, keptFrom);
  const send = (text: string) => {
    const line = readLine(text);
    const from = typeof line.level === "number" ? line.level : never;
    const safe = cut(JSON.stringify(hideMembers(line)), line);
    if (from >= shownFrom) write(`${safe}\n`);
    if (from >= keptFrom) collect?.buffer.offer(safe);
  };
  return pino(
    {
      level: Object.entries(logLevels).find(([, number]) => number === lowest)?.[0] ?? "silent",
      base: { service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: describeError, cause: describeError },
      mixin: describeTrace,
    },
    { write: send },
  );
}

/** The log of a process as its configuration says, and what of it is to be collected. */
export function openProcessLog(config: Config, service: string): { log: Log; buffer: LogBuffer | undefined } {
  const buffer = config.LOG_COLLECT === "off" ? undefined : openLogBuffer();
  const collect = buffer && { level: config.LOG_COLLECT, buffer };
  const secrets = listSecrets(config);
  return { log: openLog({ level: config.LOG_LEVEL, service, secrets, ...(collect && { collect }) }), buffer };
}

function numberOf(level: string): number {
  return isLevel(level) ? logLevels[level] : never;
}

function isLevel(level: string): level is keyof typeof logLevels {
  return level in logLevels;
}

function readLine(text: string): Record<string, unknown> {
  return JSON.parse(text);
}

function cut(text: string, { level, time, service, traceId }: Record<string, unknown>): string {
  if (text.length <= maxLineLength) return text;
  return JSON.stringify({ level, time, service, traceId, msg: "a line was too long", begins: text.slice(0, 1_000) });
}

/** Standard error may be a file on a disk that is full, or a pipe that nobody reads. */
function writeSafely(line: string): void {
  try {
    let rest = Buffer.from(line);
    while (rest.length > 0) rest = rest.subarray(writeSync(2, rest));
  } catch {
    // there is nowhere left to tell it
  }
}

function describeTrace(): object {
  const trace = currentTrace();
  if (!trace) return {};
  const { id, caller, jobId } = trace;
  return { traceId: id, ...(caller !== undefined && { caller }), ...(jobId !== undefined && { jobId }) };
}

// Drivers hang connections and whole clients on their errors: a line tells what a person needs.
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause } = error;
  const code = "code" in error ? error.code : undefined;
  const deeper = cause !== undefined && depth < 3 ? describeError(cause, depth + 1) : undefined;
  return { type: name, message, code, stack, ...(deeper !== undefined && { cause: deeper }) };
}
