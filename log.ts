import { pino } from "pino";

export type Log = pino.Logger;

/** Names of fields that never reach a log line, wherever they stand. */
const secretFields = [
  "password",
  "token",
  "accessToken",
  "refreshToken",
  "authorization",
  "cookie",
  "secret",
  "grant",
  "signature",
];

/**
 * Opens the log of one process: JSON lines on standard error, standard output being for people and results.
 * `level` is pino's; `service` names the role of the process.
 */
export function openLog({ level, service }: { level: string; service: string }): Log {
  return pino(
    {
      level,
      base: { service, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: describeError, cause: describeError },
      redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]), censor: "[redacted]" },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}

// Drivers hang connections and whole clients on their errors: a line tells what a person needs.
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause } = error;
  const code = "code" in error ? error.code : undefined;
  const deeper = cause !== undefined && depth < 3 ? describeError(cause, depth + 1) : undefined;
  return { type: name, message, code, stack, ...(deeper !== undefined && { cause: deeper }) };
}
