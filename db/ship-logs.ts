import type { Log } from "../log.ts";
import type { LogBuffer } from "../log-buffer.ts";
import { waitAtMost } from "../patience.ts";
import type { LogStream } from "./log-stream.ts";

/** Sends a process' lines to where all lines are collected. */
export type LogShipping = {
  /** Sends what there is now. False when it could not be sent: it is kept for later. */
  flush: () => Promise<boolean>;
  /** Lines of this process that are lost: they had to make room before they could be sent. */
  dropped: () => number;
  close: () => Promise<void>;
};

const everyMs = 1_000;
const maxBatchBytes = 64 * 1024;
const closeLimitMs = 1_000;

/**
 * Sends the buffer's lines once a second, in batches. While the stream does not answer they stay in the buffer, up to its
 * limits; what had to make room is told in a line as soon as the stream is back.
 */
export function shipLogs({ buffer, stream, log }: { buffer: LogBuffer; stream: LogStream; log: Log }): LogShipping {
  let waiting: string[] = [];
  let told = 0;
  let away = false;
  let flushing: Promise<boolean> | undefined;
  const send = async () => {
    for (;;) {
      if (waiting.length === 0) waiting = buffer.take(maxBatchBytes);
      if (waiting.length === 0) break;
      const trimmed = await stream.append(`${waiting.join("\n")}\n`);
      waiting = [];
      if (trimmed > 0) log.warn({ batches: trimmed }, "collected log lines made room: nobody writes them to files");
    }
    const dropped = buffer.dropped();
    if (dropped > told) log.warn({ dropped: dropped - told }, "log lines were lost: they could not be sent");
    told = dropped;
  };
  const flush = () => {
    flushing ??= send()
      .then(() => {
        away = false;
        return true;
      })
      .catch((error) => {
        if (!away) log.warn({ err: error }, "the log is not collected for now: its stream does not answer");
        away = true;
        return false;
      })
      .finally(() => {
        flushing = undefined;
      });
    return flushing;
  };
  const timer = setInterval(() => void flush(), everyMs);
  return {
    flush,
    dropped: buffer.dropped,
    close: async () => {
      clearInterval(timer);
      const last = async () => {
        await flushing;
        await flush();
      };
      await waitAtMost(last(), closeLimitMs);
    },
  };
}
